"""Commands beside talking and looking: how they are called. What they do stands in `commands`."""

from typing import Annotated, Literal

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.looking import group
from messagedb_agent.cli.shape import AllThreads, Form, Types, command
from messagedb_agent.errors import ValidationError

__all__ = ["group"]

_MAX_CONCURRENCY = 10_000
_MAX_GROUP_SIZE = 1_000  # Message DB reads a category slower, the more members a group has

WorkersGroup = Annotated[
    str, typer.Option("--group", metavar="NAME", help="Name of the workers' group.")
]


@command(group, "export", "Work")
def _export(
    common: Common,
    threads: Annotated[
        list[str] | None,
        typer.Argument(metavar="THREAD", help="Ids, unique beginnings of them, or `last`."),
    ] = None,
    take_all: AllThreads = False,
    with_memory: Annotated[
        bool | None,
        typer.Option(
            "--with-memory/--without-memory",
            help="What is known of users, as far as these threads have recalled it; with --all"
            " that of all users, unless it is left out.",
        ),
    ] = None,
    with_definitions: Annotated[
        bool | None,
        typer.Option(
            "--with-definitions/--without-definitions",
            help="The named definitions that these threads ran; with --all all of them.",
        ),
    ] = None,
    otel: Annotated[
        bool, typer.Option("--otel", help="The spans of their turns, for OpenTelemetry, instead.")
    ] = False,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="With --otel: where to send them by OTLP over HTTP, such as"
            " http://localhost:4318; else they are printed as OTLP's JSON lines.",
        ),
    ] = None,
) -> int:
    """Print threads as JSON Lines, without loss, for `import`; or their spans."""
    from messagedb_agent.cli.commands import archiving

    archiving.check_named(threads or (), take_all=take_all)
    carried = archiving.Carried(with_memory, with_definitions)
    if otel:
        if carried != archiving.Carried():
            raise ValidationError("--otel prints spans of threads, and nothing else", field="otel")
        from messagedb_agent.cli.commands import exporting

        return exporting.export_spans(common, threads or (), take_all=take_all, endpoint=endpoint)
    if endpoint is not None:
        raise ValidationError("--endpoint goes with --otel alone", field="endpoint")
    return archiving.export(common, threads or (), carried, take_all=take_all)


@command(group, "import", "Work")
def _import(
    common: Common,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export` printed; `-` is standard input.")
    ],
    skips_refused: Annotated[
        bool,
        typer.Option(
            "--skip-refused",
            help="Leave out, by name, threads that do not verify, that are there already but"
            " differ, or that the database cannot hold; else one of them keeps all out.",
        ),
    ] = False,
    form: Form = "text",
) -> int:
    """Write exported threads, with their ids, positions and hashes; each whole or not at all."""
    from messagedb_agent.cli.commands import archiving

    return archiving.import_(common, file, form, skips_refused=skips_refused)


@command(group, "worker", "Work")
def _worker(
    common: Common,
    concurrency: Annotated[
        int, typer.Option(min=1, max=_MAX_CONCURRENCY, metavar="N", help="Threads at once.")
    ] = 32,
    group_size: Annotated[
        int,
        typer.Option(min=1, max=_MAX_GROUP_SIZE, metavar="N", help="Slots that the workers share."),
    ] = 4,
    name: WorkersGroup = "workers",
    grace: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="How long threads may take once it stops."),
    ] = 30.0,
    tries: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="How often a thread may fail before it is parked."),
    ] = 5,
) -> int:
    """Answer what is said to threads, also by --detach, until SIGTERM or Ctrl-C."""
    from messagedb_agent.cli.commands import working

    return working.work(common, working.Working(concurrency, group_size, name, grace, tries))


@command(group, "consume", "Work")
def _consume(
    common: Common,
    handler: Annotated[
        str | None,
        typer.Argument(
            metavar="HANDLER|THREAD",
            help="`module:function` that is given each message, and a connection if it takes two;"
            " with --parked a thread, all if left out.",
        ),
    ] = None,
    parked: Annotated[
        Literal["list", "replay", "drop"] | None,
        typer.Option(help="Show what a group has put aside, let it be tried again, forget it."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="NAME",
            help="What the position is kept under [consumer]; with --parked also a group of"
            " workers [workers].",
        ),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="CATEGORY", help="Any category, in place of the threads'."),
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option(
            min=1, max=_MAX_GROUP_SIZE, metavar="N", help="Members that share the streams."
        ),
    ] = None,
    member: Annotated[
        int, typer.Option(min=0, metavar="K", help="Which of them this is, from 0.")
    ] = 0,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="POSITION",
            help="Where it starts the first time: start, now or a global position.",
        ),
    ] = "start",
    types: Types = None,
    correlation: Annotated[
        str | None,
        typer.Option(
            metavar="CATEGORY",
            help="Only messages that were caused from this category (correlationStreamName).",
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when all is handled that there is.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001, metavar="SECONDS", help="How long a message may take until it has failed."
        ),
    ] = 60.0,
    tries: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="How often a message may fail until it is parked."),
    ] = 5,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait", help="Refuse, and do not stand by, while another process has the group."
        ),
    ] = False,
    form: Form = "text",
) -> int:
    """Hand messages to a function of yours; see to what is parked."""
    from messagedb_agent.cli.commands import consuming, handling

    if parked is not None:
        aside = consuming.Aside(name, of, handler)
        return consuming.consume(common, parked, aside, form)
    if handler is None:
        raise ValidationError("consume takes MODULE:FUNCTION, or --parked", field="handler")
    given = handling.Given(
        *(handler, name or handling.DEFAULT_NAME, of, group_size, member, start),
        *(types, correlation, once, timeout, tries, not no_wait),
    )
    return handling.handle(common, given)


@command(group, "config", "Set up")
def _config(common: Common, form: Form = "text") -> int:
    """Show the settings in force and where each came from."""
    from messagedb_agent.cli.commands import configuring

    return configuring.config(common, form)

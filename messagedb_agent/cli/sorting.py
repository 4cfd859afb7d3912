"""The commands by which threads are found again: how they are called."""

from typing import Annotated, Literal

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.shape import By, Form, Thread, command, position
from messagedb_agent.cli.threads import group
from messagedb_agent.errors import ValidationError

__all__ = ["group"]

Threads = Annotated[
    list[str],
    typer.Argument(metavar="THREAD...", help="Ids, unique beginnings of them, or `last`."),
]


@command(group, "title", "Talk")
def _title(
    common: Common,
    thread: Thread,
    title: Annotated[
        str | None,
        typer.Argument(metavar="TITLE", help="The new title; what it is, where it is left out."),
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Have the thread's own model give it one.")
    ] = False,
    by: By = None,
) -> int:
    """Give a thread a title, or print the one it has."""
    from messagedb_agent.cli.commands import filing

    return filing.title(common, thread, title, by, generate=generate)


@command(group, "tag", "Talk")
def _tag(
    common: Common,
    thread: Thread,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="TAG", help="Tags to put on; none for none.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="A tag to take off; several times.")
    ] = None,
    by: By = None,
    form: Form = "text",
) -> int:
    """Put tags on a thread, take tags off, and print those it has then."""
    from messagedb_agent.cli.commands import filing

    return filing.tag(common, thread, tuple(tags or ()), tuple(remove or ()), by, form)


@command(group, "archive", "Talk")
def _archive(common: Common, threads: Threads, by: By = None) -> int:
    """Put threads away: `list` leaves them out, and nothing else changes."""
    from messagedb_agent.cli.commands import filing

    return filing.archive(common, threads, by)


@command(group, "unarchive", "Talk")
def _unarchive(common: Common, threads: Threads, by: By = None) -> int:
    """Fetch threads back that were archived."""
    from messagedb_agent.cli.commands import filing

    return filing.unarchive(common, threads, by)


@command(group, "delete", "Talk")
def _delete(
    common: Common,
    threads: Threads,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    by: By = None,
) -> int:
    """Hide threads for good: nothing is said to them any more, and their history is kept."""
    from messagedb_agent.cli.commands import filing

    return filing.delete(common, threads, by, reason)


@command(group, "memory", "Talk")
def _memory(
    common: Common,
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Of whom; who there is, where left out.")
    ] = None,
    action: Annotated[
        Literal["set", "get", "forget"] | None,
        typer.Argument(metavar="set|get|forget", help="What to do; shows all that is known."),
    ] = None,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="What it is called, such as city.")
    ] = None,
    value: Annotated[
        str | None, typer.Argument(metavar="VALUE", help="What is known, as text.")
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="VALUE is JSON, and no text.")] = False,
    under: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it is filed under; what is filed there alone."),
    ] = None,
    at: Annotated[int | None, position(help="As of this event of the user's stream.")] = None,
    view: Annotated[
        Literal["facts", "prompt", "events"],
        typer.Option("--as", help="What is known, what a model is shown of it, or its history."),
    ] = "facts",
    extract: Annotated[
        str | None,
        typer.Option(
            metavar="THREAD",
            help="Have this thread's model find what its users say of themselves, and note it.",
        ),
    ] = None,
    by: By = None,
    form: Form = "text",
) -> int:
    """Show, note or forget what is known of a user, across threads."""
    from messagedb_agent.cli.commands import remembering

    if extract is not None:
        if user is not None:
            raise ValidationError("--extract stands alone: the thread says who", field="extract")
        return remembering.extract(common, extract, by, form)
    asked = remembering.Remembering(user, action, key, value, is_json, under, by, at, view, form)
    return remembering.memory(common, asked)

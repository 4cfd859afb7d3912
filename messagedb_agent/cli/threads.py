"""The commands on threads: how they are called. What they do stands in `commands`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import MEANINGS
from messagedb_agent.cli.shape import (
    All,
    By,
    Calls,
    Context,
    Definition,
    Detach,
    Domain,
    Form,
    Message,
    OutputFile,
    Template,
    Thread,
    Values,
    Yes,
    command,
    new_group,
    position,
)

group = new_group(
    "Agents whose whole life is an event log in Message DB.\n\n"
    'Begin with: messagedb-agent start "What is 42 * 7?"',
    epilog="\n".join(f"{code:d}\t{meaning}" for code, meaning in MEANINGS.items()),
)


@command(group, "start", "Talk")
def _start(
    common: Common,
    message: Message,
    form: Form = "text",
    definition: Definition = None,
    template: Template = None,
    domain: Domain = None,
    values: Values = None,
    context: Context = None,
    output: OutputFile = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose thread it is, and who speaks.")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Show the model what is known of the user: `memory`.")
    ] = False,
    yes: Yes = False,
    detach: Detach = False,
) -> int:
    """Begin a thread with a message."""
    from messagedb_agent.cli import describing, turning, valuing
    from messagedb_agent.cli.commands import detaching, talking

    described = describing.Described(definition, template, domain, values or ())
    speaker = talking.Speaker(user, memory)
    if detach:
        detaching.refuse(yes=yes, output=output)
        return detaching.start(common, message, form, context, described, speaker)
    manner = turning.Manner(form, yes, output=valuing.Output(output) if output else None)
    return talking.start(common, message, manner, context, described, speaker)


@command(group, "message", "Talk")
def _message(
    common: Common,
    thread: Thread,
    message: Message,
    form: Form = "text",
    during: Annotated[
        Literal["queue", "interrupt", "reject"],
        typer.Option(help="Where a turn is under way: answer after it, cancel it, or refuse this."),
    ] = "queue",
    definition: Definition = None,
    template: Template = None,
    domain: Domain = None,
    values: Values = None,
    context: Context = None,
    output: OutputFile = None,
    yes: Yes = False,
    detach: Detach = False,
) -> int:
    """Say something in a thread."""
    from messagedb_agent.cli import describing, turning, valuing
    from messagedb_agent.cli.commands import detaching, talking

    described = describing.Described(definition, template, domain, values or ())
    if detach:
        detaching.refuse(yes=yes, output=output)
        return detaching.message(common, thread, message, form, during, context, described)
    manner = turning.Manner(form, yes, output=valuing.Output(output) if output else None)
    return talking.message(common, thread, message, manner, during, context, described)


@command(group, "continue", "Talk")
def _continue(common: Common, thread: Thread, form: Form = "text", yes: Yes = False) -> int:
    """Let a thread go on where it stopped: interrupted, failed, or at a limit."""
    from messagedb_agent.cli import turning
    from messagedb_agent.cli.commands import talking

    return talking.continue_(common, thread, turning.Manner(form, yes))


@command(group, "chat", "Talk")
def _chat(
    common: Common,
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="A new thread where it is left out.")
    ] = None,
    definition: Definition = None,
    template: Template = None,
    domain: Domain = None,
    values: Values = None,
    context: Context = None,
    yes: Yes = False,
) -> int:
    """Talk, message by message; in a pipe, a line is a message."""
    from messagedb_agent.cli import describing
    from messagedb_agent.cli.commands import chatting

    described = describing.Described(definition, template, domain, values or ())
    return chatting.chat(common, thread, described, context, yes=yes)


@command(group, "approve", "Talk")
def _approve(
    common: Common,
    thread: Thread,
    calls: Calls = None,
    arguments: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Run it with these in place of the model's."),
    ] = None,
    take_all: All = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the log.")] = None,
    by: By = None,
    form: Form = "text",
    detach: Detach = False,
) -> int:
    """Let tool calls run that wait for approval, and the turn go on."""
    from messagedb_agent.cli.commands import deciding

    decision = deciding.Decision(True, calls or (), take_all, reason, by, arguments)
    decide = deciding.decide_detached if detach else deciding.decide
    return decide(common, thread, decision, form)


@command(group, "deny", "Talk")
def _deny(
    common: Common,
    thread: Thread,
    calls: Calls = None,
    take_all: All = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the model and the log.")] = None,
    by: By = None,
    form: Form = "text",
    detach: Detach = False,
) -> int:
    """Refuse tool calls that wait for approval; the model is told, and the turn goes on."""
    from messagedb_agent.cli.commands import deciding

    decision = deciding.Decision(False, calls or (), take_all, reason, by)
    decide = deciding.decide_detached if detach else deciding.decide
    return decide(common, thread, decision, form)


@command(group, "fork", "Talk")
def _fork(
    common: Common,
    thread: Thread,
    at: Annotated[
        int | None, position(help="The last event that is shared; the newest where it is left out.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The new thread's title.")] = None,
    form: Form = "text",
) -> int:
    """Begin a thread that shares another one's past; nothing is copied, and nothing runs yet."""
    from messagedb_agent.cli.commands import forking

    return forking.fork(common, thread, at, title, form)


@command(group, "what-if", "Talk")
def _what_if(
    common: Common,
    thread: Thread,
    at: Annotated[
        int,
        position(
            help="The last event that is shared; where --tool-result replaces one before it, the"
            " event before that."
        ),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another model; several make several forks."),
    ] = None,
    system_prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with another system prompt, in UTF-8.")
    ] = None,
    temperature: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Another temperature, 0 to 2, as the model takes it."),
    ] = None,
    tool_result: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CALL=JSON",
            help="Another result of a call, such as calculate=295 or 5='\"a text\"': by its tool, a"
            " position, or its id or a part of it.",
        ),
    ] = None,
    form: Form = "text",
) -> int:
    """Fork a thread in the past and run the turn on, with something other than it was.

    Calls that the thread has made too are answered from its record. A call that is not in it:
    with --tools recorded, which is the default, the turn stops there; with --tools ask you are
    asked for its result; with --tools live the tool runs. Any other --tools adds tools.
    """
    from messagedb_agent.cli.commands import supposing

    supposed = supposing.Supposed(model or (), system_prompt, temperature, tool_result or ())
    return supposing.what_if(common, thread, at, supposed, form)


@command(group, "cancel", "Talk")
def _cancel(
    common: Common,
    thread: Thread,
    reason: Annotated[str | None, typer.Option(help="Why it is stopped.")] = None,
    by: By = None,
) -> int:
    """Stop a thread's turn, wherever it runs; the thread takes the next message."""
    from messagedb_agent.cli.commands import talking

    return talking.cancel(common, thread, reason, by)


@command(group, "end", "Talk")
def _end(
    common: Common,
    thread: Thread,
    reason: Annotated[str | None, typer.Option(help="Why it ends.")] = None,
) -> int:
    """End a thread; a later message reopens it."""
    from messagedb_agent.cli.commands import talking

    return talking.end(common, thread, reason)


@command(group, "resolve", "Talk")
def _resolve(
    common: Common,
    thread: Thread,
    call: Annotated[
        str, typer.Argument(metavar="CALL", help="The call's id, or a unique beginning or end.")
    ],
    completed: Annotated[
        str | None, typer.Option(metavar="RESULT", help="It took effect, with this result.")
    ] = None,
    failed: Annotated[
        str | None, typer.Option(metavar="REASON", help="It did not, for this reason.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says so.")] = None,
) -> int:
    """Say what really happened to a call of unknown outcome."""
    from messagedb_agent.cli.commands import resolving

    return resolving.resolve(common, thread, call, resolving.Said(completed, failed, by))

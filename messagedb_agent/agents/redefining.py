"""The agent that is to go on in a thread, and when it takes the place of the recorded one."""

from collections.abc import Sequence

from messagedb_agent.agent.commands import Command, Redefine, Start
from messagedb_agent.agents.defining import DEFAULTS, check_there, chosen, defined, is_same, stated
from messagedb_agent.agents.memory import Known
from messagedb_agent.agents.wish import Wish
from messagedb_agent.events.values import Definition, Limits, Recalled, ToolSpec
from messagedb_agent.projections.conversation import Conversation


def redefinition(
    thread_id: str,
    shown: Conversation,
    tools: tuple[ToolSpec, ...],
    wish: Wish,
    known: Known | None,
) -> Sequence[Command]:
    """Return what brings the recorded agent to the one that is to go on.

    Limits that were raised since stay raised, unless the changes name others. What holds for one
    turn alone ends with the next message; without one the turn that stopped goes on, with what
    holds for it.

    Args:
        thread_id: the thread's id.
        shown: the fold of it.
        tools: what there is, where the changes name no others; an agent that was begun with some of
            them by name has those.
        wish: what is asked of the thread, with what is to change.
        known: what is known of the user who speaks; None leaves what was recalled as it is.

    Raises:
        ValidationError: a change is wrong.
    """
    changes, options, speaks = wish.changes, wish.options, wish.said is not None
    fields = stated(changes)
    recorded = shown.lasting or shown.definition
    tools = fields.pop("tools", tools)
    if changes.get("definition") is not None:
        check_there(tools, fields["tool_names"])
    tools = chosen(tools, fields.get("tool_names", recorded.tool_names if recorded else None))
    before = recorded.recalled if recorded else None
    has_memory = fields.get("memory", recorded.memory if recorded else False)
    recalled = recollection(before, known) if has_memory else None
    ends = (shown.lasting is not None and speaks) or options.are_given
    as_recorded = recorded is not None and not fields and recorded.tools == tools
    if as_recorded and recalled == before and not ends:
        return ()  # nearly always
    said = {"tools": tools, **fields, "recalled": recalled}
    if recorded is None:
        begun = defined({**DEFAULTS, **said})
        turn = options.applied(begun)
        start = Start(thread_id, begun)
        return (start,) if turn == begun else (start, Redefine(turn, for_turn=True))
    limits = lasting_limits(shown)
    lasting = defined({**dict(recorded), "limits": limits, **said})
    turn = options.applied(lasting)
    in_force = _in_force(shown)
    if in_force is not None and not speaks:
        turn = defined({**dict(in_force), **said})
    is_new = not is_same(lasting, recorded.model_copy(update={"limits": limits}))
    if is_same(turn, lasting):
        return (Redefine(lasting),) if is_new or in_force is not None else ()
    if in_force is not None and not is_new and is_same(turn, in_force):
        return ()
    first = () if is_same(lasting, recorded) else (Redefine(lasting),)
    return (*first, Redefine(turn, for_turn=True))


def lasting_limits(shown: Conversation) -> Limits:
    """Return the limits that are in force but for what holds for this turn alone.

    Args:
        shown: the fold of the thread.
    """
    raised = shown.state.limits
    if shown.lasting is None or shown.definition is None:
        return raised
    of_turn, before = dict(shown.definition.limits), dict(shown.lasting.limits)
    fields = {
        name: before[name] if value == of_turn[name] else value
        for name, value in dict(raised).items()
    }
    return Limits(**fields)


def turn_goes_on(shown: Conversation) -> Sequence[Command]:
    """Return what makes a fork go on with what holds for the turn alone in which it branches off.

    Args:
        shown: the fold up to where it does.
    """
    in_force = _in_force(shown)
    return () if in_force is None else (Redefine(in_force, for_turn=True),)


def _in_force(shown: Conversation) -> Definition | None:
    """Return the agent of this turn alone; None where it is the recorded one."""
    if shown.lasting is None or shown.definition is None:
        return None
    return shown.definition.model_copy(update={"limits": shown.state.limits})


def recollection(before: Recalled | None, known: Known | None) -> Recalled | None:
    """Return what a model is shown of what is known; what it was shown before, if that is the same.

    Args:
        before: what it was shown before.
        known: what is known of the user who speaks; None leaves it as it was.
    """
    if known is None:
        return before
    text = known.memory.as_prompt()
    if before and (before.stream_name, before.text) == (known.stream, text):
        return before
    if not text:
        return None
    memory = known.memory
    return Recalled(
        text=text,
        stream_name=known.stream,
        position=memory.changed_at,
        event_id=memory.changed_by,
    )

"""What if: a fork that runs on with another model, prompt or result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from messagedb_agent.agent.state import Stage, State
from messagedb_agent.agents.defining import chosen, defined, stated
from messagedb_agent.agents.forking import Branching
from messagedb_agent.agents.reading import Reading
from messagedb_agent.agents.recorded_tools import AskResult
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import view
from messagedb_agent.errors import NotFound, Refused, ValidationError
from messagedb_agent.events.values import Definition, ToolSpec
from messagedb_agent.events.words import Answering
from messagedb_agent.projections.record import RecordedCall, record


@dataclass(frozen=True, slots=True)
class Supposing:
    """What is to be other than it was.

    Attributes:
        results: results in place of those recorded, by call id.
        tools: what answers calls that the record does not know.
        ask: asks a person for the result of such a call.
        changes: fields of `Definition`.
    """

    results: Mapping[str, str]
    tools: Answering
    ask: AskResult | None
    changes: Mapping[str, Any]


async def branching(
    threads: Reading, agent: Standing, here: tuple[ToolSpec, ...], supposing: Supposing
) -> tuple[Standing, Branching]:
    """Return where a fork begins, and how it differs.

    A call that is given another result must not have one yet: then the fork begins before it.

    Args:
        threads: what reads threads.
        agent: the state that it is to branch off.
        here: the tools that are here.
        supposing: what is to be other than it was.

    Raises:
        NotFound: a result is given for a call that the thread never made.
        Refused: a call has its outcome in the thread's past before it was forked itself, an open
            call has no result, or nothing is to be done where the fork would begin.
        ValidationError: a change is wrong.
    """
    known = (await threads.fold(agent.thread_id, record)).calls()
    agent = await _before(threads, agent, known, supposing.results)
    state = agent.view.conversation.state
    if not _owes(state):
        raise Refused(
            f"nothing is to be done at position {agent.position}: name one inside of a turn, such"
            " as that of a user's message"
        )
    results, recorded = await _results(state, known, supposing)
    text = orjson.dumps(results).decode() if results else None
    definition = _definition(agent, here, supposing)
    return agent, Branching(definition, text, recorded, supposing.tools, supposing.ask)


async def _before(
    threads: Reading, agent: Standing, known: Mapping[str, RecordedCall], given: Mapping[str, str]
) -> Standing:
    """Return the newest state, up to this one, in which none of some calls has an outcome."""
    stream = _stream(agent)
    position = agent.position
    for id in given:
        call = known.get(id)
        if call is None:
            raise NotFound("tool call", id)
        if call.told is None:
            continue
        if call.asked.stream != stream or call.told.stream != stream:
            was = f"{call.told.stream.partition('-')[2]}, at position {call.told.position}"
            raise Refused(f"call {id} has its outcome in the past that is shared, in thread {was}")
        position = min(position, call.told.position - 1)
    if position == agent.position:
        return agent
    seen = await threads.fold(agent.thread_id, view, at=position)
    if seen.named_by is None:
        raise NotFound("event", f"{agent.thread_id}/{position}")
    return Standing(seen.named_by.id, agent.thread_id, seen)


def _stream(agent: Standing) -> str:
    current = agent.view.lineage.current
    return current.stream if current else ""


def _owes(state: State) -> bool:
    call = state.model_call
    return (
        state.owed is not None
        or (call is not None and call.purpose == "answer" and not call.cancelled)
        or (bool(state.calls) and not state.dropped)
    )


async def _results(
    state: State, known: Mapping[str, RecordedCall], supposing: Supposing
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the results that the fork is given, and which of them are the record's own."""
    results, recorded = dict(supposing.results), list[str]()
    for id, open_call in state.calls.items():
        if id in results or open_call.stage is Stage.DONE or state.dropped:
            continue
        call = known[id]
        if call.kind is not None:
            results[id] = call.shown
            recorded.append(id)
        elif supposing.tools == "ask" and supposing.ask:
            given = await supposing.ask(call.tool, call.arguments)
            if given is None:
                raise _lacking(call)
            results[id] = given
        elif supposing.tools != "live":
            raise _lacking(call)
    return results, tuple(recorded)


def _lacking(call: RecordedCall) -> Refused:
    return Refused(
        f"the record has no result of {call.tool} {call.arguments}, which is open there: give one"
        f" for call {call.call_id}"
    )


def _definition(agent: Standing, here: tuple[ToolSpec, ...], supposing: Supposing) -> Definition:
    recorded = agent.view.conversation.definition  # with what holds for this turn alone
    if recorded is None:
        raise ValidationError("the thread was never started", field="thread")
    if supposing.tools == "live":
        tools = here
    else:  # nothing runs: no person need allow it, and it is harmless to repeat
        harmless = {"needs_approval": False, "effect": "retry"}
        tools = tuple(tool.model_copy(update=harmless) for tool in recorded.tools)
    limits = agent.view.conversation.state.limits
    given = stated(supposing.changes)
    tools = chosen(tools, given.get("tool_names", recorded.tool_names))
    return defined({**dict(recorded), "limits": limits, "tools": tools, **given})

"""The steps of a what-if: what came from the record, and what did not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from messagedb_agent.cli.rendering.events import cut

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.events.schema import SessionStarted
    from messagedb_agent.events.values import EventPlace
    from messagedb_agent.projections.record import RecordedCall

Source = Literal["asked", "record", "given", "ran", "nothing", "unused"]
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Step:
    """A model call or a tool call of a fork.

    Attributes:
        position: position of its outcome in the fork's stream.
        name: the model, or the tool with its arguments.
        text: what came of it.
        source: where that came from: the model was `asked`, the `record` knew it, somebody has
            `given` it, the tool `ran`, `nothing` told it, or it was given and is `unused`, as no
            call was made that it is for.
        place: the recorded event; None for anything else.
    """

    position: int
    name: str
    text: str
    source: Source
    place: "EventPlace | None" = None


async def steps_of(engine: "Engine", agent: "Agent") -> Sequence[Step]:
    """Return the steps of a fork, in order."""
    from messagedb_agent.events import schema
    from messagedb_agent.events.codec import decode
    from messagedb_agent.projections.record import record

    calls = (await engine.fold(agent.thread_id, record)).calls()
    steps: list[Step] = []
    async for message in engine.messages(agent.thread_id):
        recorded = decode(message).recorded
        at = recorded.position
        match recorded.event:
            case schema.SessionStarted() as started:
                steps += _given(started, await _known(engine, started, calls))
            case schema.LlmResponseReceived(model=model, text=text, tool_calls=asked):
                said = text or f"calls {', '.join(call.name for call in asked)}"
                steps.append(Step(at, model, said, "asked"))
            case schema.LlmCallFailed(kind=kind, message=why):
                steps.append(Step(at, "the model", f"{kind}: {why}", "asked"))
            case schema.ToolExecutionCompleted(call_id=id, result=result) as done:
                source: Source = "ran" if done.given_by is None else "given"
                steps.append(_of_tool(at, calls.get(id), result, done.taken_from, source))
            case schema.ToolExecutionFailed(call_id=id, kind=kind, message=why) as failed:
                source = "nothing" if kind == "not_recorded" else "ran"
                told = f"{kind}: {why}"
                steps.append(_of_tool(at, calls.get(id), told, failed.taken_from, source))
            case _:
                pass
    used = {step.name for step in steps if step.source == "given"}
    return [step for step in steps if step.source != "unused" or step.name not in used]


async def _known(
    engine: "Engine", started: "SessionStarted", calls: Mapping[str, "RecordedCall"]
) -> Mapping[str, tuple["RecordedCall", bool]]:
    """Return the calls that results may be given for, and whether each is the fork's by now.

    A fork that begins before a call has no such call: its parent knows which one is meant.
    """
    from messagedb_agent.projections.dropped import given_results
    from messagedb_agent.projections.record import record

    known = {id: (call, True) for id, call in calls.items()}
    forked = started.forked_from
    if forked and not given_results(started).keys() <= known.keys():
        parents = await engine.fold(forked.stream_name.partition("-")[2], record)
        known = {id: (call, False) for id, call in parents.calls().items()} | known
    return known


def _given(
    started: "SessionStarted", known: Mapping[str, tuple["RecordedCall", bool]]
) -> Iterator[Step]:
    from messagedb_agent.projections.dropped import given_results

    recorded = started.forked_from.recorded if started.forked_from else ()
    for id, text in given_results(started).items():
        call, is_own = known.get(id, (None, False))
        source: Source = ("record" if id in recorded else "given") if is_own else "unused"
        yield Step(0, f"{call.tool} {call.arguments}" if call else id, text, source)


def _of_tool(
    at: int,
    call: "RecordedCall | None",
    text: str,
    taken: "EventPlace | None",
    source: Source,
) -> Step:
    name = f"{call.tool} {call.arguments}" if call else "a tool"
    if taken is None:
        return Step(at, name, text, source)
    if taken.position == 0:  # the start of a fork, which came with it
        return Step(at, name, text, "given")
    return Step(at, name, text, "record", taken)


_SOURCES = {
    "asked": "the model was asked",
    "record": "from the record",
    "given": "given",
    "ran": "the tool ran",
    "nothing": "not in the record: stopped",
    "unused": "given, and not used: the call was not made",
}


def step_line(step: Step, parent: str) -> str:
    """Return a step in a line.

    Args:
        step: the step.
        parent: short name of the thread whose record it is.
    """
    where = f", {parent}/{step.place.position}" if step.place else ""
    text = cut(" ".join(step.text.split()), _SHOWN_CHARACTERS)
    return f"{step.name} -> {text} [{_SOURCES[step.source]}{where}]"


def step_json(step: Step) -> Mapping[str, Any]:
    """Return a step as a value."""
    return {
        "position": step.position,
        "name": step.name,
        "text": step.text,
        "source": step.source,
        "recorded": step.place
        and {"streamName": step.place.stream_name, "position": step.place.position},
    }

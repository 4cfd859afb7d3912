"""Random streams: any events in any order, with references that often hit and sometimes do not."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.state import Stage
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Stop,
    Wait,
)
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    AgentRedefined,
    ContextCompacted,
    Event,
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionArchived,
    SessionCompleted,
    SessionContinued,
    SessionDeleted,
    SessionStarted,
    SessionTagged,
    SessionTerminationRequested,
    SessionTitled,
    SessionUnarchived,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.values import (
    Attempt,
    Limits,
    MessageRange,
    ModelParameters,
    OutputVerdict,
    ReachedLimit,
    ToolCall,
    Usage,
)
from messagedb_agent.events.words import CallProblem
from messagedb_agent.ids import call_id
from tests.properties.log import AGENTS, TEXTS, Log, pick

NAMES = ("look", "pay", "rm", "check", "nobody's", "", "x" * 65, "naïve tool")
SCHEMAS = (None, None, '{"type": "object"}', None, "{", "[]")
ARGUMENTS = ("{}", '{"a": [1, 2.5]}', "[1]", "", "null", '{"a":', "[" * 2000, '{"a": NaN}', "\0")
LEFT_OUT = (
    (MessageRange(last=2),),
    (MessageRange(first=1, last=3), MessageRange(first=5, last=5)),
    (MessageRange(first=7, last=1), MessageRange(last=2**53)),
)
"""What foreign writers may say that they left out."""

MORE_LIMITS = (
    Limits(),
    Limits(calls_per_turn=9),
    Limits.model_validate({"costUsdPerThread": "9.5", "tokensPerThread": 2**53}),
    Limits.model_validate({"costUsdPerThread": "-9.5"}),
)


_VERDICTS = (None, None, OutputVerdict(), OutputVerdict(problem="no"))
_PURPOSES = ("answer", "answer", "answer", "summary", "summary", "title", "judge", "repair")
_MODEL_FAILURES = ("interrupted", "cancelled", "context_overflow", "unavailable", "empty")
_TOOL_FAILURES = ("raised", "timed_out", "cancelled", "outcome_unknown", "bad_arguments")
_PROBLEMS: tuple[CallProblem | None, ...] = (None, None, None, "unknown_tool", "cut_off")


def claim(purpose: Any, a: int = 0, *, repairs: bool = False) -> LlmCallStarted:
    return LlmCallStarted(
        purpose=purpose,
        model="scripted",
        parameters=ModelParameters(),
        attempt=a + 1,
        repairs=repairs,
        context_position=0,
        projection_name="conversation",
        projection_version=1,
        request_digest="",
    )


def reply(id: str, a: int, b: int, c: int) -> LlmResponseReceived:
    """Return a reply with up to three calls; some of their ids do not follow from the claim."""
    calls = [
        ToolCall(
            call_id=call_id(id, i if (a + i) % 7 else i + 1),
            name=pick(NAMES[: 3 + b % 6], b + i),
            arguments=pick(ARGUMENTS, c + i),
            problem=pick(_PROBLEMS, a + b + i),
        )
        for i in range(a % 4)
    ]
    return LlmResponseReceived(
        llm_call_id=id,
        model="scripted-1",
        text=pick(TEXTS, c),
        tool_calls=tuple(calls),
        finish_reason="stop",
        output=pick(_VERDICTS, b + c),
        usage=Usage(input_tokens=b),
        cost_usd=pick((None, "0.25", "9" * 50), b),
        attempts=(Attempt(model="scripted-1", kind="answered", elapsed_ms=c),),
    )


def _begin(_: Log, a: int, b: int, c: int) -> Event:
    return SessionStarted(thread_id="s0", definition=pick(AGENTS, a))


def _next(log: Log, a: int, b: int, c: int) -> Event | UnknownEvent:
    """Return what follows, as an engine would write it; a message where nothing does."""
    state = log.shown.state
    match decide(state):
        case CallModel(repairs=repairs):
            started = claim("answer", state.interruptions, repairs=repairs)
            return started.model_copy(update={"left_out": pick(LEFT_OUT, a)} if b == 9 else {})
        case Compact():
            return claim("summary", state.interruptions)
        case RunTools(call_ids=ids):
            return _started(pick(ids, a), 1)
        case RequestApproval(call_ids=ids):
            return ToolApprovalRequested(call_id=pick(ids, a), tool_name="x", arguments="{}")
        case RefuseCalls(call_ids=ids):
            return _failed(pick(ids, a), b, c)
        case Stop(limits=limits):
            return LimitReached(limits=limits)
        case Complete():
            return SessionCompleted(ending="user")
        case Wait(reason="retry" | "limit"):
            return SessionContinued(limits=pick(MORE_LIMITS, a))
        case Wait(reason="approval"):
            id = pick(state.at(Stage.ASKED), a)
            if b % 4 == 0:
                return ToolExecutionDenied(call_id=id, reason="no")
            return ToolExecutionApproved(call_id=id, arguments=pick((None, *ARGUMENTS), b))
        case Wait(reason="effect"):
            return _outcome(log, a, b, c)
        case _:
            return UserMessageAdded(text=pick(TEXTS, a), output_schema=pick(SCHEMAS, b))


def _outcome(log: Log, a: int, b: int, c: int) -> Event:
    """Return how one of the open claims ended."""
    state = log.shown.state
    running = state.at(Stage.RUNNING)
    if running and (state.model_call is None or a % 2):
        id = pick(running, a)
        return _failed(id, b, c) if c % 3 == 0 else _completed(id, b, c)
    if state.model_call is None:
        return TurnCancelled()
    id = state.model_call.id
    if b == 9:
        return LlmCallFailed(llm_call_id=id, kind=pick(_MODEL_FAILURES, a), message="no")
    if state.model_call.purpose == "summary":
        return _compacted(id, a, c)
    return reply(id, a, b, c)


def _started(id: str, attempt: int) -> ToolExecutionStarted:
    return ToolExecutionStarted(
        call_id=id, tool_name="x", arguments="{}", attempt=attempt, idempotency_key="k"
    )


def _completed(id: str, b: int, c: int) -> ToolExecutionCompleted:
    return ToolExecutionCompleted(call_id=id, attempt=1, result=pick(TEXTS, b), elapsed_ms=c)


def _failed(id: str, b: int, c: int) -> ToolExecutionFailed:
    return ToolExecutionFailed(
        call_id=id,
        attempt=0,
        kind=pick(_TOOL_FAILURES, b),
        message=pick(TEXTS, c),
        elapsed_ms=0,
    )


def _compacted(id: str, a: int, c: int) -> ContextCompacted:
    return ContextCompacted(
        llm_call_id=id,
        model="scripted-1",
        summary=pick(TEXTS, a),
        through_position=pick((0, 2, 5, c, 10_000), a),
    )


_MAKERS: tuple[tuple[int, Callable[[Log, int, int, int], Event | UnknownEvent]], ...] = (
    (40, _next),
    (
        4,
        lambda _, a, b, c: UserMessageAdded(text=pick(TEXTS, a), output_schema=pick(SCHEMAS, b)),
    ),
    (2, lambda _, a, b, c: claim(pick(_PURPOSES, a), b, repairs=c > 6)),
    (2, lambda log, a, b, c: reply(log.claim(b // 4), a, b, c)),
    (
        1,
        lambda log, a, b, c: LlmCallFailed(
            llm_call_id=log.claim(b // 4), kind=pick(_MODEL_FAILURES, a), message="no"
        ),
    ),
    (1, lambda log, a, b, c: _compacted(log.claim(b // 6), a, c)),
    (
        1,
        lambda log, a, b, c: ToolApprovalRequested(
            call_id=log.call(a // 3), tool_name="x", arguments="{}"
        ),
    ),
    (
        2,
        lambda log, a, b, c: ToolExecutionApproved(
            call_id=log.call(a // 3), arguments=pick((None, *ARGUMENTS), b)
        ),
    ),
    (1, lambda log, a, b, c: ToolExecutionDenied(call_id=log.call(a // 3))),
    (3, lambda log, a, b, c: _started(log.call(a // 3), 1 + b % 3)),
    (3, lambda log, a, b, c: _completed(log.call(a // 3), b, c)),
    (2, lambda log, a, b, c: _failed(log.call(a // 3), b, c)),
    (
        2,
        lambda log, a, b, c: ToolOutcomeResolved(
            call_id=log.call(a // 3), status="completed", text=pick(TEXTS, b)
        ),
    ),
    (
        1,
        lambda _, a, b, c: LimitReached(
            limits=(ReachedLimit(name="callsPerTurn", limit="1", reached="1"),) * (a % 2)
        ),
    ),
    (1, lambda _, a, b, c: SessionContinued(limits=pick(MORE_LIMITS, a))),
    (1, lambda _, a, b, c: TurnCancelled()),
    (1, lambda _, a, b, c: SessionTerminationRequested()),
    (1, lambda _, a, b, c: SessionCompleted(ending="done")),
    (1, _begin),
    (1, lambda _, a, b, c: AgentRedefined(definition=pick(AGENTS, a), for_turn=bool(b % 2))),
    (1, lambda _, a, b, c: _aside(a)),
)


def _aside(a: int) -> Event | UnknownEvent:
    asides: tuple[Event | UnknownEvent, ...] = (
        SessionTitled(title=""),
        SessionTagged(added=("a",)),
        SessionArchived(),
        SessionUnarchived(),
        UnknownEvent("Moved", "unknown type"),
        SessionDeleted(),
        UnknownEvent("Moved", "unknown type", critical=True),
    )
    return asides[a % len(asides)]


_WEIGHTED = tuple(maker for weight, maker in _MAKERS for _ in range(weight))


_START = next(i for i, maker in enumerate(_WEIGHTED) if maker is _begin)

Choice = tuple[int, int, int, int]
_FORKS = 6  # weight of a fork
CHOICES = st.lists(
    st.tuples(
        st.integers(0, len(_WEIGHTED) + _FORKS - 1),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(0, 9),
    ),
    max_size=40,
)


def stream_of(choices: Sequence[Choice]) -> tuple[Recorded, ...]:
    """Return the stream that some numbers stand for; simpler numbers stand for simpler streams."""
    log = Log([])
    for number, a, b, c in choices:
        if number >= len(_WEIGHTED):
            log.fork(log.results(10 * c + a), b)
        else:
            log.add(_WEIGHTED[number](log, a, b, c))
    return tuple(log.records)


STREAMS = CHOICES.map(stream_of)
"""Any events in any order."""

SESSIONS = CHOICES.map(
    lambda choices: stream_of([(_START, 0, 0, 0), (0, 2, 0, 0), (0, 0, 0, 0), *choices])
)
"""The same, behind a start, a user's message and an open model call."""

"""Random streams: any events in any order, with references that often hit and sometimes do not."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from messagedb_agent.events.strategy import last_n, summarize
from messagedb_agent.events.values import (
    Attempt,
    ForkPoint,
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
from messagedb_agent.projections.conversation import Conversation, conversation
from tests.given import definition, tool

NOBODY = "ffffffff-ffff-7fff-8fff-ffffffffffff"

TEXTS = ("", " \n", "yes", "tell me more")
NAMES = ("look", "pay", "rm", "check", "nobody's", "", "x" * 65, "naïve tool")
SCHEMAS = (None, None, '{"type": "object"}', None, "{", "[]")
ARGUMENTS = ("{}", '{"a": [1, 2.5]}', "[1]", "", "null", '{"a":', "[" * 2000, '{"a": NaN}', "\0")
ODD_RESULTS = (None, "", "[]", "{", '{"a": 1}', '{"c": "\\ud800"}')

AGENTS = (
    definition(
        tool("look", effect="retry"),
        tool("pay"),
        tool("rm", approval=True, effect="keyed"),
        tool("check", effect="check"),
    ),
    definition(tool("look", approval=True), limits=Limits(calls_per_turn=3, rounds_per_turn=2)),
    definition(
        limits=Limits.model_validate({"tokensPerThread": 5, "costUsdPerThread": "0.5"}),
    ),
    definition(tool("look", effect="retry"), tool("pay"), context=last_n(3) | summarize(6)),
)

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


@dataclass
class Log:
    """A stream while it is made up.

    Attributes:
        records: what stands in it, a fork's prefix first.
        stream: where the next event goes.
        forks: how often it was forked.
        shown: the fold of all that.
    """

    records: list[Recorded]
    stream: str = "agent:v0-s0"
    forks: int = 0
    shown: Conversation = field(default_factory=Conversation)

    def add(self, event: Event | UnknownEvent) -> Recorded:
        """Record an event behind all others; ids are unique, as in a store."""
        position = sum(1 for r in self.records if r.stream == self.stream)
        number = len(self.records) + 1
        id = f"{number:08x}-0000-7000-8000-{self.forks:012x}"
        recorded = Recorded(id, self.stream, position, event)
        self.replay(recorded)
        return recorded

    def replay(self, recorded: Recorded) -> None:
        """Take over an event as it stands."""
        self.records.append(recorded)
        self.shown = conversation.evolve(self.shown, recorded)

    def fork(self, results: str | None, agent: int = 0) -> Recorded:
        """Go on in another stream, from the newest event on."""
        self.forks += 1
        last = self.records[-1] if self.records else None
        point = ForkPoint(
            stream_name=last.stream if last else "agent:v0-gone",
            position=last.position if last else 0,
            event_id=last.id if last else NOBODY,
            results=results,
        )
        self.stream = f"agent:v0-s{self.forks}"
        return self.add(
            SessionStarted(
                thread_id=f"s{self.forks}", definition=_pick(AGENTS, agent), forked_from=point
            )
        )

    def results(self, number: int) -> str | None:
        """Return results that a fork may be given, mostly for the newest calls."""
        if number % 4 == 3:
            return ODD_RESULTS[number // 4 % len(ODD_RESULTS)]
        texts = (*TEXTS, None, 7)
        given = {self.call(back): _pick(texts, number + back) for back in range(1 + number % 3)}
        return json.dumps(given)

    def claim(self, back: int) -> str:
        """Return the id of a claim, counted from the newest; nobody's where there is none."""
        ids = [r.id for r in self.records if isinstance(r.event, LlmCallStarted)]
        return ids[-1 - back] if back < len(ids) else NOBODY

    def call(self, back: int) -> str:
        """Return the id of a tool call, counted from the newest."""
        ids = [
            c.call_id
            for r in self.records
            if isinstance(r.event, LlmResponseReceived)
            for c in r.event.tool_calls
        ]
        return ids[-1 - back] if back < len(ids) else f"{'0' * 32}_{back}"


def _pick(choices: Sequence[Any], number: int) -> Any:
    return choices[number % len(choices)]


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
            name=_pick(NAMES[: 3 + b % 6], b + i),
            arguments=_pick(ARGUMENTS, c + i),
            problem=_pick(_PROBLEMS, a + b + i),
        )
        for i in range(a % 4)
    ]
    return LlmResponseReceived(
        llm_call_id=id,
        model="scripted-1",
        text=_pick(TEXTS, c),
        tool_calls=tuple(calls),
        finish_reason="stop",
        output=_pick(_VERDICTS, b + c),
        usage=Usage(input_tokens=b),
        cost_usd=_pick((None, "0.25", "9" * 50), b),
        attempts=(Attempt(model="scripted-1", kind="answered", elapsed_ms=c),),
    )


def _begin(_: Log, a: int, b: int, c: int) -> Event:
    return SessionStarted(thread_id="s0", definition=_pick(AGENTS, a))


def _next(log: Log, a: int, b: int, c: int) -> Event | UnknownEvent:
    """Return what follows, as an engine would write it; a message where nothing does."""
    state = log.shown.state
    match decide(state):
        case CallModel(repairs=repairs):
            started = claim("answer", state.interruptions, repairs=repairs)
            return started.model_copy(update={"left_out": _pick(LEFT_OUT, a)} if b == 9 else {})
        case Compact():
            return claim("summary", state.interruptions)
        case RunTools(call_ids=ids):
            return _started(_pick(ids, a), 1)
        case RequestApproval(call_ids=ids):
            return ToolApprovalRequested(call_id=_pick(ids, a), tool_name="x", arguments="{}")
        case RefuseCalls(call_ids=ids):
            return _failed(_pick(ids, a), b, c)
        case Stop(limits=limits):
            return LimitReached(limits=limits)
        case Complete():
            return SessionCompleted(ending="user")
        case Wait(reason="retry" | "limit"):
            return SessionContinued(limits=_pick(MORE_LIMITS, a))
        case Wait(reason="approval"):
            id = _pick(state.at(Stage.ASKED), a)
            if b % 4 == 0:
                return ToolExecutionDenied(call_id=id, reason="no")
            return ToolExecutionApproved(call_id=id, arguments=_pick((None, *ARGUMENTS), b))
        case Wait(reason="effect"):
            return _outcome(log, a, b, c)
        case _:
            return UserMessageAdded(text=_pick(TEXTS, a), output_schema=_pick(SCHEMAS, b))


def _outcome(log: Log, a: int, b: int, c: int) -> Event:
    """Return how one of the open claims ended."""
    state = log.shown.state
    running = state.at(Stage.RUNNING)
    if running and (state.model_call is None or a % 2):
        id = _pick(running, a)
        return _failed(id, b, c) if c % 3 == 0 else _completed(id, b, c)
    if state.model_call is None:
        return TurnCancelled()
    id = state.model_call.id
    if b == 9:
        return LlmCallFailed(llm_call_id=id, kind=_pick(_MODEL_FAILURES, a), message="no")
    if state.model_call.purpose == "summary":
        return _compacted(id, a, c)
    return reply(id, a, b, c)


def _started(id: str, attempt: int) -> ToolExecutionStarted:
    return ToolExecutionStarted(
        call_id=id, tool_name="x", arguments="{}", attempt=attempt, idempotency_key="k"
    )


def _completed(id: str, b: int, c: int) -> ToolExecutionCompleted:
    return ToolExecutionCompleted(call_id=id, attempt=1, result=_pick(TEXTS, b), elapsed_ms=c)


def _failed(id: str, b: int, c: int) -> ToolExecutionFailed:
    return ToolExecutionFailed(
        call_id=id,
        attempt=0,
        kind=_pick(_TOOL_FAILURES, b),
        message=_pick(TEXTS, c),
        elapsed_ms=0,
    )


def _compacted(id: str, a: int, c: int) -> ContextCompacted:
    return ContextCompacted(
        llm_call_id=id,
        model="scripted-1",
        summary=_pick(TEXTS, a),
        through_position=_pick((0, 2, 5, c, 10_000), a),
    )


_MAKERS: tuple[tuple[int, Callable[[Log, int, int, int], Event | UnknownEvent]], ...] = (
    (40, _next),
    (
        4,
        lambda _, a, b, c: UserMessageAdded(text=_pick(TEXTS, a), output_schema=_pick(SCHEMAS, b)),
    ),
    (2, lambda _, a, b, c: claim(_pick(_PURPOSES, a), b, repairs=c > 6)),
    (2, lambda log, a, b, c: reply(log.claim(b // 4), a, b, c)),
    (
        1,
        lambda log, a, b, c: LlmCallFailed(
            llm_call_id=log.claim(b // 4), kind=_pick(_MODEL_FAILURES, a), message="no"
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
            call_id=log.call(a // 3), arguments=_pick((None, *ARGUMENTS), b)
        ),
    ),
    (1, lambda log, a, b, c: ToolExecutionDenied(call_id=log.call(a // 3))),
    (3, lambda log, a, b, c: _started(log.call(a // 3), 1 + b % 3)),
    (3, lambda log, a, b, c: _completed(log.call(a // 3), b, c)),
    (2, lambda log, a, b, c: _failed(log.call(a // 3), b, c)),
    (
        2,
        lambda log, a, b, c: ToolOutcomeResolved(
            call_id=log.call(a // 3), status="completed", text=_pick(TEXTS, b)
        ),
    ),
    (
        1,
        lambda _, a, b, c: LimitReached(
            limits=(ReachedLimit(name="callsPerTurn", limit="1", reached="1"),) * (a % 2)
        ),
    ),
    (1, lambda _, a, b, c: SessionContinued(limits=_pick(MORE_LIMITS, a))),
    (1, lambda _, a, b, c: TurnCancelled()),
    (1, lambda _, a, b, c: SessionTerminationRequested()),
    (1, lambda _, a, b, c: SessionCompleted(ending="done")),
    (1, _begin),
    (1, lambda _, a, b, c: AgentRedefined(definition=_pick(AGENTS, a), for_turn=bool(b % 2))),
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

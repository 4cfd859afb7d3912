"""A small language for sentences about threads: given events, when a command, then events.

    given(started(tool("rm", approval=True)), user("clean up"), claim(), replied("rm"), asked("rm"))
        .when(deny("rm", reason="not here"))
        .then(denied("rm", reason="not here"), next=CallModel())

Tool calls are named by their tool: the newest call of that tool is meant. Positions and ids follow
from the order, so that a sentence never spells an id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from messagedb_agent.agent.commands import ApproveTool, Command, DenyTool, ResolveOutcome
from messagedb_agent.agent.decider import accept, decide
from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import RefuseCalls, RequestApproval, RunTools, Step
from messagedb_agent.errors import AgentError
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import RequestMessage
from messagedb_agent.events.schema import (
    ContextCompacted,
    Event,
    LimitReached,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionCompleted,
    SessionContinued,
    SessionStarted,
    SessionTerminationRequested,
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
from messagedb_agent.events.strategy import ALL, ContextStrategy
from messagedb_agent.events.values import (
    Attempt,
    Definition,
    ForkPoint,
    Limits,
    ModelParameters,
    OutputVerdict,
    ReachedLimit,
    ToolCall,
    ToolSpec,
    Usage,
)
from messagedb_agent.events.words import (
    CallProblem,
    EffectPolicy,
    FailureKind,
    Purpose,
    ToolFailureKind,
)
from messagedb_agent.ids import call_id
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.projection import fold

STREAM = "agent:v0-thread"
FORK = "agent:v0-fork"


class History:
    """What was told so far, and how its claims and calls are found."""

    def __init__(self, records: Sequence[Recorded]) -> None:
        self.records = tuple(records)

    def claim(self) -> str:
        """Return the id of the newest model call."""
        return next(r.id for r in reversed(self.records) if isinstance(r.event, LlmCallStarted))

    def call(self, name: str) -> str:
        """Return the id of the newest call of a tool."""
        for recorded in reversed(self.records):
            if isinstance(recorded.event, LlmResponseReceived):
                for asked_for in recorded.event.tool_calls:
                    if asked_for.name == name:
                        return asked_for.call_id
        raise LookupError(f"nobody asked for {name}")


Told = Event | UnknownEvent | Callable[[History], Event]
Asked = Command | Callable[[History], Command]
Answered = Step | Callable[[History], Step]


def id_at(position: int, stream: str = STREAM) -> str:
    """Return the id of the event at a position."""
    thread = 1 if stream == STREAM else 2
    return f"{position:08x}-0000-7000-8000-{thread:012x}"


@dataclass(frozen=True, slots=True)
class Given:
    """A history, and what can be said of it."""

    records: tuple[Recorded, ...]
    stream: str = STREAM

    @property
    def history(self) -> History:
        return History(self.records)

    @property
    def state(self) -> State:
        state = State()
        for recorded in self.records:
            state = evolve(state, recorded)
        return state

    @property
    def next(self) -> Step:
        return decide(self.state)

    @property
    def shown(self) -> Conversation:
        return fold(conversation, self.records)

    @property
    def messages(self) -> tuple[RequestMessage, ...]:
        return tuple(entry.message for entry in self.shown.entries)

    def and_(self, *told: Told) -> "Given":
        """Return the history with more events."""
        records = list(self.records)
        for one in told:
            event = one(History(records)) if callable(one) else one
            position = sum(1 for r in records if r.stream == self.stream)
            records.append(Recorded(id_at(position, self.stream), self.stream, position, event))
        return replace(self, records=tuple(records))

    def forked(self, results: str | None = None, *tools: ToolSpec) -> "Given":
        """Return the history of a fork at the last event, with the fork's first event."""
        last = self.records[-1]
        point = ForkPoint(
            stream_name=last.stream, position=last.position, event_id=last.id, results=results
        )
        start = started(*tools).model_copy(update={"forked_from": point})
        return replace(self, stream=FORK).and_(start)

    def when(self, asked: Asked) -> "When":
        return When(self, asked(self.history) if callable(asked) else asked)

    def says(self, step: Answered) -> None:
        """Check what comes next."""
        assert self.next == (step(self.history) if callable(step) else step)


@dataclass(frozen=True, slots=True)
class When:
    """A history and a command."""

    given: Given
    command: Command

    def then(self, *told: Told, next: Answered | None = None) -> Given:
        """Check which events the command becomes, and what comes next after them."""
        events = accept(self.given.state, self.command)
        expected = tuple(one(self.given.history) if callable(one) else one for one in told)
        assert events == expected
        after = self.given.and_(*events)
        if next is not None:
            after.says(next)
        return after

    def is_refused(self, error: type[AgentError], match: str | None = None) -> None:
        with pytest.raises(error, match=match):
            accept(self.given.state, self.command)


def given(*told: Told) -> Given:
    """Return a history, told from the start."""
    return Given(()).and_(*told)


def tool(
    name: str, *, approval: bool = False, effect: EffectPolicy = "never", schema: str = "{}"
) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=f"does {name}",
        parameters_schema=schema,
        needs_approval=approval,
        effect=effect,
    )


def definition(
    *tools: ToolSpec, limits: Limits | None = None, context: ContextStrategy = ALL
) -> Definition:
    return Definition(
        name="helper",
        system_prompt="Be brief.",
        model="scripted",
        tools=tools,
        limits=limits or Limits(),
        context_strategy=str(context),
    )


def started(*tools: ToolSpec, limits: Limits | None = None) -> SessionStarted:
    return SessionStarted(thread_id="thread", definition=definition(*tools, limits=limits))


def user(text: str, output: str | None = None) -> UserMessageAdded:
    return UserMessageAdded(text=text, output_schema=output)


def claim(purpose: Purpose = "answer", *, repairs: bool = False) -> LlmCallStarted:
    return LlmCallStarted(
        purpose=purpose,
        model="scripted",
        parameters=ModelParameters(),
        attempt=1,
        repairs=repairs,
        context_position=0,
        projection_name="conversation",
        projection_version=1,
        request_digest="",
    )


@dataclass(frozen=True, slots=True)
class Call:
    """A call in a reply that is told."""

    name: str
    arguments: str = "{}"
    problem: CallProblem | None = None


def call(name: str, arguments: str = "{}", problem: CallProblem | None = None) -> Call:
    return Call(name, arguments, problem)


def replied(
    *calls: str | Call,
    text: str = "",
    tokens: int | None = None,
    cost_usd: str | None = None,
    elapsed_ms: int = 0,
    verdict: OutputVerdict | None = None,
) -> Callable[[History], Event]:
    """The newest model call is answered, with calls of these tools."""

    def tell(history: History) -> Event:
        id = history.claim()
        wanted = [Call(c) if isinstance(c, str) else c for c in calls]
        usage = Usage(input_tokens=tokens) if tokens is not None else None
        last = Attempt(model="scripted-1", kind="answered", elapsed_ms=elapsed_ms, usage=usage)
        return LlmResponseReceived(
            llm_call_id=id,
            model="scripted-1",
            text=text,
            tool_calls=tuple(
                ToolCall(
                    call_id=call_id(id, i), name=c.name, arguments=c.arguments, problem=c.problem
                )
                for i, c in enumerate(wanted)
            ),
            finish_reason="tool_calls" if calls else "stop",
            output=verdict,
            usage=usage,
            cost_usd=Decimal(cost_usd) if cost_usd is not None else None,
            attempts=(last,),
        )

    return tell


def failed(kind: FailureKind, message: str = "went wrong") -> Callable[[History], Event]:
    """The newest model call has failed."""
    return lambda h: LlmCallFailed(llm_call_id=h.claim(), kind=kind, message=message)


def compacted(through: int, summary: str = "all of it") -> Callable[[History], Event]:
    """The newest model call gave a summary."""
    return lambda h: ContextCompacted(
        llm_call_id=h.claim(), model="scripted-1", summary=summary, through_position=through
    )


def asked(name: str, arguments: str = "{}") -> Callable[[History], Event]:
    return lambda h: ToolApprovalRequested(
        call_id=h.call(name), tool_name=name, arguments=arguments
    )


def approved(name: str, arguments: str | None = None) -> Callable[[History], Event]:
    return lambda h: ToolExecutionApproved(call_id=h.call(name), arguments=arguments)


def denied(name: str, reason: str | None = None) -> Callable[[History], Event]:
    return lambda h: ToolExecutionDenied(call_id=h.call(name), reason=reason)


def runs(name: str, attempt: int = 1) -> Callable[[History], Event]:
    """A tool was started."""
    return lambda h: ToolExecutionStarted(
        call_id=h.call(name),
        tool_name=name,
        arguments="{}",
        attempt=attempt,
        idempotency_key=f"key of {name}",
    )


def done(name: str, result: str = "done", elapsed_ms: int = 0) -> Callable[[History], Event]:
    return lambda h: ToolExecutionCompleted(
        call_id=h.call(name), attempt=1, result=result, elapsed_ms=elapsed_ms
    )


def broke(
    name: str, kind: ToolFailureKind = "raised", message: str = "no luck"
) -> Callable[[History], Event]:
    """A tool gave no result."""
    return lambda h: ToolExecutionFailed(
        call_id=h.call(name), attempt=1, kind=kind, message=message, elapsed_ms=0
    )


def resolved(name: str, text: str = "it went through") -> Callable[[History], Event]:
    return lambda h: ToolOutcomeResolved(call_id=h.call(name), status="completed", text=text)


def stopped(*names: str) -> LimitReached:
    return LimitReached(limits=tuple(ReachedLimit(name=n, limit="1", reached="1") for n in names))


def continued(limits: Limits | None = None) -> SessionContinued:
    return SessionContinued(limits=limits or Limits())


def cancelled() -> TurnCancelled:
    return TurnCancelled()


def ending() -> SessionTerminationRequested:
    return SessionTerminationRequested()


def ended() -> SessionCompleted:
    return SessionCompleted(ending="user")


def approve(name: str, arguments: str | None = None) -> Callable[[History], Command]:
    return lambda h: ApproveTool(h.call(name), arguments=arguments)


def deny(name: str, reason: str | None = None) -> Callable[[History], Command]:
    return lambda h: DenyTool(h.call(name), reason=reason)


def resolve(name: str, text: str = "it went through") -> Callable[[History], Command]:
    return lambda h: ResolveOutcome(h.call(name), "completed", text)


def run(*names: str) -> Callable[[History], Step]:
    return lambda h: RunTools(tuple(h.call(name) for name in names))


def refuse(*names: str) -> Callable[[History], Step]:
    return lambda h: RefuseCalls(tuple(h.call(name) for name in names))


def request(*names: str) -> Callable[[History], Step]:
    return lambda h: RequestApproval(tuple(h.call(name) for name in names))


def spoken(*told: Told, **limits: Any) -> Given:
    """Return a thread that has the tools `look` (harmless), `pay` (never) and `rm` (approval), in
    which a user has spoken and a model call is open, and what came then."""
    tools = (tool("look", effect="retry"), tool("pay"), tool("rm", approval=True))
    return given(started(*tools, limits=Limits(**limits)), user("hello"), claim()).and_(*told)

"""Plausible sessions: an engine, a world and people, driven by numbers, with crashes and forks.

The engine writes what `decide` and `abandoned` say, as the real one does, and only that; the world
answers claims that stand; people say what `accept` allows. A crash leaves claims behind whose
outcome may still arrive, after somebody else has closed them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from messagedb_agent.agent.commands import (
    ApproveTool,
    Cancel,
    Command,
    Continue,
    DenyTool,
    During,
    End,
    Redefine,
    ResolveOutcome,
    Say,
)
from messagedb_agent.agent.decider import (
    AskTool,
    CloseModelCall,
    CloseToolCall,
    RunAgain,
    abandoned,
    accept,
    decide,
    not_done,
)
from messagedb_agent.agent.state import Stage, State
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    Done,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Step,
    Stop,
    Wait,
)
from messagedb_agent.errors import Refused
from messagedb_agent.events.schema import (
    ContextCompacted,
    Event,
    LimitReached,
    LlmCallFailed,
    LlmResponseReceived,
    SessionCompleted,
    SessionStarted,
    SessionTitled,
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionStarted,
)
from messagedb_agent.events.strategy import (
    estimated_tokens,
    first_last,
    last_n,
    summarize,
    token_window,
)
from messagedb_agent.events.values import (
    Attempt,
    Limits,
    OutputVerdict,
    ToolCall,
    Usage,
)
from messagedb_agent.events.words import FailureKind
from messagedb_agent.ids import call_id
from messagedb_agent.projections.requests import next_request, next_summary
from tests.given import definition, tool
from tests.properties.log import Log
from tests.properties.streams import ARGUMENTS, SCHEMAS, claim

_TOOLS = (
    tool("look", effect="retry"),
    tool("send", effect="keyed"),
    tool("check", effect="check"),
    tool("pay"),
    tool("rm", approval=True),
)
_AGENTS = (
    definition(*_TOOLS),
    definition(*_TOOLS, limits=Limits(calls_per_turn=6, rounds_per_turn=4)),
    definition(*_TOOLS, limits=Limits(tokens_per_thread=60)),
    definition(*_TOOLS, context=last_n(4)),
    definition(*_TOOLS, context=summarize(3)),
    definition(*_TOOLS, context=summarize(2) | last_n(6)),
    definition(*_TOOLS, context=first_last(1, 3, sliding=True) | token_window(60)),
)
_DURING: tuple[During, ...] = ("queue", "interrupt", "reject")
_KINDS: tuple[FailureKind, ...] = ("unavailable", "context_overflow", "empty", "cut_off")


@dataclass
class Session:
    """A thread in the hands of an engine.

    Attributes:
        log: what stands.
        running: keys of claims whose effects run in the worker that lives: claim or call ids.
        late: effects of workers that died, which may still report.
        closed: keys that have an outcome in this stream; the store takes no second one.
        through: what the open summary call stands for.
    """

    log: Log = field(default_factory=lambda: Log([]))
    running: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    through: int | None = None
    texts: int = 0

    @property
    def state(self) -> State:
        return self.log.shown.state

    def begin(self, agent: int) -> None:
        self.log.add(SessionStarted(thread_id="s0", definition=_AGENTS[agent % len(_AGENTS)]))

    # What the engine does

    def work(self) -> Step:
        """Write what follows until there is nothing to write, and return what is waited for."""
        while True:
            step = decide(self.state)
            match step:
                case Wait() | Done():
                    return step
                case Complete():
                    self.log.add(SessionCompleted(ending="user"))
                case RefuseCalls(call_ids=ids):
                    for id in ids:
                        self._fail(id, 0, "bad_arguments")
                case RequestApproval(call_ids=ids):
                    for id in ids:
                        self.log.add(
                            ToolApprovalRequested(call_id=id, tool_name="rm", arguments="{}")
                        )
                case RunTools(call_ids=ids):
                    for id in ids:
                        self._start(id)
                case Stop(limits=limits):
                    self.log.add(LimitReached(limits=limits))
                case Compact():
                    folded = next_summary(self.log.shown)
                    self.through = folded.through
                    started = claim("summary", self.state.interruptions)
                    started = started.model_copy(update={"left_out": folded.left_out})
                    self.running.append(self.log.add(started).id)
                case CallModel(repairs=repairs):
                    started = claim("answer", self.state.interruptions, repairs=repairs)
                    folded = next_request(self.log.shown, estimated_tokens)
                    started = started.model_copy(update={"left_out": folded.left_out})
                    self.running.append(self.log.add(started).id)

    def take_over(self, number: int = 0) -> None:
        """Close what a dead worker left open, as its next owner; `number` is what tools say."""
        for closing in abandoned(self.state):
            match closing:
                case CloseModelCall(claim_id=id, kind=kind):
                    self._add(id, LlmCallFailed(llm_call_id=id, kind=kind, message="gone"))
                case CloseToolCall(call_id=id, kind=kind):
                    self._fail(id, self.state.calls[id].attempt, kind)
                case AskTool(call_id=id):
                    self._ask(id, number)
                case RunAgain(call_id=id):
                    self._start(id)

    def _ask(self, id: str, number: int) -> None:
        attempt = self.state.calls[id].attempt
        match number % 4:
            case 0:
                self._fail(id, attempt, "outcome_unknown")
            case 1:
                self._fail(id, attempt, "raised")
            case 2:
                told = ToolExecutionCompleted(
                    call_id=id, attempt=attempt, result="found", elapsed_ms=1
                )
                self._add(id, told)
            case _:
                match not_done(self.state, id, attempt):
                    case CloseToolCall(kind=kind):
                        self._fail(id, attempt, kind)
                    case RunAgain():
                        self._start(id)
                    case None:
                        raise AssertionError("it is open")

    def crash(self) -> None:
        """The worker dies; its effects may have gone through."""
        self.late += self.running
        self.running = []

    def _start(self, id: str) -> None:
        attempt = self.state.calls[id].attempt + 1
        self.log.add(
            ToolExecutionStarted(
                call_id=id, tool_name="x", arguments="{}", attempt=attempt, idempotency_key="k"
            )
        )
        self.running.append(id)

    def _fail(self, id: str, attempt: int, kind: Any) -> None:
        self._add(
            id,
            ToolExecutionFailed(call_id=id, attempt=attempt, kind=kind, message="no", elapsed_ms=1),
        )

    def _add(self, key: str, outcome: Event) -> None:
        """Record an outcome, unless the store has one."""
        if key not in self.closed:
            self.closed.add(key)
            self.log.add(outcome)

    # What the world answers.

    def answer(self, number: int, *, late: bool = False) -> None:
        """One of the effects under way ends, somehow."""
        waiting = self.late if late else self.running
        if not waiting:
            return
        key = waiting.pop(number % len(waiting))
        if "_" in key:
            self._tool_ends(key, number)
        elif (call := self.state.model_call) and call.id == key and call.purpose == "summary":
            self._summary_ends(key, number)
        else:
            self._model_ends(key, number)

    def _tool_ends(self, id: str, number: int) -> None:
        match number % 6:
            case 4:
                self._fail(id, 1, "raised")
            case 5:
                self._fail(id, 1, "cancelled" if self.state.to_cancel else "outcome_unknown")
            case _:
                result = ToolExecutionCompleted(
                    call_id=id, attempt=1, result=f"r{number}", elapsed_ms=number
                )
                self._add(id, result)

    def _summary_ends(self, id: str, number: int) -> None:
        if self.through is None or number % 5 == 4:
            failed = LlmCallFailed(llm_call_id=id, kind="context_overflow", message="no")
            self._add(id, failed)
            return
        self._add(
            id,
            ContextCompacted(
                llm_call_id=id,
                model="scripted-1",
                summary="in short",
                through_position=self.through,
            ),
        )

    def _model_ends(self, id: str, number: int) -> None:
        if number % 9 == 7:
            kind = _KINDS[number % len(_KINDS)]
            self._add(id, LlmCallFailed(llm_call_id=id, kind=kind, message="no"))
        elif number % 9 == 8 and self.state.to_cancel:
            self._add(id, LlmCallFailed(llm_call_id=id, kind="cancelled", message="no"))
        else:
            self._add(id, self._reply(id, number))

    def _reply(self, id: str, number: int) -> LlmResponseReceived:
        """Return a reply; one that was to be an output may be none."""
        reply, call = _reply(id, number), self.state.model_call
        asked = self.log.shown.output
        if reply.tool_calls or call is None or asked is None or asked.position > call.position:
            return reply
        verdict = OutputVerdict(problem="no" if number % 4 == 1 else None)
        return reply.model_copy(update={"output": verdict})

    # What people do.

    def person(self, number: int) -> None:
        """Somebody asks for something; what is refused leaves no trace."""
        state, detail = self.state, number // 12
        commands: tuple[Command | None, ...] = (
            self._say(),
            self._say(output=SCHEMAS[2]),
            self._say(_DURING[detail % len(_DURING)]),
            *(ApproveTool(id) for id in state.at(Stage.ASKED)[:1]),
            *(
                ApproveTool(id, arguments=ARGUMENTS[detail % len(ARGUMENTS)])
                for id in state.at(Stage.ASKED)[-1:]
            ),
            *(DenyTool(id) for id in state.at(Stage.ASKED)[-1:]),
            *(ResolveOutcome(id, "completed", "yes") for id in sorted(state.unknown)[:1]),
            Continue(Limits(tokens_per_thread=state.total.tokens + 50)),
            Continue(),
            Cancel(),
            End(),
            Redefine(_AGENTS[detail % len(_AGENTS)], for_turn=bool(detail % 2)),
            None,
        )
        command = commands[number % len(commands)]
        try:
            events = accept(state, command) if command else (SessionTitled(title="t"),)
        except Refused:
            return
        for event in events:
            self.log.add(event)

    def _say(self, during: During = "queue", output: str | None = None) -> Say:
        self.texts += 1
        return Say(f"message {self.texts}", during=during, output=output)

    def fork(self, number: int) -> None:
        """Somebody goes on from an earlier event, in another thread."""
        size = 1 + number % len(self.log.records)
        log = Log([], forks=self.log.forks)
        for recorded in self.log.records[:size]:
            log.replay(recorded)
        log.fork(log.results(number))
        self.log, self.running, self.late, self.closed = log, [], [], set()

    def move(self, kind: int, number: int) -> None:
        """Something happens; the engine works on whenever a worker lives."""
        match kind:
            case 0 | 1 | 2 | 3 | 4:
                self.answer(number)
            case 5 | 6 | 7:
                self.person(number)
            case 8:
                self.crash()
                self.take_over(number)
            case 9:
                self.crash()
                self.person(number)
                self.take_over(number)
            case 10:
                self.answer(number, late=True)
            case _:
                self.fork(number)
        self.work()

    def settle(self, most: int = 200) -> Step:
        """Let the engine and the world go on alone, with answers that ask for no more tools."""
        for _ in range(most):
            step = self.work()
            if not self.running:
                return step
            self.answer(0)
        raise AssertionError(f"no rest after {most} steps: {decide(self.state)}")


def _reply(id: str, number: int) -> LlmResponseReceived:
    count = (0, 0, 1, 1, 2, 3)[number % 6]
    names = [_TOOLS[(number + i) % len(_TOOLS)].name for i in range(count)]
    return LlmResponseReceived(
        llm_call_id=id,
        model="scripted-1",
        text="" if number % 4 == 3 else f"answer {number}",
        tool_calls=tuple(
            ToolCall(
                call_id=call_id(id, i),
                name=name,
                arguments=ARGUMENTS[(number + i) % len(ARGUMENTS)],
                problem="bad_arguments" if (number + i) % 11 == 10 else None,
            )
            for i, name in enumerate(names)
        ),
        finish_reason="stop",
        usage=Usage(input_tokens=number % 5),
        attempts=(Attempt(model="scripted-1", kind="answered", elapsed_ms=number),),
    )


Moves = Sequence[tuple[int, int]]
MOVES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 99)), max_size=50)


def session_of(agent: int, moves: Moves) -> Session:
    """Return the session that some numbers stand for; it begins with a message."""
    session = Session()
    session.begin(agent)
    session.person(0)
    session.work()
    for kind, number in moves:
        session.move(kind, number)
    return session

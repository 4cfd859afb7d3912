"""From events to spans: one pure fold, which live tracing and `export --otel` share.

A turn is a trace: from a user message, or from what lets a resting thread go on, to what settles
it. Its root span is `invoke_agent`; below it stand `chat` for each claim of a model, `execute_tool`
for each attempt of a tool, and `await_approval` for each wait for a person. What belongs to what
is decided by the same state that `decide` works on. Ids follow from those of the events, times are
those of the events: who folds the same log has the same spans.

A turn that is open makes no span, and neither does a turn whose beginning was not read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from messagedb_agent.agent.counting import rejection
from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.state import Stage, State
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    ContextCompacted,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionCompleted,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.observability import attributes, content
from messagedb_agent.observability.attributes import OWN, Answer
from messagedb_agent.observability.spans import Attributes, Span
from messagedb_agent.observability.turns import Begun, Turn, opened
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.lineage import rests

_MODEL, _TOOL, _ASKED = "chat", "run", "ask"
_ANSWERS = LlmResponseReceived | ContextCompacted | LlmCallFailed


@dataclass(frozen=True)
class Traces:
    """The fold.

    Attributes:
        with_content: whether spans tell what was said.
        turns: turns that have not ended, oldest first.
        begun: effects and waits that have not, by kind and id.
        last: the newest turn there was.
        branch: for a fork without a turn yet, the turn that it branched off from.
        failure: why the last model call failed.
        ended: the spans that ended with the last event.
        is_known: whether the turn was read from its beginning.
    """

    with_content: bool = False
    turns: tuple[Turn, ...] = ()
    begun: Mapping[tuple[str, str], Begun] = field(default_factory=lambda: MappingProxyType({}))
    last: Turn | None = None
    branch: Turn | None = None
    failure: str | None = None
    ended: tuple[Span, ...] = ()
    is_known: bool = False

    def span_of_call(self, call_id: str) -> TraceContext | None:
        """Return the span of a tool call that runs."""
        begun = self.begun.get((_TOOL, call_id))
        return begun.context if begun else None


def evolve(
    traces: Traces,
    recorded: Recorded,
    properties: str | None,
    before: Conversation,
    after: Conversation,
) -> Traces:
    """Return the fold after an event.

    Args:
        traces: the fold before it.
        recorded: the event.
        properties: what it carries from its sender, a JSON object as text.
        before: the conversation before it.
        after: the conversation after it; the same where the event does not count.
    """
    known = traces.is_known or recorded.position == 0 or rests(decide(before.state))
    traces = changed(traces, ended=(), is_known=known)
    if after is before or not known:
        return traces
    return _Step(traces, recorded, before, after).run(properties)


class _Step:
    """One event, and what it does to a fold."""

    def __init__(
        self, traces: Traces, recorded: Recorded, before: Conversation, after: Conversation
    ) -> None:
        self._recorded = recorded
        self._before, self._after = before, after
        self._with_content = traces.with_content
        self._turns = list(traces.turns)
        self._begun = dict(traces.begun)
        self._last, self._branch = traces.last, traces.branch
        self._failure = traces.failure
        self._ended: list[Span] = []
        self._traces = traces

    def run(self, properties: str | None) -> Traces:
        event, state = self._recorded.event, self._after.state
        if isinstance(event, SessionStarted) and event.forked_from is not None:
            self._turns, self._begun, self._branch = [], {}, self._last
        if isinstance(event, UserMessageAdded):
            self._open(properties, goes_on=False)
        elif not self._turns and not rests(decide(state)):
            self._open(properties, goes_on=True)
        self._end_effects()
        self._begin_effect()
        self._end_turns()
        return changed(
            self._traces,
            turns=tuple(self._turns),
            begun=self._begun,
            last=self._last,
            branch=self._branch,
            failure=self._failure,
            ended=tuple(self._ended),
        )

    def _open(self, properties: str | None, *, goes_on: bool) -> None:
        """Begin a turn, linked to the one that it goes on from, or that its thread forks."""
        earlier = self._branch or (self._last if goes_on else None)
        links = [earlier.context if earlier else None]
        self._last, self._branch = opened(self._recorded, properties, links), None
        self._turns.append(self._last)

    def _end_effects(self) -> None:
        for key in [key for key, begun in self._begun.items() if self._is_over(key, begun)]:
            self._ended.append(self._end(key, self._begun.pop(key)))

    def _is_over(self, key: tuple[str, str], begun: Begun) -> bool:
        (kind, id), state = key, self._after.state
        if kind == _MODEL:
            call = state.model_call
            return not (call and call.id == id) and id not in state.side_calls
        call_state = state.calls.get(id)
        stage = call_state.stage if call_state else None
        if kind == _ASKED:
            return stage is not Stage.ASKED
        event = self._recorded.event
        begins_again = isinstance(event, ToolExecutionStarted) and event.call_id == id
        return stage is not Stage.RUNNING or begins_again

    def _end(self, key: tuple[str, str], begun: Begun) -> Span:
        """Return the span of an effect that ends here, with its outcome or because of others."""
        (kind, id), recorded = key, self._recorded
        match recorded.event:
            case (LlmResponseReceived() | ContextCompacted() | LlmCallFailed()) as answer if (
                kind == _MODEL and answer.llm_call_id == id
            ):
                return self._end_call(begun, answer)
            case (ToolExecutionCompleted() | ToolExecutionFailed()) as outcome if (
                kind == _TOOL and outcome.call_id == id
            ):
                return self._end_run(begun, outcome)
            case (ToolExecutionApproved() | ToolExecutionDenied()) as decision if (
                kind == _ASKED and decision.call_id == id
            ):
                is_allowed = isinstance(decision, ToolExecutionApproved)
                decided = "approved" if is_allowed else "denied"
                return begun.ended(recorded, {f"{OWN}.approval": decided})
            case _ if kind == _ASKED:
                return begun.ended(recorded, {f"{OWN}.approval": "dropped"})
            case _:
                return begun.ended(recorded, {}, "interrupted")

    def _end_call(self, begun: Begun, answer: Answer) -> Span:
        same = [turn.context == begun.turn.context for turn in self._turns]
        if True in same:
            index = same.index(True)
            self._turns[index] = self._turns[index].with_answer(answer)
        is_failure = isinstance(answer, LlmCallFailed)
        if isinstance(answer, LlmCallFailed):
            self._failure = answer.kind
        if self._is_rejected:
            self._failure = "bad_output"
        more = dict(attributes.answered(answer))
        if self._with_content and not isinstance(answer, LlmCallFailed):
            more |= content.reply(answer)
        return begun.ended(
            self._recorded,
            more,
            answer.kind if isinstance(answer, LlmCallFailed) else None,
            message=getattr(answer, "message", None) if is_failure and self._with_content else None,
            happenings=attributes.failed_tries(answer.attempts, begun.by.time_ms),
        )

    def _end_run(self, begun: Begun, outcome: ToolExecutionCompleted | ToolExecutionFailed) -> Span:
        more = dict(attributes.outcome(outcome))
        if isinstance(outcome, ToolExecutionFailed):
            message = outcome.message if self._with_content else None
            return begun.ended(self._recorded, more, outcome.kind, message=message)
        if self._with_content:
            more["gen_ai.tool.call.result"] = outcome.result
        return begun.ended(self._recorded, more)

    def _begin_effect(self) -> None:
        match self._recorded.event:
            case LlmCallStarted() as started:
                kind = attributes.provider_of(started.model)
                self._begin(
                    (_MODEL, self._recorded.id),
                    f"chat {attributes.model_of(started.model)}",
                    {**attributes.requested(started), **self._request(started)},
                    is_remote=kind != OWN,
                )
            case ToolExecutionStarted(call_id=call, tool_name=name, arguments=given) as started:
                text = {"gen_ai.tool.call.arguments": given} if self._with_content else {}
                values = {**_run(name, call), f"{OWN}.attempt": started.attempt, **text}
                self._begin((_TOOL, call), f"execute_tool {name}", values)
            case ToolApprovalRequested(call_id=call, tool_name=name):
                self._begin((_ASKED, call), f"await_approval {name}", attributes.tool(name, call))
            case ToolExecutionFailed(call_id=call) as failed if (
                self._before.state.calls[call].stage is Stage.PROBLEM
            ):
                name = self._before.state.calls[call].tool
                self._begin((_TOOL, call), f"execute_tool {name}", _run(name, call))
                if begun := self._begun.pop((_TOOL, call), None):
                    self._ended.append(self._end_run(begun, failed))
            case _:
                pass

    def _begin(
        self, key: tuple[str, str], name: str, values: Attributes, *, is_remote: bool = False
    ) -> None:
        open_turns = (turn for turn in self._turns if turn.dropped is None)
        turn = next(open_turns, self._last)
        if turn is None:
            return
        self._begun[key] = Begun(
            name=name,
            kind="client" if is_remote else "internal",
            role=key[0],
            by=self._recorded,
            turn=turn,
            attributes={**values, **self._agent(), **attributes.placed(self._recorded)},
        )

    def _request(self, started: LlmCallStarted) -> Attributes:
        if not self._with_content or started.purpose not in ("answer", "summary"):
            return {}
        return content.request(self._before, started)

    def _agent(self) -> Attributes:
        definition = self._after.definition
        return {"gen_ai.agent.name": definition.name} if definition else {}

    def _end_turns(self) -> None:
        if isinstance(self._recorded.event, TurnCancelled | SessionCompleted):
            is_end = isinstance(self._recorded.event, SessionCompleted)
            why = "ended" if is_end else "cancelled"
            self._turns = [changed(t, dropped=t.dropped or why) for t in self._turns]
        left = []
        for turn, (is_over, error) in zip(self._turns, list(self._judged()), strict=True):
            if is_over:
                agent = self._after.definition
                span = turn.ended(self._recorded, agent, error, with_content=self._with_content)
                self._ended.append(span)
            else:
                left.append(turn)
        self._turns = left

    def _judged(self) -> Iterator[tuple[bool, str | None]]:
        """Say of each turn whether it is over, and what went wrong in it."""
        state, answered_to = self._after.state, self._answered_to()
        is_at_rest = rests(decide(state))
        for turn in self._turns:
            if turn.dropped is not None:
                yield not state.has_open_claims, turn.dropped
            elif turn.opened.position <= answered_to:
                yield True, None
            else:
                yield is_at_rest, self._trouble(state)

    @property
    def _is_rejected(self) -> bool:
        """Whether the event is an answer that is not the output that was asked for."""
        reply = self._recorded.event
        if not isinstance(reply, LlmResponseReceived):
            return False
        return rejection(self._before.state, reply) is not None

    def _answered_to(self) -> int:
        """Return up to which position this event answers what was said; -1 for none."""
        call, event = self._before.state.model_call, self._recorded.event
        is_reply = isinstance(event, LlmResponseReceived) and call and event.llm_call_id == call.id
        if not is_reply or call is None or call.cancelled or self._after.state.calls:
            return -1
        if self._is_rejected:
            return -1
        return call.position

    def _trouble(self, state: State) -> str | None:
        if state.failed:
            return self._failure or "failed"
        return "limit_reached" if state.stopped else None


def _run(name: str, call_id: str) -> dict[str, Any]:
    values = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "function"}
    return {**values, **attributes.tool(name, call_id)}

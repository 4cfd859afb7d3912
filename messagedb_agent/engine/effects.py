"""What acts on the world: asks the model, runs the tools, and says what came of it as a fact."""

import asyncio
from collections.abc import Callable

from messagedb_agent.agent.bounds import MAX_TEXT_BYTES
from messagedb_agent.clock import Clock
from messagedb_agent.containing import contained, error_text
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended
from messagedb_agent.engine.plan import AskModel, Effect, ReconcileCall, RunTool
from messagedb_agent.engine.tool_calls import ToolCalls, TraceOf, no_trace
from messagedb_agent.engine.transacting import Within
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.canonical import is_object
from messagedb_agent.events.codec import Encoded, clean_text, encode
from messagedb_agent.events.request import CallFailure, Reply, RequestedCall
from messagedb_agent.events.schema import (
    ContextCompacted,
    Event,
    LlmCallFailed,
    LlmResponseReceived,
)
from messagedb_agent.events.values import (
    MAX_FAILURE_CHARS,
    Attempt,
    JsonText,
    OutputVerdict,
    ToolCall,
)
from messagedb_agent.events.words import FailureKind
from messagedb_agent.ids import call_id, derived_id
from messagedb_agent.llm.model import Models, OnDelta, is_prepared
from messagedb_agent.records import record
from messagedb_agent.store.hold import Hold
from messagedb_agent.tools.tool import Problem, Tools, unknown_tool

Judge = Callable[[JsonText, str, bool], str | None]
"""Says why a text is not the output that a JSON Schema asks for; None where it is. The last
argument is whether the answer was cut off. What it raises fails the call, as `internal`."""


@record
class Effects:
    """Performs the effects of one thread.

    Attributes:
        stream: full name of the thread's stream.
        thread_id: the thread's id.
        models: finds a model by its name.
        tools: the toolbox in force.
        clock: measures durations.
        on_delta: told of pieces of answers; None asks for answers in one piece.
        within: transactions that tools may write in; None where the store has none.
        trace_of: tells the span that a tool call runs in, by its id and the position of its start.
        judge: says whether an answer is the output that was asked for; None for nobody.
    """

    stream: str
    thread_id: str
    models: Models
    tools: Tools
    clock: Clock
    on_delta: OnDelta | None = None
    within: Within | None = None
    trace_of: TraceOf = no_trace
    judge: Judge | None = None

    def has_tool(self, name: str) -> bool:
        """Say whether a tool of this name can be run here."""
        return any(spec.name == name for spec in self.tools.specs())

    async def perform(self, effect: Effect, hold: Hold) -> Ended:
        """Perform a claimed effect and return its outcome, under the one id it may have.

        When it is cancelled it still returns an outcome: a model call and a harmless tool end as
        *cancelled*, any other tool as *outcome unknown*.

        Args:
            effect: what was claimed.
            hold: how the thread is owned; a tool that must run once asks it before it begins.
        """
        match effect:
            case AskModel():
                outcome = await self._ask(effect)
                id = derived_id(self.stream, effect.claim_id, "outcome")
                return Draft(id, outcome.event, effect.position, encoded=outcome)
            case RunTool():
                return await self._tool_calls.run(effect, hold)
            case ReconcileCall():
                return await self._tool_calls.ask(effect)

    @property
    def _tool_calls(self) -> ToolCalls:
        return ToolCalls(
            self.stream, self.thread_id, self.tools, self.clock, self.within, self.trace_of
        )

    async def _ask(self, ask: AskModel) -> Encoded:
        if ask.purpose == "summary" and ask.through is None:
            return _failed(ask, CallFailure("context_overflow", "there is nothing to summarise"))
        on_delta = self.on_delta if ask.purpose == "answer" else None

        async def asked() -> Reply | CallFailure:
            if is_prepared(self.models):
                await self.models.prepare(ask.request.model)
            return await self.models(ask.request.model).complete(ask.request, on_delta=on_delta)

        try:
            answer = await contained(asked)
            if isinstance(answer, CallFailure):
                return _failed(ask, answer)
            return self._said(ask, answer)
        except asyncio.CancelledError:
            return _failed(ask, CallFailure("cancelled", "the turn was cancelled"))
        except ConfigurationError as error:
            return _failed(ask, CallFailure("configuration", str(error)))
        except Exception as error:  # noqa: BLE001  # a bug in an adapter must not strand the thread
            return _failed(ask, CallFailure("internal", error_text(error)))

    def _said(self, ask: AskModel, reply: Reply) -> Encoded:
        is_summary = ask.purpose == "summary"
        said = encode(_compacted(ask, reply) if is_summary else self._received(ask, reply))
        if len(said.data) > MAX_TEXT_BYTES:
            why = f"it has more than {MAX_TEXT_BYTES} bytes"
            return encode(_unusable(ask, reply, "too_large", why))
        return said

    def _received(self, ask: AskModel, reply: Reply) -> LlmResponseReceived:
        return LlmResponseReceived(
            llm_call_id=ask.claim_id,
            model=reply.model,
            text=reply.text,
            reasoning=reply.reasoning,
            provider_blocks=reply.provider_blocks,
            tool_calls=tuple(
                self._requested(ask, reply, i, call) for i, call in enumerate(reply.calls)
            ),
            finish_reason=reply.finish_reason,
            output=self._verdict(ask, reply),
            usage=reply.usage,
            cost_usd=reply.cost_usd,
            price=reply.price,
            attempts=reply.attempts,
        )

    def _verdict(self, ask: AskModel, reply: Reply) -> OutputVerdict | None:
        schema = ask.request.output_schema
        if schema is None or reply.calls or self.judge is None:
            return None
        problem = self.judge(schema, clean_text(reply.text), reply.finish_reason == "length")
        return OutputVerdict(problem=problem and problem[:MAX_FAILURE_CHARS])

    def _requested(self, ask: AskModel, reply: Reply, index: int, call: RequestedCall) -> ToolCall:
        problem = self._problem(ask, call)
        requested = ToolCall(
            call_id=call_id(ask.claim_id, index),
            provider_call_id=call.provider_call_id,
            name=call.name,
            arguments=call.arguments,
        )
        if problem is None:
            return requested
        changes = {"problem": problem.kind, "problem_message": problem.message}
        if reply.finish_reason == "length" and not is_object(call.arguments):
            changes = {
                "problem": "cut_off",
                "problem_message": "the answer ended before the arguments did",
            }
        return requested.model_copy(update=changes)

    def _problem(self, ask: AskModel, call: RequestedCall) -> Problem | None:
        """Say why a call cannot run; a tool that was not offered is none, though it may be here.

        Whether a person must allow a tool is recorded with the tools that are offered.
        """
        offered = [tool.name for tool in ask.request.tools]
        if call.name in offered:
            return self.tools.problem(call.name, call.arguments)
        return unknown_tool(call.name, offered)


def _failed(ask: AskModel, failure: CallFailure) -> Encoded:
    return encode(_failure(ask, failure))


def _failure(ask: AskModel, failure: CallFailure) -> LlmCallFailed:
    return LlmCallFailed(
        llm_call_id=ask.claim_id,
        kind=failure.kind,
        message=failure.message[:MAX_FAILURE_CHARS] or failure.kind,
        attempts=failure.attempts,
    )


def _unusable(ask: AskModel, reply: Reply, kind: FailureKind, message: str) -> LlmCallFailed:
    """Return the failure that an answer is; what it used is its last try's."""
    *tried, last = reply.attempts or (Attempt(model=reply.model, kind="answered", elapsed_ms=0),)
    spent = last.model_copy(update={"kind": kind, "usage": reply.usage})
    return _failure(ask, CallFailure(kind, message, (*tried, spent)))


def _compacted(ask: AskModel, reply: Reply) -> Event:
    if ask.through is None or not reply.text.strip():
        return _unusable(ask, reply, "empty", "the summary is empty")
    return ContextCompacted(
        llm_call_id=ask.claim_id,
        model=reply.model,
        summary=reply.text,
        through_position=ask.through,
        usage=reply.usage,
        cost_usd=reply.cost_usd,
        price=reply.price,
        attempts=reply.attempts,
    )

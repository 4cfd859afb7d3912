"""Tool calls as effects: a tool is run, or asked what became of a call; a fact comes of it."""

import asyncio
from collections.abc import Callable

from messagedb_agent.agent.bounds import MAX_TEXT_BYTES, is_too_large
from messagedb_agent.clock import Clock
from messagedb_agent.containing import error_text, to_the_end
from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended, Undone
from messagedb_agent.engine.plan import ReconcileCall, RunTool
from messagedb_agent.engine.transacting import Within
from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.events.codec import encode
from messagedb_agent.events.schema import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.events.trace_context import TraceContext
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.events.words import ToolFailureKind
from messagedb_agent.ids import derived_id
from messagedb_agent.records import record
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.transactional import Transaction
from messagedb_agent.tools.tool import NotDone, ToolContext, ToolFailure, ToolResult, Tools

Outcome = ToolExecutionCompleted | ToolExecutionFailed
TraceOf = Callable[[str, int], TraceContext | None]
"""Tells the span that a tool call runs in, by its id and the position of its start."""


def no_trace(call_id: str, position: int) -> TraceContext | None:
    """Tell that a call runs in no span."""


@record
class ToolCalls:
    """Runs the tool calls of one thread.

    Attributes:
        stream: full name of the thread's stream.
        thread_id: the thread's id.
        tools: the toolbox in force.
        clock: measures durations.
        within: transactions that tools may write in; None where the store has none.
        trace_of: tells the span that a call runs in.
    """

    stream: str
    thread_id: str
    tools: Tools
    clock: Clock
    within: Within | None
    trace_of: TraceOf

    async def run(self, run: RunTool, hold: Hold) -> Ended:
        """Run a claimed call; see `Effects.perform`."""
        trace = self.trace_of(run.call_id, run.position)
        context = ToolContext(
            self.thread_id,
            run.call_id,
            run.attempt,
            run.idempotency_key,
            trace.traceparent if trace else None,
            trace.state or None if trace else None,
        )
        if not self.tools.is_transactional(run.tool_name):
            return self._fact(run, await self._ran(run, context, hold))
        if self.within is None:
            raise ConfigurationError(f"{run.tool_name} is transactional", field="tools")
        began = self.clock.elapsed_ms()
        try:
            async with self.within.store.transaction() as transaction:
                return await self._ran_within(run, context, hold, self.within, transaction)
        except StoreUnavailable:  # the transaction has not begun
            return Undone(run.call_id, run.attempt)
        except asyncio.CancelledError:  # likewise
            failure = ToolFailure("cancelled", "the turn was cancelled")
            return self._fact(run, self._outcome(run, failure, began))

    async def ask(self, asking: ReconcileCall) -> Ended:
        """Ask a tool what became of a call whose worker died."""
        began = self.clock.elapsed_ms()
        try:
            answer = await self.tools.reconcile(asking.tool_name, asking.idempotency_key)
        except asyncio.CancelledError:
            answer = ToolFailure("outcome_unknown", "the run ended before the tool had answered")
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001  # a toolbox's bug
            answer = ToolFailure("outcome_unknown", error_text(error))
        if isinstance(answer, NotDone):
            return Undone(asking.call_id, asking.attempt)
        return self._fact(asking, self._outcome(asking, answer, began))

    async def _ran_within(
        self,
        run: RunTool,
        context: ToolContext,
        hold: Hold,
        within: Within,
        transaction: Transaction,
    ) -> Ended:
        outcome = await self._ran(run, context.within(transaction.connection), hold)
        if isinstance(outcome, ToolExecutionCompleted):
            # Its end must be known, and what holds the category's lock must not dawdle.
            return await to_the_end(within.commit(transaction, self._fact(run, outcome)))
        if outcome.kind == "raised" and transaction.is_lost:
            return Undone(run.call_id, run.attempt)
        if outcome.kind == "timed_out":
            why = "no result in time; all that the tool wrote is rolled back"
            outcome = outcome.model_copy(update={"message": why})
        return self._fact(run, outcome)

    async def _ran(self, run: RunTool, context: ToolContext, hold: Hold) -> Outcome:
        began = self.clock.elapsed_ms()

        async def may_begin() -> None:
            if run.policy in ("retry", "keyed"):  # which may overlap with a take-over
                return
            await hold.confirm()
            if hold.lost.is_set():  # the loop has heard it too, and cancels this
                await asyncio.Event().wait()

        answer: ToolResult | ToolFailure
        try:
            answer = await self.tools.run(
                run.tool_name, run.arguments, context, may_begin=may_begin
            )
        except asyncio.CancelledError:
            if run.policy == "retry":
                answer = ToolFailure("cancelled", "the turn was cancelled")
            else:
                why = "the turn was cancelled while the tool ran"
                answer = ToolFailure("outcome_unknown", why)
        except (Exception, SystemExit, GeneratorExit) as error:  # noqa: BLE001  # a toolbox's bug
            answer = ToolFailure("raised", error_text(error))
        return self._outcome(run, answer, began)

    def _fact(self, call: RunTool | ReconcileCall, outcome: Outcome) -> Draft:
        return Draft(derived_id(self.stream, call.call_id, "outcome"), outcome, call.position)

    def _outcome(
        self, call: RunTool | ReconcileCall, answer: ToolResult | ToolFailure, began_ms: int
    ) -> Outcome:
        elapsed_ms = self.clock.elapsed_ms() - began_ms

        def failed(kind: ToolFailureKind, message: str) -> ToolExecutionFailed:
            return ToolExecutionFailed(
                call_id=call.call_id,
                attempt=call.attempt,
                kind=kind,
                message=message[:MAX_FAILURE_CHARS] or kind,
                elapsed_ms=elapsed_ms,
            )

        if isinstance(answer, ToolFailure):
            failure = failed(answer.kind, answer.message)
            if answer.taken_from is not None:
                return failure.model_copy(update={"taken_from": answer.taken_from})
            return failure
        completed = ToolExecutionCompleted(
            call_id=call.call_id,
            attempt=call.attempt,
            result=answer.text,
            elapsed_ms=elapsed_ms,
            taken_from=answer.taken_from,
            given_by=answer.given_by,
        )
        # Only a long text is encoded to see how long it is: what is written is cleaned first.
        if is_too_large(answer.text) and len(encode(completed).data) > MAX_TEXT_BYTES:
            return failed("raised", f"the result has more than {MAX_TEXT_BYTES} bytes")
        return completed

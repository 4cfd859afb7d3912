"""What a thread has used: tokens, money and time, by model and by tool.

A model call stands under the model that was asked, as the agent's definition names it, whatever
name the provider answers by; a thread's forks count what their shared prefix used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from messagedb_agent.agent.counting import counts, valid_calls
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State
from messagedb_agent.changing import changed
from messagedb_agent.events import values
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    ContextCompacted,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionCompleted,
    SessionStarted,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    TurnCancelled,
)
from messagedb_agent.projections.dropped import left_out
from messagedb_agent.projections.projection import Projection

NO_TOKENS = values.Usage()


@dataclass(frozen=True)
class ModelUse:
    """Model calls, and what they used.

    Attributes:
        calls: calls that were started.
        failed: of these, how many ended without a usable answer.
        attempts: tries of calls that have ended, the answered ones included.
        tokens: tokens by kind, of answers and of failed tries that the provider counted.
        cost_usd: US dollars, of the calls whose cost is known.
        unpriced: calls that used something whose cost is not known: answers without a cost, and
            failed calls with counted tokens.
        elapsed_ms: milliseconds spent asking, and waiting between tries.
    """

    calls: int = 0
    failed: int = 0
    attempts: int = 0
    tokens: values.Usage = NO_TOKENS
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    elapsed_ms: int = 0


@dataclass(frozen=True)
class ToolUse:
    """Tool calls by their outcome; what is left of `calls` has none yet.

    Attributes:
        calls: calls that the model asked for.
        attempts: how often one was started.
        completed: gave a result.
        failed: gave none: refused, raised, timed out or cancelled while running.
        denied: a person did not allow it.
        unknown: may or may not have taken effect, as `State.unknown` says; counted so even when
            resolved later.
        not_run: dropped before it started, or left behind by a fork.
        elapsed_ms: milliseconds spent running.
    """

    calls: int = 0
    attempts: int = 0
    completed: int = 0
    failed: int = 0
    denied: int = 0
    unknown: int = 0
    not_run: int = 0
    elapsed_ms: int = 0


@dataclass(frozen=True)
class ThreadUsage:
    """The fold.

    Attributes:
        state: what decisions are made on.
        models: all model calls together.
        tools: all tool calls together.
        by_model: model calls by the model asked.
        by_tool: tool calls by the tool's name, as the model wrote it.
        asked: the model asked by each call without an outcome, by the id of its claim.
    """

    state: State = field(default_factory=State, repr=False)
    models: ModelUse = ModelUse()
    tools: ToolUse = ToolUse()
    by_model: Mapping[str, ModelUse] = field(default_factory=dict)
    by_tool: Mapping[str, ToolUse] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def input_tokens(self) -> int:
        """Input tokens of all models, cached ones included."""
        return self.models.tokens.input_tokens

    @property
    def output_tokens(self) -> int:
        """Output tokens of all models, reasoning included."""
        return self.models.tokens.output_tokens

    @property
    def cost_usd(self) -> Decimal:
        """US dollars, of the calls whose cost is known; `models.unpriced` counts the others."""
        return self.models.cost_usd


def _evolve(before: ThreadUsage, recorded: Recorded) -> ThreadUsage:
    if not counts(before.state, recorded):
        return before
    after = changed(before, state=evolve_counted(before.state, recorded))
    match recorded.event:
        case LlmCallStarted(model=model):
            asked = {**after.asked, recorded.id: model}
            return _asked(changed(after, asked=asked), model, ModelUse(calls=1))
        case LlmResponseReceived() as reply:
            used = _answered(after, reply)
            return used if reply.llm_call_id in before.state.side_calls else _requested(used, reply)
        case ContextCompacted() as summary:
            return _answered(after, summary)
        case LlmCallFailed() as failure:
            return _failed(after, failure)
        case ToolExecutionStarted(call_id=call):
            return _called(after, _tool(before, call), ToolUse(attempts=1))
        case ToolExecutionCompleted(call_id=call, elapsed_ms=elapsed_ms):
            return _called(after, _tool(before, call), ToolUse(completed=1, elapsed_ms=elapsed_ms))
        case ToolExecutionFailed(call_id=call, elapsed_ms=elapsed_ms):
            unknown = int(call in after.state.unknown)
            use = ToolUse(failed=1 - unknown, unknown=unknown, elapsed_ms=elapsed_ms)
            return _called(after, _tool(before, call), use)
        case ToolExecutionDenied(call_id=call):
            return _called(after, _tool(before, call), ToolUse(denied=1))
        case SessionStarted():  # a fork never closes what its parent claimed
            return _dropped(changed(after, asked={}), before, recorded)
        case TurnCancelled() | SessionCompleted():
            return _dropped(after, before, recorded)
        case _:
            return after


usage: Projection[ThreadUsage] = Projection(ThreadUsage(), _evolve)


def _dropped(after: ThreadUsage, before: ThreadUsage, recorded: Recorded) -> ThreadUsage:
    for call in left_out(before.state, recorded):
        after = _called(after, _tool(before, call), ToolUse(not_run=1))
    return after


def _tool(before: ThreadUsage, call_id: str) -> str:
    return before.state.calls[call_id].tool


def _answered(after: ThreadUsage, outcome: LlmResponseReceived | ContextCompacted) -> ThreadUsage:
    use = ModelUse(
        attempts=len(outcome.attempts),
        tokens=_sum(values.spent(outcome.usage, outcome.attempts)),
        cost_usd=outcome.cost_usd or Decimal(0),
        unpriced=int(outcome.cost_usd is None),
        elapsed_ms=_elapsed_ms(outcome.attempts),
    )
    return _ended(after, outcome.llm_call_id, use)


def _failed(after: ThreadUsage, failure: LlmCallFailed) -> ThreadUsage:
    tried = values.spent(None, failure.attempts)
    use = ModelUse(
        failed=1,
        attempts=len(failure.attempts),
        tokens=_sum(tried),
        unpriced=int(bool(tried)),
        elapsed_ms=_elapsed_ms(failure.attempts),
    )
    return _ended(after, failure.llm_call_id, use)


def _elapsed_ms(attempts: Iterable[values.Attempt]) -> int:
    return sum(a.elapsed_ms + a.waited_ms for a in attempts)


def _ended(after: ThreadUsage, claim: str, use: ModelUse) -> ThreadUsage:
    model = after.asked.get(claim, "")
    asked = {id: name for id, name in after.asked.items() if id != claim}
    return _asked(changed(after, asked=asked), model, use)


def _requested(after: ThreadUsage, reply: LlmResponseReceived) -> ThreadUsage:
    for call in valid_calls(reply):
        dropped = int(call.call_id not in after.state.calls)  # its turn was cancelled meanwhile
        after = _called(after, call.name, ToolUse(calls=1, not_run=dropped))
    return after


def _asked(after: ThreadUsage, model: str, use: ModelUse) -> ThreadUsage:
    of_model = _model_sum(after.by_model.get(model, ModelUse()), use)
    return changed(
        after,
        models=_model_sum(after.models, use),
        by_model={**after.by_model, model: of_model},
    )


def _called(after: ThreadUsage, tool: str, use: ToolUse) -> ThreadUsage:
    of_tool = _tool_sum(after.by_tool.get(tool, ToolUse()), use)
    return changed(
        after, tools=_tool_sum(after.tools, use), by_tool={**after.by_tool, tool: of_tool}
    )


def _model_sum(one: ModelUse, other: ModelUse) -> ModelUse:
    return ModelUse(
        one.calls + other.calls,
        one.failed + other.failed,
        one.attempts + other.attempts,
        _sum((one.tokens, other.tokens)),
        one.cost_usd + other.cost_usd,
        one.unpriced + other.unpriced,
        one.elapsed_ms + other.elapsed_ms,
    )


def _tool_sum(one: ToolUse, other: ToolUse) -> ToolUse:
    return ToolUse(
        one.calls + other.calls,
        one.attempts + other.attempts,
        one.completed + other.completed,
        one.failed + other.failed,
        one.denied + other.denied,
        one.unknown + other.unknown,
        one.not_run + other.not_run,
        one.elapsed_ms + other.elapsed_ms,
    )


def _sum(usages: Iterable[values.Usage | None]) -> values.Usage:
    known = [u for u in usages if u is not None and u is not NO_TOKENS]
    if len(known) < 2:
        return known[0] if known else NO_TOKENS
    return values.Usage(
        input_tokens=sum(u.input_tokens for u in known),
        output_tokens=sum(u.output_tokens for u in known),
        cached_input_tokens=sum(u.cached_input_tokens for u in known),
        cache_write_tokens=sum(u.cache_write_tokens for u in known),
        reasoning_tokens=sum(u.reasoning_tokens for u in known),
    )

"""One event of every type with all its fields, and the files that keep how they are stored."""

import json
from decimal import Decimal
from pathlib import Path

from messagedb_agent.events.chain import GENESIS
from messagedb_agent.events.codec import Envelope, Sealed, seal
from messagedb_agent.events.metadata import Cause, Travelling
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
    Definition,
    EventPlace,
    ForkPoint,
    Limits,
    MessageRange,
    ModelParameters,
    OutputVerdict,
    Price,
    ReachedLimit,
    Recalled,
    Revision,
    ToolCall,
    ToolSpec,
    Usage,
)

FOLDER = Path(__file__).parent / "v1"
ID = "019b76da-a800-7000-8000-00000000000a"
STREAM = "agent:v0-0f8fad5b-d9cb-469f-a165-70867728950e"
POSITION = 4
ENVELOPE = Envelope(
    cause=Cause(STREAM, 3, 17),
    travelling=Travelling("shop:order-7", "shop:reply-7", '{"tenant":7,"traceId":"4bf9\u00fc"}'),
    occurred_at_ms=1_767_225_600_123,
    writer="kX3w9Qd_fzE",
)

_CLAIM = "019b76da-a800-7000-8000-000000000007"
_CALL = "019b76daa80070008000000000000007_0"
_PARAMETERS = ModelParameters.model_validate(
    {
        "temperature": "0.20",
        "topP": "0.9",
        "maxTokens": 1024,
        "timeoutMs": 60_000,
        "maxRetries": 2,
        "extra": '{"seed": 7}',
    }
)
_LIMITS = Limits.model_validate(
    {
        "callsPerTurn": 20,
        "roundsPerTurn": 10,
        "elapsedMsPerTurn": 600_000,
        "tokensPerThread": 1_000_000,
        "costUsdPerThread": "2.50",
    }
)
_DEFINITION = Definition(
    name="helper",
    system_prompt="Be brief.\nAnswer in the user's language: Grüß Gott, \u2028 \U0001f600.",
    model="anthropic/claude-haiku-4-5",
    parameters=_PARAMETERS,
    tools=(
        ToolSpec(
            name="calculate",
            description='Works out a "sum".',
            parameters_schema='{"type": "object", "properties": {"expression": {}}}',
            needs_approval=True,
            effect="retry",
            timeout_ms=5_000,
        ),
    ),
    limits=_LIMITS,
    context_strategy="last_n:20",
)
_USAGE = Usage(
    input_tokens=120,
    output_tokens=35,
    cached_input_tokens=100,
    cache_write_tokens=5,
    reasoning_tokens=12,
)
_ATTEMPTS = (
    Attempt(model="m-1", kind="rate_limited", elapsed_ms=80),
    Attempt(model="m-2", kind="answered", elapsed_ms=900, waited_ms=250, usage=_USAGE),
)
_COST_USD = Decimal("0.000295")
_PRICE = Price.model_validate(
    {"inputUsd": "1", "outputUsd": "5.00", "cachedInputUsd": "0.10", "cacheWriteUsd": "1.25"}
)

_REVISION = Revision(stream_name="agentDefinition-support", position=3, event_id=_CLAIM)
_PLACE = EventPlace(stream_name="agent:v0-parent", position=12)

_EVENTS: tuple[Event, ...] = (
    SessionStarted(
        thread_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        definition=_DEFINITION,
        user="ada",
        metadata='{"ticket": 12}',
        forked_from=ForkPoint(
            stream_name="agent:v0-parent",
            position=11,
            event_id=_CLAIM,
            results=f'{{"{_CALL}": "294"}}',
        ),
    ),
    AgentRedefined(definition=_DEFINITION),
    UserMessageAdded(text="What is 42 * 7?\n\t\u00e9\x7f \U0001f9ee \\u0000", user="ada"),
    LlmCallStarted(
        purpose="summary",
        model="anthropic/claude-haiku-4-5",
        parameters=_PARAMETERS,
        attempt=2,
        context_position=1,
        projection_name="summary",
        projection_version=2,
        request_digest="n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    ),
    LlmResponseReceived(
        llm_call_id=_CLAIM,
        model="claude-haiku-4-5-20251001",
        text="I will work it out.",
        reasoning="A product of two numbers.",
        provider_blocks='{"family": "anthropic", "thinking_blocks": []}',
        tool_calls=(
            ToolCall(
                call_id=_CALL,
                provider_call_id="toolu_01",
                name="calculate",
                arguments='{"expression": "42 * 7"}',
            ),
            ToolCall(
                call_id=_CALL[:-1] + "1",
                name="conjure",
                arguments='{"what":',
                problem="unknown_tool",
                problem_message="there is no tool named conjure",
            ),
        ),
        finish_reason="tool_calls",
        usage=_USAGE,
        cost_usd=_COST_USD,
        price=_PRICE,
        attempts=_ATTEMPTS,
    ),
    LlmCallFailed(
        llm_call_id=_CLAIM, kind="unavailable", message="503 for a minute", attempts=_ATTEMPTS[:1]
    ),
    ToolApprovalRequested(
        call_id=_CALL, tool_name="calculate", arguments='{"expression": "42 * 7"}'
    ),
    ToolExecutionApproved(
        call_id=_CALL, by="ada", reason="harmless", arguments='{"expression": "6 * 7"}'
    ),
    ToolExecutionDenied(call_id=_CALL, by="ada", reason="do it in your head"),
    ToolExecutionStarted(
        call_id=_CALL,
        tool_name="calculate",
        arguments='{"expression": "42 * 7"}',
        attempt=2,
        idempotency_key="019b76da-a800-7000-8000-000000000009",
    ),
    ToolExecutionCompleted(call_id=_CALL, attempt=2, result="294", elapsed_ms=3),
    ToolExecutionFailed(
        call_id=_CALL, attempt=2, kind="timed_out", message="no result in time", elapsed_ms=5_000
    ),
    ToolOutcomeResolved(call_id=_CALL, status="completed", text="It was booked.", by="ada"),
    ContextCompacted(
        llm_call_id=_CLAIM,
        model="claude-haiku-4-5-20251001",
        summary="Ada wanted 42 * 7, which is 294.",
        through_position=9,
        usage=_USAGE,
        cost_usd=_COST_USD,
        price=_PRICE,
        attempts=_ATTEMPTS[1:],
    ),
    LimitReached(
        limits=(
            ReachedLimit(name="callsPerTurn", limit="20", reached="20"),
            ReachedLimit(name="costUsdPerThread", limit="2.50", reached="2.5031"),
        )
    ),
    SessionContinued(limits=_LIMITS, by="ada"),
    TurnCancelled(by="ada", reason="changed my mind"),
    SessionTerminationRequested(by="ada", reason="all done"),
    SessionCompleted(ending="user", reason="all done"),
    SessionTitled(title="Sums", by="ada"),
    SessionTagged(added=("maths", "été"), removed=("todo",), by="ada"),
    SessionArchived(by="ada"),
    SessionUnarchived(by="ada"),
    SessionDeleted(by="ada", reason="private"),
)

_FURTHER: dict[str, Event] = {  # with keys that came later, by what they are for
    "AgentRedefined.chosen": AgentRedefined(
        definition=_DEFINITION.model_copy(update={"tool_names": ("calculate", "look")})
    ),
    "AgentRedefined.memory": AgentRedefined(
        definition=_DEFINITION.model_copy(
            update={
                "memory": True,
                "recalled": Recalled(
                    text="# What is known", stream_name="agentUser-ada", position=7
                ),
            }
        )
    ),
    "AgentRedefined.recalled": AgentRedefined(
        definition=_DEFINITION.model_copy(
            update={
                "memory": True,
                "recalled": Recalled(
                    text="# What is known",
                    stream_name="agentUser-ada",
                    position=7,
                    event_id=_CLAIM,
                ),
            }
        )
    ),
    "AgentRedefined.revision": AgentRedefined(
        definition=_DEFINITION.model_copy(update={"revision": _REVISION})
    ),
    "AgentRedefined.turn": AgentRedefined(definition=_DEFINITION, for_turn=True),
    "SessionStarted.answered": SessionStarted(
        thread_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        definition=_DEFINITION,
        forked_from=ForkPoint(
            stream_name="agent:v0-parent",
            position=11,
            event_id=_CLAIM,
            results=f'{{"{_CALL}": "294"}}',
            recorded=(_CALL,),
            tools="ask",
        ),
    ),
    "LlmCallStarted.window": LlmCallStarted(
        purpose="answer",
        model="offline",
        context_position=41,
        projection_version=2,
        left_out=(MessageRange(last=3), MessageRange(first=5, last=18)),
        request_digest="6_VWJvmFYzGTvh4NWOGep0w5cEawW4aBX61svlhHIaw",
    ),
    "UserMessageAdded.output": UserMessageAdded(
        text="What is it worth?",
        output_schema='{"type": "object", "properties": {"euro": {"type": "integer"}}}',
    ),
    "LlmCallStarted.repairs": LlmCallStarted(
        purpose="answer",
        model="anthropic/claude-haiku-4-5",
        repairs=True,
        context_position=3,
        request_digest="n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    ),
    "LlmResponseReceived.rejected": LlmResponseReceived(
        llm_call_id=_CLAIM,
        model="claude-haiku-4-5-20251001",
        text="Seven euro.",
        finish_reason="stop",
        output=OutputVerdict(problem="it is not JSON: Expecting value at character 1"),
    ),
    "LlmResponseReceived.fits": LlmResponseReceived(
        llm_call_id=_CLAIM,
        model="claude-haiku-4-5-20251001",
        text='{"euro": 7}',
        finish_reason="stop",
        output=OutputVerdict(),
    ),
    "ToolExecutionCompleted.given": ToolExecutionCompleted(
        call_id=_CALL, result="295", elapsed_ms=3, given_by="ada"
    ),
    "ToolExecutionCompleted.taken": ToolExecutionCompleted(
        call_id=_CALL, result="294", elapsed_ms=0, taken_from=_PLACE
    ),
    "ToolExecutionFailed.taken": ToolExecutionFailed(
        call_id=_CALL, attempt=1, kind="raised", message="no", elapsed_ms=0, taken_from=_PLACE
    ),
}

EXAMPLES: dict[str, Event] = {type(event).__name__: event for event in _EVENTS} | _FURTHER
"""By type, and by what further ones are for."""


def sealed(event: Event) -> Sealed:
    """Return an example as it is written, always at the same place."""
    return seal(ID, STREAM, POSITION, event, ENVELOPE, GENESIS)


def write_missing() -> None:
    """Write the file of every example that has none."""
    FOLDER.mkdir(exist_ok=True)
    for type_name, event in EXAMPLES.items():
        path = FOLDER / f"{type_name}.json"
        if not path.exists():
            one = sealed(event)
            # Their numbers are whole ones, which Python reads and prints as they stand.
            data, metadata = json.loads(one.data), json.loads(one.metadata)
            stored = {"type": one.type, "data": data, "metadata": metadata}
            text = json.dumps(stored, ensure_ascii=False, indent=2, sort_keys=True)
            path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_missing()

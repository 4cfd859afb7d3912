"""Attributes of spans, by the semantic conventions for generative AI.

The names are those of OpenTelemetry's `semantic-conventions-genai` as of version 1.42 of the
general conventions, which are in development; `messagedb_agent.*` are our own. Nothing here is
what anybody said: that is `content`.
"""

import re
from collections.abc import Iterator, Sequence

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    ContextCompacted,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionFailed,
)
from messagedb_agent.events.values import Attempt, Usage
from messagedb_agent.observability.spans import Attribute, Happening

OWN = "messagedb_agent"

# What litellm calls them, and what the conventions do.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "offline": OWN,
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
_BARE = (
    (re.compile(r"(chat)?gpt-|o\d(-|$)", re.IGNORECASE), "openai"),
    (re.compile(r"claude", re.IGNORECASE), "anthropic"),
    (re.compile(r"gemini", re.IGNORECASE), "gcp.gen_ai"),
)
_OTHER = "_OTHER"


def provider_of(name: str) -> str:
    """Return the provider of a model by the model's name, as far as that says it."""
    prefix, slash, _ = name.partition("/")
    if slash or prefix in _PROVIDERS:
        return _PROVIDERS.get(prefix, prefix)
    return next((provider for bare, provider in _BARE if bare.match(name)), _OTHER)


def model_of(name: str) -> str:
    """Return a model's name without its provider's."""
    return name.partition("/")[2] or name


def asked(name: str) -> dict[str, Attribute]:
    """Return what a model's name says."""
    return {"gen_ai.provider.name": provider_of(name), "gen_ai.request.model": model_of(name)}


def placed(recorded: Recorded) -> dict[str, Attribute]:
    """Return where a span begins in the log, and whose conversation that is."""
    return {
        "gen_ai.conversation.id": recorded.stream.partition("-")[2],
        f"{OWN}.stream": recorded.stream,
        f"{OWN}.position": recorded.position,
    }


def requested(started: LlmCallStarted) -> dict[str, Attribute]:
    """Return what a model call is asked with."""
    given = started.parameters
    values = {
        "gen_ai.operation.name": "chat",
        **asked(started.model),
        "gen_ai.request.temperature": _float(given.temperature),
        "gen_ai.request.top_p": _float(given.top_p),
        "gen_ai.request.max_tokens": given.max_tokens,
        f"{OWN}.purpose": started.purpose,
        f"{OWN}.attempt": started.attempt,
    }
    return {name: value for name, value in values.items() if value is not None}


Answer = LlmResponseReceived | ContextCompacted | LlmCallFailed


def answered(answer: Answer) -> dict[str, Attribute]:
    """Return what a model call came to."""
    if isinstance(answer, LlmCallFailed):
        return {}
    values: dict[str, Attribute] = {"gen_ai.response.model": answer.model, **used(answer.usage)}
    if isinstance(answer, LlmResponseReceived):
        values["gen_ai.response.finish_reasons"] = (answer.finish_reason,)
    if answer.cost_usd is not None:
        values[f"{OWN}.cost_usd"] = float(answer.cost_usd)
    return values


def used(usage: Usage | None) -> dict[str, Attribute]:
    """Return the tokens of a model call."""
    if usage is None:
        return {}
    values = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    rarely = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {**values, **{name: count for name, count in rarely.items() if count}}


def tool(name: str, call_id: str) -> dict[str, Attribute]:
    """Return what a tool call is."""
    return {"gen_ai.tool.name": name, "gen_ai.tool.call.id": call_id}


def outcome(ended: ToolExecutionCompleted | ToolExecutionFailed) -> dict[str, Attribute]:
    """Return where a tool call's outcome came from, where that was no tool."""
    if (place := ended.taken_from) is not None:
        return {f"{OWN}.taken_from": f"{place.stream_name}/{place.position}"}
    is_given = isinstance(ended, ToolExecutionCompleted) and ended.given_by is not None
    return {f"{OWN}.is_given": True} if is_given else {}


def failed_tries(attempts: Sequence[Attempt], start_ms: int) -> tuple[Happening, ...]:
    """Return the tries of a model call that gave no answer; they follow on one another."""
    return tuple(_failed_tries(attempts, start_ms))


def _failed_tries(attempts: Sequence[Attempt], time_ms: int) -> Iterator[Happening]:
    for attempt in attempts:
        time_ms += attempt.waited_ms + attempt.elapsed_ms
        if attempt.kind != "answered":
            what = {"error.type": attempt.kind, **asked(attempt.model)}
            yield Happening(f"{OWN}.try_failed", time_ms, what)


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))

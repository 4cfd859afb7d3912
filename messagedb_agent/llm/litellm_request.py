"""A `Request` in litellm's words: OpenAI's chat form, which litellm turns into each provider's."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.request import (
    AssistantReply,
    Request,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import ModelParameters, ToolSpec

# What `extra` may not say: the conversation, what this package decides, and secrets, which
# would be recorded in the clear.
_RESERVED = frozenset(
    {
        "acompletion",
        "api_base",
        "api_key",
        "base_url",
        "client",
        "context_window_fallback_dict",
        "extra_headers",
        "fallbacks",
        "headers",
        "max_retries",
        "messages",
        "mock_response",
        "mock_tool_calls",
        "model",
        "num_retries",
        "retry_policy",
        "stream",
        "stream_options",
        "timeout",
        "tools",
        "vertex_credentials",
    }
)


def family(litellm_name: str) -> str:
    """Return whose signed reasoning a model understands.

    Claude takes back the reasoning it signed on any platform that serves it, and so does
    Gemini; other providers only their own.
    """
    lowered = litellm_name.lower()
    for name in ("claude", "gemini"):
        if name in lowered:
            return name
    return lowered.partition("/")[0]


def request_messages(request: Request, *, litellm_name: str) -> list[dict[str, Any]]:
    """Return the system prompt and the conversation as chat messages."""
    system = [{"role": "system", "content": request.system_prompt}] if request.system_prompt else []
    return [*system, *(_message(message, family(litellm_name)) for message in request.messages)]


def _message(message: RequestMessage, model_family: str) -> dict[str, Any]:
    match message:
        case UserText():
            return {"role": "user", "content": message.text}
        case ToolAnswer():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case AssistantReply():
            return _assistant(message, model_family)


def _assistant(reply: AssistantReply, model_family: str) -> dict[str, Any]:
    given = _given_back(reply, model_family)
    per_call = given.pop("calls", [])
    said: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        said["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in reply.calls
        ]
        for call, fields in zip(said["tool_calls"], per_call, strict=False):
            if fields:
                call["provider_specific_fields"] = fields
    return said | given


def _arguments(text: str) -> str:
    """Return arguments as they are, or `{}` where litellm could not pass them on.

    For providers that take values in place of text it reads them, and writes them again: a number
    beyond the range of a double is then an infinity, which no JSON holds, or has more digits than
    Python reads. The conversation would be refused for ever.
    """
    try:
        json.dumps(json.loads(text), allow_nan=False)
    except ValueError:
        return "{}"
    return text


def _given_back(reply: AssistantReply, model_family: str) -> dict[str, Any]:
    """What the provider wants back, if this model's family made it, and nothing else.

    Any writer may have put it there: it must not speak in another role, nor break the request.
    """
    blocks = _object(reply.provider_blocks)
    if blocks.get("family") != model_family:
        return {}
    given = {
        name: blocks[name] for name in ("calls", "thinking_blocks") if _has_objects(blocks, name)
    }
    fields = blocks.get("provider_specific_fields")
    return given | ({"provider_specific_fields": fields} if isinstance(fields, dict) else {})


def _has_objects(blocks: Mapping[str, Any], name: str) -> bool:
    items = blocks.get(name)
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _object(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def request_tools(specs: tuple[ToolSpec, ...]) -> list[dict[str, Any]]:
    """Return the offered tools in chat form."""
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "parameters": json.loads(spec.parameters_schema),
            },
        }
        for spec in specs
    ]


def request_output(litellm: Any, litellm_name: str, request: Request) -> dict[str, Any] | None:
    """Return the form that the answer must have, as the provider holds the model to it.

    None where the answer is free, and where the model would not take it, or would no longer call
    tools: of some litellm makes a tool that the model has to call at once, and Gemini takes only
    one of the two. What the answer must be is said in the request's last message all the same.
    (litellm 1.106, `anthropic/chat/transformation.py`, `utils.py`.)
    """
    schema = _object(request.output_schema)  # which any writer may have put there
    if not schema or not litellm.supports_response_schema(litellm_name):
        return None
    if request.tools and not _takes_both(litellm, litellm_name):
        return None
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _takes_both(litellm: Any, litellm_name: str) -> bool:
    """Say whether a model may be offered tools and held to a form at once."""
    is_openai = litellm.get_llm_provider(litellm_name)[1] in ("openai", "azure")
    return is_openai or litellm.utils.supports_native_structured_output(litellm_name)


def request_settings(parameters: ModelParameters) -> Mapping[str, Any]:
    """Return the settings of the call.

    Raises:
        ConfigurationError: `extra` is no JSON object, or says what it may not.
    """
    return dict(_settings(parameters))


def _settings(parameters: ModelParameters) -> Iterator[tuple[str, Any]]:
    if parameters.extra is not None:
        yield from _extra(parameters.extra).items()
    if parameters.temperature is not None:
        yield "temperature", float(parameters.temperature)
    if parameters.top_p is not None:
        yield "top_p", float(parameters.top_p)
    if parameters.max_tokens is not None:
        yield "max_tokens", parameters.max_tokens


def _extra(text: str) -> dict[str, Any]:
    try:
        extra = json.loads(text)
    except ValueError as error:
        raise ConfigurationError("extra parameters are not JSON", field="extra") from error
    if not isinstance(extra, dict):
        raise ConfigurationError("extra parameters are no JSON object", field="extra")
    if refused := sorted(_RESERVED & extra.keys()):
        raise ConfigurationError(
            f"extra parameters may not set {', '.join(refused)}", field="extra"
        )
    return extra

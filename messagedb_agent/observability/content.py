"""What was said, as attributes of spans: only where somebody asked for it."""

import json
from collections.abc import Iterable
from typing import Any

import orjson

from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.events.schema import ContextCompacted, LlmCallStarted, LlmResponseReceived
from messagedb_agent.observability.spans import Attribute
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.requests import REQUESTS

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Of OpenTelemetry's own instrumentations; these of its values put content into spans."""

ON = frozenset({"span_only", "span_and_event", "true"})


def is_wanted(value: str | None) -> bool:
    """Say whether the variable's value asks for content."""
    return value is not None and value.strip().lower() in ON


def request(shown: Conversation, started: LlmCallStarted) -> dict[str, Attribute]:
    """Return what a model was asked with, folded from the conversation that it was asked on."""
    fold = REQUESTS.get((started.projection_name, started.projection_version))
    if fold is None or shown.definition is None:
        return {}
    request = fold(shown, started).request
    system = [{"type": "text", "content": request.system_prompt}]
    return {
        "gen_ai.system_instructions": _text(system),
        "gen_ai.input.messages": _text(map(_message, request.messages)),
        "gen_ai.tool.definitions": _text(
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": _parsed(tool.parameters_schema),
            }
            for tool in request.tools
        ),
    }


def reply(answer: LlmResponseReceived | ContextCompacted) -> dict[str, Attribute]:
    """Return what a model answered."""
    if isinstance(answer, ContextCompacted):
        return {"gen_ai.output.messages": _text([_said("assistant", answer.summary, "stop")])}
    parts = [_part(answer.text)] if answer.text else []
    parts += [_call(call.call_id, call.name, call.arguments) for call in answer.tool_calls]
    said = {"role": "assistant", "parts": parts, "finish_reason": answer.finish_reason}
    return {"gen_ai.output.messages": _text([said])}


def message(text: str) -> dict[str, Attribute]:
    """Return what a user said."""
    return {"gen_ai.input.messages": _text([_said("user", text)])}


def answer(text: str, finish_reason: str) -> dict[str, Attribute]:
    """Return what the user was answered."""
    return {"gen_ai.output.messages": _text([_said("assistant", text, finish_reason)])}


def _message(message: RequestMessage) -> dict[str, Any]:
    match message:
        case UserText(text=text):
            return _said("user", text)
        case ToolAnswer(call_id=call, text=text):
            part = {"type": "tool_call_response", "id": call, "response": text}
            return {"role": "tool", "parts": [part]}
        case AssistantReply(text=text, calls=calls):
            parts = [_part(text)] if text else []
            parts += [_call(call.call_id, call.name, call.arguments) for call in calls]
            return {"role": "assistant", "parts": parts}


def _said(role: str, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"role": role, "parts": [_part(text)]}
    return said if finish_reason is None else {**said, "finish_reason": finish_reason}


def _part(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": _parsed(arguments)}


def _parsed(text: str) -> object:
    """Return a JSON text as its value; a model may have written one that is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _text(values: Iterable[object]) -> str:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))

"""What litellm returns, as a `Reply`: whole answers, and streams put together.

Everything here comes from a provider: fields may be missing, null, or of another type.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.events.request import Delta, RequestedCall
from messagedb_agent.events.values import Usage
from messagedb_agent.llm.litellm_request import family

# The fields of a message that litellm reads when it is given back (litellm 1.106,
# `prompt_templates/factory.py` and `vertex_ai/gemini/transformation.py`); others it would pass
# on to providers that refuse what they do not know.
_GIVEN_BACK = (
    "compaction_blocks",
    "server_side_tool_invocations",
    "thought_signatures",
    "tool_results",
    "web_search_results",
)
_FINISHES = {
    "end_turn": "stop",
    "eos": "stop",
    "function_call": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}


def get(value: Any, name: str) -> Any:
    """Return a field of one of litellm's objects or of a plain mapping; None if it lacks it."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


@dataclass(slots=True)
class Answer:
    """An answer as it is gathered, from one message or from many deltas."""

    model: str = ""
    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    calls: list["Asked"] = field(default_factory=list)
    thinking: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)

    def began(self) -> bool:
        """Whether anything of it has come."""
        return bool(self.text or self.reasoning or self.calls)


@dataclass(slots=True)
class Asked:
    """A tool call as it is gathered."""

    index: int | None
    id: str | None = None
    name: str = ""
    arguments: str = ""
    fields: dict[str, Any] = field(default_factory=dict)


def read_whole(response: Any) -> Answer:
    """Read an answer that came in one piece."""
    answer = Answer(model=_text(get(response, "model")))
    for choice in _items(get(response, "choices"))[:1]:
        message = get(choice, "message")
        answer.finish_reason = finish(get(choice, "finish_reason"))
        answer.text = _text(get(message, "content")) or _refusal(message)
        answer.reasoning = _text(get(message, "reasoning_content"))
        answer.thinking = _objects(get(message, "thinking_blocks"))
        answer.fields = _kept_fields(get(message, "provider_specific_fields"))
        # Their `index` is of no use here: Anthropic's counts text blocks too.
        answer.calls = [
            _add(Asked(index), call)
            for index, call in enumerate(_items(get(message, "tool_calls")))
        ]
    return answer


def read_delta(answer: Answer, chunk: Any) -> Iterator[Delta]:
    """Add a streamed chunk to `answer`, and return what of it can be shown."""
    hidden = get(chunk, "_hidden_params")
    answer.model = _text(get(hidden, "provider_response_model")) or answer.model
    answer.model = answer.model or _text(get(chunk, "model"))
    for choice in _items(get(chunk, "choices"))[:1]:
        answer.finish_reason = finish(get(choice, "finish_reason")) or answer.finish_reason
        delta = get(choice, "delta")
        for call in _items(get(delta, "tool_calls")):
            _add(_place(answer.calls, call), call)
        _add_thinking(answer.thinking, _objects(get(delta, "thinking_blocks")))
        answer.fields |= _kept_fields(get(delta, "provider_specific_fields"))
        if thought := _text(get(delta, "reasoning_content")):
            answer.reasoning += thought
            yield Delta("reasoning", thought)
        if said := _text(get(delta, "content")):
            answer.text += said
            yield Delta("text", said)


def _refusal(message: Any) -> str:
    """Return what OpenAI's models say in place of an output that they will not give.

    litellm keeps it with what it does not know of a message, and drops it from streams.
    """
    return _text(get(get(message, "provider_specific_fields"), "refusal"))


def _place(calls: list[Asked], piece: Any) -> Asked:
    """Find the call that a piece belongs to: by its index, if the id does not speak against it.

    Some servers number every call 0, or none at all, and tell them apart by id alone.
    """
    index, call_id = get(piece, "index"), get(piece, "id")
    for asked in reversed(calls):
        if index is None or asked.index == index:
            if call_id and asked.id and call_id != asked.id:
                continue
            return asked
    calls.append(Asked(index if isinstance(index, int) else None))
    return calls[-1]


def _add(asked: Asked, piece: Any) -> Asked:
    function = get(piece, "function")
    asked.id = asked.id or _text(get(piece, "id")) or None
    asked.name += _text(get(function, "name"))
    asked.arguments += _arguments(get(function, "arguments"))
    for holder in (piece, function):
        asked.fields |= _mapping(get(holder, "provider_specific_fields"))
    return asked


def _add_thinking(blocks: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    """Join the pieces of a block of signed reasoning; its signature comes last and ends it."""
    for piece in pieces:
        open_block = blocks[-1] if blocks and not blocks[-1].get("signature") else None
        if open_block is None or open_block.get("type") != piece.get("type"):
            blocks.append(dict(piece))
        elif piece.get("type") == "thinking":
            for name in ("thinking", "signature"):
                joined = _text(open_block.get(name)) + _text(piece.get(name))
                open_block |= {name: joined} if joined else {}
        else:
            blocks.append(dict(piece))


def finish(reason: object) -> str | None:
    """Return a finish reason in our words, or in the provider's where we have none."""
    if not isinstance(reason, str) or not reason:
        return None
    return _FINISHES.get(reason.lower(), reason.lower())


def requested(answer: Answer) -> tuple[RequestedCall, ...]:
    """Return the calls of an answer, nothing checked."""
    return tuple(RequestedCall(call.id, call.name, call.arguments) for call in answer.calls)


def provider_blocks(answer: Answer, *, litellm_name: str) -> str | None:
    """Return what must be given back with the answer, as JSON text; see `litellm_request`."""
    blocks: dict[str, Any] = {}
    if answer.fields:
        blocks["provider_specific_fields"] = answer.fields
    if answer.thinking:
        blocks["thinking_blocks"] = answer.thinking
    if any(call.fields for call in answer.calls):
        blocks["calls"] = [call.fields for call in answer.calls]
    if not blocks:
        return None
    try:
        return json.dumps({"family": family(litellm_name)} | blocks, ensure_ascii=False)
    except (TypeError, ValueError):
        return None


def usage_of(raw: Any) -> Usage | None:
    """Return the tokens used, or None where the provider did not say.

    litellm puts zeros where a provider says nothing. Wrong types count as not said. Reasoning
    tokens may be litellm's count of the reasoning shown, where the provider gives no number.
    """
    prompt, completion = get(raw, "prompt_tokens_details"), get(raw, "completion_tokens_details")
    usage = Usage(
        input_tokens=_count(get(raw, "prompt_tokens")),
        output_tokens=_count(get(raw, "completion_tokens")),
        cached_input_tokens=_count(get(prompt, "cached_tokens"))
        or _count(get(raw, "cache_read_input_tokens")),
        cache_write_tokens=_count(get(raw, "cache_creation_input_tokens")),
        reasoning_tokens=_count(get(completion, "reasoning_tokens")),
    )
    return usage if usage.input_tokens or usage.output_tokens else None


def _count(value: object) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if fits and isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    """Arguments as text: kept as they are, objects written out again, nothing as nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, default=str)


def _mapping(value: object) -> dict[str, Any]:
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [_mapping(item) for item in _items(value) if item]


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _kept_fields(value: object) -> dict[str, Any]:
    given = _mapping(value)
    return {name: given[name] for name in _GIVEN_BACK if given.get(name)}

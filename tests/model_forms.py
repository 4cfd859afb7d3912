"""How OpenAI and Anthropic write answers: whole, as server-sent events, and as errors.

Source: the chat completions form (`api.openai.com/v1/chat/completions`) and the messages form
(`api.anthropic.com/v1/messages`, version 2023-06-01) as their public references describe them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tests.model_server import Call, Fail, Say


class Form(Protocol):
    """One provider's way of writing."""

    def whole(self, say: "Say") -> object:
        """The answer as one JSON value."""
        ...

    def events(self, say: "Say", body: Mapping[str, Any]) -> Iterator[bytes]:
        """The answer as server-sent events."""
        ...

    def error(self, fail: "Fail") -> object:
        """The body of an error."""
        ...


def _finish(say: "Say") -> str:
    return say.finish or ("tool_calls" if say.calls else "stop")


def _split(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


class OpenAiForm:
    """`POST /v1/chat/completions`."""

    def whole(self, say: "Say") -> object:
        message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
        if say.reasoning is not None:
            message["reasoning_content"] = say.reasoning
        if say.calls:
            message["tool_calls"] = [self._call(call) for call in say.calls]
        choice = {"index": 0, "message": message, "finish_reason": _finish(say)}
        return self._head(say, "chat.completion") | {"choices": [choice]} | self._usage(say)

    def events(self, say: "Say", body: Mapping[str, Any]) -> Iterator[bytes]:
        head = self._head(say, "chat.completion.chunk")

        def event(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return self._event(head | {"choices": [choice]})

        yield event({"role": "assistant", "content": ""})
        for piece in _split(say.reasoning or "", say.piece):
            yield event({"reasoning_content": piece})
        for piece in _split(say.text, say.piece):
            yield event({"content": piece})
        for index, call in enumerate(say.calls):
            first = self._call(call) | {"index": index}
            arguments = first["function"].pop("arguments")
            first["function"]["arguments"] = "" if isinstance(arguments, str) else arguments
            yield event({"tool_calls": [first]})
            for piece in _split(arguments if isinstance(arguments, str) else "", say.piece):
                yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield event({}, _finish(say))
        asked = (body.get("stream_options") or {}).get("include_usage")
        if asked and say.usage is not None:
            yield self._event(head | {"choices": []} | self._usage(say))
        yield b"data: [DONE]\n\n"

    def error(self, fail: "Fail") -> object:
        kind = "invalid_request_error" if fail.status == 400 else "server_error"
        return {"error": {"message": fail.message, "type": kind, "param": None, "code": fail.code}}

    def _head(self, say: "Say", kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": say.model}

    def _call(self, call: "Call") -> dict[str, Any]:
        function: dict[str, Any] = {"arguments": call.arguments}
        if call.name is not None:
            function["name"] = call.name
        named: dict[str, Any] = {"type": "function", "function": function}
        return named if call.id is None else named | {"id": call.id}

    def _usage(self, say: "Say") -> dict[str, Any]:
        match say.usage:
            case None:
                return {}
            case (int() as given, int() as made):
                return {
                    "usage": {
                        "prompt_tokens": given,
                        "completion_tokens": made,
                        "total_tokens": given + made,
                    }
                }
            case other:
                return {"usage": other}

    def _event(self, value: object) -> bytes:
        return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


_STOPS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


class AnthropicForm:
    """`POST /v1/messages`."""

    def whole(self, say: "Say") -> object:
        return self._head(say) | {
            "content": self._blocks(say),
            "stop_reason": _STOPS[_finish(say)],
            "usage": self._usage(say),
        }

    def events(self, say: "Say", body: Mapping[str, Any]) -> Iterator[bytes]:
        start = self._head(say) | {"content": [], "stop_reason": None, "usage": self._usage(say)}
        yield self._event("message_start", {"message": start})
        for index, block in enumerate(self._blocks(say)):
            empty, deltas = self._deltas(block, say.piece)
            place = {"index": index}
            yield self._event("content_block_start", place | {"content_block": empty})
            for delta in deltas:
                yield self._event("content_block_delta", place | {"delta": delta})
            yield self._event("content_block_stop", place)
        ending = {"delta": {"stop_reason": _STOPS[_finish(say)], "stop_sequence": None}}
        yield self._event("message_delta", ending | {"usage": self._usage(say)})
        yield self._event("message_stop", {})

    def error(self, fail: "Fail") -> object:
        kind = _ERRORS.get(fail.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": fail.message}}

    def _head(self, say: "Say") -> dict[str, Any]:
        fixed = {"id": "msg_1", "type": "message", "role": "assistant", "stop_sequence": None}
        return fixed | {"model": say.model}

    def _blocks(self, say: "Say") -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if say.reasoning is not None:
            thought = {"thinking": say.reasoning, "signature": say.signature or "signed"}
            blocks.append({"type": "thinking", **thought})
        if say.text:
            blocks.append({"type": "text", "text": say.text})
        for call in say.calls:
            arguments = call.arguments
            given = json.loads(arguments) if isinstance(arguments, str) else arguments
            blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
        return blocks

    def _deltas(
        self, block: dict[str, Any], piece: int
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The block as it starts, and what then fills it."""
        match block["type"]:
            case "thinking":
                thought = _split(block["thinking"], piece)
                deltas = [{"type": "thinking_delta", "thinking": part} for part in thought]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
                return block | {"thinking": "", "signature": ""}, deltas
            case "text":
                said = _split(block["text"], piece)
                return block | {"text": ""}, [{"type": "text_delta", "text": p} for p in said]
            case _:
                asked = _split(json.dumps(block["input"]), piece)
                deltas = [{"type": "input_json_delta", "partial_json": part} for part in asked]
                return block | {"input": {}}, deltas

    def _usage(self, say: "Say") -> object:
        match say.usage:
            case None:
                return {}
            case (int() as given, int() as made):
                return {"input_tokens": given, "output_tokens": made}
            case other:
                return other

    def _event(self, kind: str, value: Mapping[str, Any]) -> bytes:
        data = json.dumps({"type": kind} | dict(value), ensure_ascii=False)
        return f"event: {kind}\ndata: {data}\n\n".encode()

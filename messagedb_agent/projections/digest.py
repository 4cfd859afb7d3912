"""The digest of a model request: a chain over its messages, sealed with its settings.

    m(0) = 32 zero bytes      m(i) = SHA-256(m(i-1) + message i)
    digest = SHA-256(SHA-256(settings) + m(n)), written as base64url without padding

Messages and settings stand as canonical JSON. The chain costs what is new in a conversation, and a
change of settings costs nothing but itself.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from messagedb_agent.events.chain import GENESIS, hash_text
from messagedb_agent.events.request import (
    AssistantReply,
    Request,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import Definition


def message_digest(previous: bytes, message: RequestMessage) -> bytes:
    """Return the chain's next link."""
    return hashlib.sha256(previous + _canonical(_as_json(message))).digest()


def messages_digest(messages: Iterable[RequestMessage], start: bytes = GENESIS) -> bytes:
    """Return the chain over messages, on from an earlier link."""
    for message in messages:
        start = message_digest(start, message)
    return start


def settings_digest(settings: Request | Definition, output_schema: str | None = None) -> bytes:
    """Return the digest of what stays the same from request to request.

    Args:
        settings: what a model is asked with, beside the conversation.
        output_schema: what the answer must be; None where it is free.
    """
    parameters = settings.parameters.model_dump(mode="json", by_alias=True, exclude_none=True)
    prompt = settings.told if isinstance(settings, Definition) else settings.system_prompt
    plain = {
        "model": settings.model,
        "parameters": parameters,
        "systemPrompt": prompt,
        "tools": [
            {
                "description": tool.description,
                "name": tool.name,
                "parametersSchema": tool.parameters_schema,
            }
            for tool in settings.tools
        ],
    }
    if output_schema is not None:
        plain["outputSchema"] = output_schema
    return hashlib.sha256(_canonical(plain)).digest()


def request_digest(settings: bytes, messages: bytes) -> str:
    """Return the digest of a request by those of its settings and of the chain of its messages."""
    return hash_text(hashlib.sha256(settings + messages).digest())


def _as_json(message: RequestMessage) -> dict[str, Any]:
    match message:
        case UserText(text=text):
            return {"role": "user", "text": text}
        case ToolAnswer():
            return {
                "callId": message.call_id,
                "name": message.name,
                "role": "tool",
                "text": message.text,
            }
        case AssistantReply():
            calls = [
                {"arguments": call.arguments, "callId": call.call_id, "name": call.name}
                for call in message.calls
            ]
            blocks = message.provider_blocks
            extra = {} if blocks is None else {"providerBlocks": blocks}
            return {"calls": calls, "role": "assistant", "text": message.text, **extra}


def _canonical(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

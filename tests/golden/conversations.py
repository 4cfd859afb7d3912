"""Threads, and word by word what the model is shown of them: version 1 of both projections.

A file holds the rows of a thread, a fork's prefix first, with their hashes, and the request they
fold to with its digest: what `verify_chain.mjs` reads. Every claim among the rows names the digest
of its own request.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messagedb_agent.events.chain import GENESIS, hash_text
from messagedb_agent.events.codec import Envelope, Sealed, decode, seal
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.events.schema import (
    ContextCompacted,
    Event,
    LlmCallFailed,
    LlmCallStarted,
    LlmResponseReceived,
    SessionStarted,
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    ToolOutcomeResolved,
)
from messagedb_agent.events.words import Purpose
from messagedb_agent.ids import derived_id
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.digest import messages_digest
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.requests import (
    FoldedRequest,
    next_request,
    next_summary,
    summary_request,
)
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from tests.given import Given
from tests.golden.threads import THREADS
from tests.rows import Row, stored

FOLDER = Path(__file__).parent / "conversation" / "v1"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
FIRST_MS = 1_767_225_600_000
WRITER = "kX3w9Qd_fzE"


@dataclass(frozen=True, slots=True)
class Written:
    """A thread as it is written, and its fold."""

    rows: Sequence[Row]
    hashes: Sequence[str]
    shown: Conversation


def written(told: Given) -> Written:
    """Write a thread down: ids as outcomes have them, digests as claims name them."""
    rows: list[Row] = []
    hashes: list[str] = []
    last, shown = GENESIS, conversation.initial
    for index, one in enumerate(told.records):
        event = _filled_in(one, shown, rows)
        id = _outcome_id(one.stream, event) or one.id
        envelope = Envelope(None, Travelling(), FIRST_MS + index, WRITER)
        sealed: Sealed = seal(id, one.stream, one.position, event, envelope, last)
        last = sealed.hash
        rows.append(stored(sealed, one.stream, one.position))
        hashes.append(hash_text(last))
        shown = conversation.evolve(shown, decode(rows[-1]).recorded)
    return Written(rows, hashes, shown)


def _filled_in(one: Recorded, shown: Conversation, rows: Sequence[Row]) -> Event:
    """Return an event with what follows from the rows before it."""
    event = one.event
    assert not isinstance(event, UnknownEvent)
    changes: dict[str, Any] = {}
    match event:
        case SessionStarted(forked_from=fork) if fork is not None:
            changes = {"forked_from": fork.model_copy(update={"event_id": rows[-1].id})}
        case LlmCallStarted(purpose=purpose, projection_version=version):
            folded = _folded(purpose, shown, version)
            changes = {
                "context_position": one.position - 1,
                "projection_name": folded.projection,
                "projection_version": folded.version,
                "left_out": folded.left_out,
                "request_digest": folded.digest,
            }
        case ToolApprovalRequested(call_id=id):
            assert shown.round is not None
            changes = {"arguments": shown.round.call(id).arguments}
        case ToolExecutionStarted(call_id=id):
            assert shown.round is not None
            arguments = shown.round.call(id).arguments
            changes = {"arguments": arguments, "idempotency_key": one.id}
    return event.model_copy(update=changes)


def _outcome_id(stream: str, event: Event) -> str | None:
    match event:
        case LlmResponseReceived() | LlmCallFailed() | ContextCompacted():
            return derived_id(stream, event.llm_call_id, "outcome")
        case ToolExecutionCompleted() | ToolExecutionFailed() | ToolExecutionDenied():
            return derived_id(stream, event.call_id, "outcome")
        case ToolOutcomeResolved():
            return derived_id(stream, event.call_id, "resolution")
        case _:
            return None


def folded_request(name: str, shown: Conversation) -> FoldedRequest:
    """Return the request that a file of this name holds."""
    purpose: Purpose = "summary" if name.startswith("summary") else "answer"
    return _folded(purpose, shown, 2 if name.startswith("summary-of") else 1)


def _folded(purpose: Purpose, shown: Conversation, version: int) -> FoldedRequest:
    if purpose == "answer":
        return next_request(shown, len)
    return summary_request(shown) if version == 1 else next_summary(shown)


def request_json(folded: FoldedRequest) -> dict[str, Any]:
    """Return a request as the files hold it."""
    request = folded.request
    messages = list(request.messages)
    return {
        "projection": folded.projection,
        "version": folded.version,
        "through": folded.through,
        "settings": {
            "model": request.model,
            "parameters": request.parameters.model_dump(
                mode="json", by_alias=True, exclude_none=True
            ),
            "systemPrompt": request.system_prompt,
            "tools": [
                {
                    "name": spec.name,
                    "description": spec.description,
                    "parametersSchema": spec.parameters_schema,
                }
                for spec in request.tools
            ],
            **({"outputSchema": request.output_schema} if request.output_schema else {}),
        },
        "messages": [_message_json(message) for message in messages],
        "links": [
            hash_text(messages_digest(messages[: size + 1])) for size in range(len(messages))
        ],
        "digest": folded.digest,
    }


def _message_json(message: RequestMessage) -> dict[str, Any]:
    match message:
        case UserText(text=text):
            return {"role": "user", "text": text}
        case ToolAnswer(call_id=id, name=name, text=text):
            return {"role": "tool", "callId": id, "name": name, "text": text}
        case AssistantReply(text=text, calls=calls, provider_blocks=blocks):
            shown: dict[str, Any] = {
                "role": "assistant",
                "text": text,
                "calls": [
                    {"callId": c.call_id, "name": c.name, "arguments": c.arguments} for c in calls
                ],
            }
            return shown if blocks is None else {**shown, "providerBlocks": blocks}


def row_json(row: Row) -> dict[str, Any]:
    """Return a row as the files hold it."""
    return {
        "id": row.id,
        "streamName": row.stream_name,
        "type": row.type,
        "position": row.position,
        "data": row.data,
        "metadata": row.metadata,
    }


def row_of(stored: dict[str, Any]) -> Row:
    """Return a row that a file holds."""
    return Row(
        id=stored["id"],
        stream_name=stored["streamName"],
        type=stored["type"],
        position=stored["position"],
        data=stored["data"],
        metadata=stored["metadata"],
    )


def golden(name: str) -> dict[str, Any]:
    """Return what a file holds."""
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return content


async def store_of(rows: Sequence[Row]) -> MemoryStore:
    """Return a store that holds rows, and nothing else."""
    store = MemoryStore()
    for row in rows:
        assert row.data is not None
        message = NewMessage(row.id, row.type, row.data, row.metadata)
        await store.append(row.stream_name, message, expected_version=row.position - 1)
    return store


def shown_of(rows: Sequence[Row]) -> Conversation:
    """Return the fold of rows."""
    return fold(conversation, [decode(row).recorded for row in rows])


def write_missing() -> None:
    """Write the file of every thread that has none."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, told in THREADS.items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            one = written(told)
            content = {
                "rows": [row_json(row) for row in one.rows],
                "hashes": one.hashes,
                "request": request_json(folded_request(name, one.shown)),
            }
            text = json.dumps(content, ensure_ascii=False, indent=2)
            path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_missing()

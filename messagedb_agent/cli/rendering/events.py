"""Messages as they stand in the log, one line each."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.terminal import harmless, one_line

if TYPE_CHECKING:
    from messagedb_agent.store.message import Message

_SHOWN_CHARACTERS = 100
# The key whose value says most, by type; others show none.
_TELLING = {
    "SessionStarted": "definition",
    "AgentRedefined": "definition",
    "UserMessageAdded": "text",
    "LlmCallStarted": "model",
    "LlmResponseReceived": "text",
    "LlmCallFailed": "message",
    "ToolApprovalRequested": "arguments",
    "ToolExecutionApproved": "reason",
    "ToolExecutionDenied": "reason",
    "ToolExecutionStarted": "arguments",
    "ToolExecutionCompleted": "result",
    "ToolExecutionFailed": "message",
    "ToolOutcomeResolved": "text",
    "ContextCompacted": "summary",
    "LimitReached": "limits",
    "TurnCancelled": "reason",
    "SessionTerminationRequested": "reason",
    "SessionCompleted": "ending",
    "SessionTitled": "title",
}


def event_line(message: "Message", thread: str | None = "", *, full: bool = False) -> str:
    """Return a message as one line, or, in full, with its data and metadata below.

    Args:
        message: the message.
        thread: the one thread that is shown; None where there are several, which the line names
            then, with the global position in front.
        full: cut nothing short.
    """
    place = f"{message.position:>4}"
    if thread is None:
        thread_id = message.stream_name.partition("-")[2] or message.stream_name
        place = f"{message.global_position:>6}  {one_line(thread_id)[:8]:8} {place}"
    line = f"{place}  {_clock(message.time)}  {one_line(message.type)}"
    if full:
        return harmless(
            f"{line}\n      id {message.id}\n      data {message.data}\n"
            f"      metadata {message.metadata}"
        )
    told = one_line(_told(message))
    return f"{line}  {cut(told, _SHOWN_CHARACTERS)}".rstrip()


def cut(text: str, most: int) -> str:
    """Return at most so many characters, with a mark where some are missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def here(time: datetime) -> datetime:
    """Return a time (UTC) in the zone of this machine, where that has a name for it."""
    time = time.replace(tzinfo=UTC)
    try:
        return time.astimezone()
    except OverflowError:  # a forged row, at one end of the calendar
        return time


def _clock(time: datetime) -> str:
    return f"{here(time):%Y-%m-%d %H:%M:%S}"


def _told(message: "Message") -> str:
    """Return what a message says most of all, from any data that a row may hold."""
    import orjson

    try:
        data = orjson.loads(message.data or "{}")
    except orjson.JSONDecodeError:
        return "(its data cannot be read)"
    if not isinstance(data, Mapping):
        return "(its data is not an object)"
    return told_of(message.type, data)


def told_of(type: str, data: Mapping[str, Any]) -> str:
    """Return what an event says most of all, by its type and its data."""
    value = data.get(_TELLING.get(type, ""))
    tool = data.get("toolName")
    text = _short(value)
    if type == "ToolExecutionApproved" and isinstance(data.get("arguments"), str):
        text = f"with changed arguments {data['arguments']} {text}"
    if type == "LlmResponseReceived" and not text:
        calls = data.get("toolCalls")
        names = _short(calls)
        text = f"calls {names}" if names else ""
    return f"{tool} {text}" if isinstance(tool, str) else text


def _short(value: Any) -> str:
    match value:
        case str():
            return value
        case {"model": str(model)}:
            return model
        case [*items]:
            return ", ".join(str(i.get("name", "")) for i in items if isinstance(i, Mapping))
        case _:
            return ""

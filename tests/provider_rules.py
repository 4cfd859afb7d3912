"""What a strict provider checks in the history it is sent."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# OpenAI takes ids of at most 40 characters, Anthropic these characters alone.
_ID = re.compile("[A-Za-z0-9_-]{1,40}")
_NAME = re.compile("[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Turn:
    """One message, whichever form it came in.

    Attributes:
        role: `user`, `assistant`, or `results` where it holds tool results.
        has_text: whether it says anything beside calls.
        calls: ids, names and arguments of the calls it makes.
        results: ids of the calls it answers.
    """

    role: str
    has_text: bool = False
    calls: tuple[tuple[str, str, object], ...] = ()
    results: tuple[str, ...] = ()


def broken_rule(path: str, body: Mapping[str, Any]) -> str | None:
    """Return the first rule that a request breaks, or None."""
    try:
        is_anthropic = path.endswith("/messages")
        if (broken := _check_tools(body, is_anthropic=is_anthropic)) is not None:
            return broken
        if not is_anthropic:
            return _check(list(_openai(body["messages"])))
        turns = list(_anthropic(body["messages"]))
        if any(turn.calls for turn in turns) and not body.get("tools"):
            return "there are calls in the history, and no tools"
        return _check(turns)
    except (KeyError, TypeError, AttributeError) as error:
        return f"a message has the wrong form: {error!r}"


def _check_tools(body: Mapping[str, Any], *, is_anthropic: bool) -> str | None:
    offered = body.get("tools")
    if offered is None:
        return None
    names = [tool["name"] if is_anthropic else tool["function"]["name"] for tool in offered]
    if not names:
        return "the list of tools is empty"
    if wrong := [name for name in names if not _NAME.fullmatch(name)]:
        return f"no tool may be called {wrong[0]!r}"
    return "two tools have one name" if len(set(names)) < len(names) else None


def _check(turns: Sequence[_Turn]) -> str | None:
    if not turns:
        return "there are no messages"
    if turns[0].role != "user":
        return "the first message is not the user's"
    if turns[-1].role == "assistant":
        return "the last message is the assistant's"
    seen: set[str] = set()
    open_calls: list[str] = []
    for turn in turns:
        if turn.role == "results":
            for call_id in turn.results:
                if call_id not in open_calls:
                    return f"the result of {call_id!r} has no call right before it"
                open_calls.remove(call_id)
            continue
        if open_calls:
            return f"the calls {open_calls} have no result right after them"
        if turn.role == "assistant" and not turn.has_text and not turn.calls:
            return "an assistant's message has neither text nor calls"
        if turn.role == "user" and not turn.has_text:
            return "a user's message is empty"
        for call_id, name, arguments in turn.calls:
            if not call_id or call_id in seen:
                return f"the call id {call_id!r} is missing or not unique"
            if not _ID.fullmatch(call_id):
                return f"no call may have the id {call_id!r}"
            if not _NAME.fullmatch(name):
                return f"no tool may be called {name!r}"
            if not isinstance(arguments, dict):
                return f"the arguments of {call_id!r} are no JSON object"
            seen.add(call_id)
            open_calls.append(call_id)
    return f"the calls {open_calls} have no results" if open_calls else None


def _openai(messages: Sequence[Mapping[str, Any]]) -> Iterator[_Turn]:
    for message in messages:
        match message["role"]:
            case "system" | "developer":
                continue
            case "tool":
                if not isinstance(message["content"], str):
                    raise KeyError("a result that is no text")
                yield _Turn("results", results=(message["tool_call_id"],))
            case "user":
                yield _Turn("user", has_text=bool(message["content"].strip()))
            case "assistant":
                calls = message.get("tool_calls") or ()
                yield _Turn(
                    "assistant",
                    has_text=bool(message.get("content")),
                    calls=tuple(
                        (call["id"], f["name"], _parsed(f["arguments"]))
                        for call in calls
                        for f in (call["function"],)
                    ),
                )
            case role:
                raise KeyError(f"role {role}")


def _parsed(arguments: object) -> object:
    """Return arguments as a reader in another language has them; None where it has none."""
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else None
        json.dumps(value, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return value


def _anthropic(messages: Sequence[Mapping[str, Any]]) -> Iterator[_Turn]:
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        results = tuple(b["tool_use_id"] for b in blocks if b["type"] == "tool_result")
        texts = [b["text"] for b in blocks if b["type"] == "text"]
        kinds = [b["type"] for b in blocks]
        if kinds != sorted(kinds, key=lambda kind: kind != "tool_result"):
            raise KeyError("a result behind something else")
        if any(not text.strip() for text in texts):
            raise KeyError("an empty text block")
        match message["role"]:
            case "user":
                if results:
                    yield _Turn("results", results=results)
                if texts or not results:
                    yield _Turn("user", has_text=bool(texts))
            case "assistant":
                yield _Turn(
                    "assistant",
                    has_text=bool(texts),
                    calls=tuple(
                        (b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"
                    ),
                )
            case role:
                raise KeyError(f"role {role}")

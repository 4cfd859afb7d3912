"""What litellm raises, as a failure of one of our kinds.

litellm guesses its class from message texts, gives wrapped failures status 500, and calls a
missing key a connection error. So what counts here, in this order, is: what lies at the bottom
of the chain of causes, the status that really came over the wire, and only then its class.
(litellm 1.106, `litellm_core_utils/exception_mapping_utils.py`.)
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from messagedb_agent.events.words import FailureKind
from messagedb_agent.llm.attempt import Failed
from messagedb_agent.llm.litellm_reply import get
from messagedb_agent.llm.masking import masked

# How providers say that a request is too long, beside litellm's own class and OpenAI's code.
_TOO_LONG = re.compile(
    r"context[ _]length|context[ _]window|context size|context limit|prompt is too long"
    r"|input is too long|too many (input )?tokens|maximum number of tokens"
    r"|maximum (input|prompt) length|reduce the length of the (messages|input|prompt)"
    r"|request too large|prompt contains too many|token limit",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"content_policy_violation|content_filter|content filtering policy|safety system"
    r"|responsible ?ai ?policy|violating our usage policy",
    re.IGNORECASE,
)
# What providers call the form of an answer, and the tool that litellm makes of it for some.
_FORM = re.compile(
    r"schema|response_?format|output_?(format|config)|structured output|grammar|json_tool_call",
    re.IGNORECASE,
)
# Error codes and types without a status, as errors inside a stream have them.
_PASSING = re.compile(r"overloaded|server_error|rate_limit|temporarily unavailable", re.IGNORECASE)
_NO_QUOTA = re.compile(r"insufficient_quota|billing|credit balance", re.IGNORECASE)
_UNSET = re.compile(
    r"LLM Provider NOT provided|Unmapped LLM provider|missing .{0,40}\bAPI[ _-]?key"
    r"|api_key client option must be set|set the \w+ (or \w+ )?environment variable",
    re.IGNORECASE,
)
# What litellm and aiohttp put round a message.
_NOISE = (
    re.compile(r"^(?:(?:litellm\.)?\w+(?:Error|Exception|Timeout)\s*[:-]\s*)+"),
    re.compile(r"\s*Traceback \(most recent call last\).*", re.DOTALL),
    re.compile(r"\. Handle with `[^`]*`"),
    re.compile(r" Original exception: .*", re.DOTALL),
    re.compile(r" ssl:<[^>]*>"),
)
# Classes of httpx and aiohttp, and the built-in one, by name: neither is imported for this.
_NETWORK = frozenset({"TransportError", "ClientError", "ConnectionError"})
_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"})


def failed(error: Exception, *, secrets: tuple[str, ...] = (), streaming: bool = False) -> Failed:
    """Return the failure that an exception of litellm stands for.

    Args:
        error: what was raised.
        secrets: values that the message must not show.
        streaming: whether pieces of the answer had come already.
    """
    causes = tuple(_causes(error))
    message = masked(_message(causes), secrets)
    kind, retries = _kind(causes, message)
    if streaming and kind in ("unavailable", "internal"):
        kind, retries = "cut_off", None
    return Failed(
        kind=kind,
        message=message,
        retries=retries,
        retry_after_ms=_retry_after_ms(causes) if retries is None else None,
    )


def refuses_form(failure: Failed) -> bool:
    """Say whether a request that gave the form of its answer seems to have failed for it.

    Providers have no code for that. Where something else was meant, one request more is refused.
    """
    return failure.kind == "bad_request" and _FORM.search(failure.message) is not None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting.append(getattr(cause, "original_exception", None))
            waiting += [cause.__cause__, cause.__context__]


def _names(cause: BaseException) -> frozenset[str]:
    return frozenset(base.__name__ for base in type(cause).__mro__)


def _kind(causes: Sequence[BaseException], message: str) -> tuple[FailureKind, int | None]:
    """The kind of failure, and how often it is worth trying again (None: as often as allowed)."""
    status = _wire_status(causes)
    if status is None:
        if unset := _unset(causes):
            return unset
        if _any(causes, {"TimeoutException", "Timeout", "APITimeoutError", "TimeoutError"}):
            return "timed_out", None
        if _any(causes, _NETWORK | {"JSONDecodeError"}):
            return "unavailable", None
        status = _claimed_status(causes)
    codes = " ".join(_codes(causes))
    if _is_refused(causes, codes, message, status):
        return "refused", 0
    if _is_too_long(causes, codes, message, status):
        return "context_overflow", 0
    return _kind_of_status(status, f"{codes} {message}")


def _unset(causes: Sequence[BaseException]) -> tuple[FailureKind, int | None] | None:
    """What no server said: something on this side is missing or wrong."""
    for cause in causes:
        if type(cause).__module__.startswith("google.auth"):
            # Its transport errors are the network's; all others lack or refuse credentials.
            passing = "TransportError" in _names(cause)
            return ("unavailable", None) if passing else ("configuration", 0)
    if _any(causes, _NO_CREDENTIALS):
        return "configuration", 0
    if _any(causes, _NETWORK):
        return None
    if _any(causes, {"ImportError"}) or any(_UNSET.search(str(cause)) for cause in causes):
        return "configuration", 0
    if _any(causes, {"UnsupportedParamsError"}):
        return "bad_request", 0
    return ("configuration", 0) if _claimed_status(causes) in (401, 403) else None


def _kind_of_status(status: int | None, text: str) -> tuple[FailureKind, int | None]:
    match status:
        case 429 if _NO_QUOTA.search(text):
            return "rate_limited", 0
        case 429:
            return "rate_limited", None
        case 408:
            return "timed_out", None
        case 409 | 425:
            return "unavailable", None
        case 401 | 402 | 403:
            return "authentication", 0
        case 404:
            return "configuration", 0
        case int() if 400 <= status < 500:
            return "bad_request", 0
        case int() if status >= 500:
            return "unavailable", None
        case _ if _PASSING.search(text):
            return "unavailable", None
        case _:
            # An answer that nobody could read, or a fault of litellm's: once more, in case.
            return "internal", 1


def _is_refused(
    causes: Sequence[BaseException], codes: str, message: str, status: int | None
) -> bool:
    if _any(causes, {"ContentPolicyViolationError"}) or _REFUSED.search(codes):
        return True
    return status in (400, 403, 422) and _REFUSED.search(message) is not None


def _is_too_long(
    causes: Sequence[BaseException], codes: str, message: str, status: int | None
) -> bool:
    if _any(causes, {"ContextWindowExceededError"}) or "context_length_exceeded" in codes:
        return True
    if status == 413:
        return True
    return status in (400, 422, 429) and _TOO_LONG.search(message) is not None


def _any(causes: Sequence[BaseException], names: Set[str]) -> bool:
    return any(_names(cause) & names for cause in causes)


def _wire_status(causes: Sequence[BaseException]) -> int | None:
    """The status that a server answered with; litellm's own errors carry made-up responses."""
    for cause in reversed(causes):
        if {"HTTPStatusError", "HTTPError"} & _names(cause):
            status = getattr(getattr(cause, "response", None), "status_code", None)
            if isinstance(status, int) and status >= 400:
                return status
    return None


def _claimed_status(causes: Sequence[BaseException]) -> int | None:
    """The status that the innermost error claims; an error inside a stream has no other."""
    for cause in reversed(causes):
        try:
            status = int(getattr(cause, "status_code", None) or 0)
        except (TypeError, ValueError):
            continue
        # litellm's own wrappers say 500 of everything that they do not know.
        if 400 <= status < 600 and (status != 500 or cause is causes[-1]):
            return status
    return None


def _codes(causes: Sequence[BaseException]) -> Iterator[str]:
    """The provider's own codes and types of an error; litellm makes up others."""
    for cause in causes:
        body = getattr(cause, "body", None)
        told = [*_errors_in(body)] if isinstance(body, Mapping) else []
        made_up = type(cause).__module__.startswith("litellm.exceptions")
        for holder in told if made_up else [cause, *told]:
            for name in ("code", "type"):
                if isinstance(value := get(holder, name), str):
                    yield value


def _message(causes: Sequence[BaseException]) -> str:
    """What the provider said, if it said so in its error's JSON, else what litellm says."""
    for cause in causes:
        body = getattr(cause, "body", None)
        texts = (getattr(cause, "message", None), str(cause))
        bodies = [body, *(_json_in(text) for text in texts)]
        for found in bodies:
            for error in _errors_in(found) if isinstance(found, Mapping) else ():
                said = error.get("message")
                if isinstance(said, str) and said.strip():
                    return said
    plain = next((cause for cause in causes if "TransportError" in _names(cause)), causes[0])
    text = str(plain)
    for noise in _NOISE:
        text = noise.sub("", text)
    return text.strip() or type(plain).__name__


def _errors_in(body: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    inner = body.get("error")
    if isinstance(inner, Mapping):
        yield inner
    yield body


def _json_in(text: object) -> object:
    """The JSON object inside a text: litellm shows bodies as text or as Python's bytes."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not isinstance(text, str):
        return None
    start, end = text.find("{"), text.rfind("}")
    try:
        return json.loads(text[start : end + 1]) if 0 <= start < end else None
    except ValueError:
        return None


def _retry_after_ms(causes: Sequence[BaseException]) -> int | None:
    for cause in causes:
        response = getattr(cause, "response", None)
        for headers in (
            getattr(cause, "litellm_response_headers", None),
            getattr(response, "headers", None),
        ):
            if isinstance(headers, Mapping):
                waited = _waiting_ms(headers.get("retry-after-ms"), headers.get("retry-after"))
                if waited is not None:
                    return waited
    return None


def _waiting_ms(in_ms: object, in_s: object) -> int | None:
    """A waiting time from `retry-after-ms` (OpenAI) or `Retry-After` (RFC 9110: seconds, date)."""
    for text, factor in ((in_ms, 1), (in_s, 1000)):
        try:
            number = float(str(text)) * factor
        except ValueError:
            continue
        if 0 <= number < 1e12:
            return round(number)
    try:
        when = parsedate_to_datetime(str(in_s))
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0, round((when - datetime.now(UTC)).total_seconds() * 1000))

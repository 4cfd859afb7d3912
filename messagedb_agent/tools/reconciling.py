"""Asking a tool what became of a call that nobody saw the end of."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from messagedb_agent.containing import Overtime, contained
from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.tools.running import bounded_text, failure_text, in_thread, output_text
from messagedb_agent.tools.tool import NotDone, ToolFailure, ToolResult

ASK_S = 30.0
"""How long a tool may take to say what became of a call, in seconds."""

_Status = Literal["done", "not_done", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a tool says became of a call; made by `done`, `not_done`, `failed` or `unknown`.

    Attributes:
        status: which of the four.
        said: the result of a call that is done; else why, for the model and the person.

    Raises:
        ValidationError: the status is none of them.
    """

    status: _Status
    said: Any = ""

    def __post_init__(self) -> None:
        if self.status not in get_args(_Status):
            words = ", ".join(get_args(_Status))
            raise ValidationError(f"status {self.status!r} is none of {words}", field="status")

    @classmethod
    def done(cls, result: Any) -> "Reconciled":
        """The call took effect; `result` is what the tool would have given back."""
        return cls("done", result)

    @classmethod
    def not_done(cls) -> "Reconciled":
        """The call took no effect and will not: it may begin again, with the same key."""
        return cls("not_done")

    @classmethod
    def failed(cls, reason: str) -> "Reconciled":
        """The call failed, and shall not begin again."""
        return cls("failed", reason)

    @classmethod
    def unknown(cls, why: str = "") -> "Reconciled":
        """Nobody can tell yet."""
        return cls("unknown", why)


Reconcile = Callable[[str], Reconciled | Awaitable[Reconciled]]
"""Says what became of the call with an idempotency key; asynchronous or not."""


async def ask(
    reconcile: Reconcile, key: str, *, name: str, timeout_s: float, max_output_chars: int
) -> ToolResult | ToolFailure | NotDone:
    """Ask, and return the answer as an outcome; only our own cancellation raises.

    Who raises, does not answer in time or answers with something else does not know.

    Args:
        reconcile: who is asked: a coroutine in a task of its own, any other function in a thread.
        key: the call's idempotency key.
        name: the tool's name.
        timeout_s: seconds that it may take.
        max_output_chars: where a result is cut.
    """

    async def answer() -> ToolResult | ToolFailure | NotDone:
        if inspect.iscoroutinefunction(reconcile):
            found = await reconcile(key)
        else:
            found = await in_thread(lambda: reconcile(key), name=f"ask-{name}")
            found = await found if inspect.isawaitable(found) else found
        return _outcome(found, max_output_chars)

    try:
        return await contained(answer, timeout_s=timeout_s)
    except Overtime:
        return _unknown(f"the tool did not say within {timeout_s:g} s what became of the call")
    except Exception as error:  # noqa: BLE001 - here it becomes a fact
        why = failure_text(error)
        return _unknown(f"the tool could not say what became of the call: {why}")


def cannot_tell() -> ToolFailure:
    """Return the outcome of a call whose tool has no way of saying what became of it."""
    return _unknown("the tool cannot say what became of the call")


def _outcome(found: object, max_output_chars: int) -> ToolResult | ToolFailure | NotDone:
    if not isinstance(found, Reconciled):
        raise ToolError(f"it gave back a value of type {type(found).__name__}, no Reconciled")
    match found.status:
        case "done":
            return ToolResult(bounded_text(output_text(found.said), max_output_chars))
        case "not_done":
            return NotDone()
        case "failed":
            return ToolFailure("raised", str(found.said) or "the tool says that the call failed")
        case "unknown":
            return _unknown(str(found.said) or "the tool does not know what became of the call")


def _unknown(why: str) -> ToolFailure:
    return ToolFailure("outcome_unknown", why)

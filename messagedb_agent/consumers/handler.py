"""What handles a message: a function, synchronous or not, of a message or of a connection too."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from messagedb_agent.containing import Escaped, Overtime, contained
from messagedb_agent.errors import AgentError, ConfigurationError, StoreUnavailable
from messagedb_agent.tools.loading import attribute_of, imported
from messagedb_agent.tools.running import in_thread

Handler = Callable[..., Any]
"""Takes a message; or a message and a connection, which it writes on and does not commit."""


@dataclass(frozen=True, slots=True)
class Handling:
    """A handler, ready to be called.

    Attributes:
        call: what handles.
        takes_connection: whether it takes a connection, and so is part of its transaction.
        timeout_s: seconds that one message may take; None for no bound.
        run: handles a message when it is awaited.
    """

    call: Handler
    takes_connection: bool
    timeout_s: float | None
    run: Callable[..., Awaitable[object]]

    @classmethod
    def of(cls, handler: Handler, timeout_s: float | None) -> "Handling":
        """Look at a handler's parameters.

        Raises:
            ConfigurationError: it can be called with neither one argument nor two, or takes a
                connection and is no coroutine function.
        """
        count, is_coroutine = _positional(handler), _is_coroutine_function(handler)
        if count == 2 and not is_coroutine:
            raise refused("a handler of message and connection must be a coroutine function")
        run = handler if is_coroutine else partial(_run_in_thread, handler)
        return cls(handler, count == 2, timeout_s, run)


async def bounded(
    work: Callable[[], Awaitable[None]],
    timeout_s: float | None,
    since: Callable[[], float] | None = None,
) -> None:
    """Await handling within its time, and raise what it does in a form that tells it apart.

    Args:
        work: handles one message, or several.
        timeout_s: seconds that each may take; None for no bound.
        since: says when the one under way began; None for one that begins now.

    Raises:
        StoreUnavailable: as the handler raised it: no message is to blame.
        Exception: whatever else it raised.
    """
    try:
        await contained(work, timeout_s=timeout_s, since=since)
    except Overtime:
        raise TimeoutError(f"it took longer than {timeout_s:g} s") from None
    except AgentError as error:
        apart = told_apart(error)
        if apart is error:
            raise
        raise apart from error


def told_apart(error: Exception) -> Exception:
    """Return what a handler has raised in a form that is none of ours: callers branch on those.

    `StoreUnavailable` stays what it is: no message is to blame.
    """
    is_ours = isinstance(error, AgentError) and not isinstance(error, StoreUnavailable)
    return Escaped(error) if is_ours else error


def load_handler(reference: str) -> Handler:
    """Import a module and return the function in it that handles messages.

    Args:
        reference: `module:function`; modules are looked for in the current directory too.

    Raises:
        ConfigurationError: there is none, the import fails, or it can be no handler.
    """
    module, colon, name = reference.partition(":")
    if not (colon and name.strip()):
        raise refused(f"{reference!r} names no function: write module:function")
    found = attribute_of(imported(module.strip(), field="handler"), name.strip(), field="handler")
    if not callable(found):
        raise refused(f"{reference!r} is no function, but of the type {type(found).__name__}")
    Handling.of(found, None)
    return found


def refused(why: str) -> ConfigurationError:
    """Return the error of a handler that can be none."""
    return ConfigurationError(why, field="handler")


async def _run_in_thread(handler: Handler, message: object) -> None:
    result = await in_thread(lambda: handler(message), name="consumer")
    if isinstance(result, Awaitable):
        await result


def _positional(handler: Handler) -> int:
    """Return how many arguments a handler is called with: two where it has to have them."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # it is built in, and does not say
        return 1
    for count in (1, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    name = getattr(handler, "__name__", repr(handler))
    raise refused(f"a handler takes a message, or a message and a connection: not so {name}")


def _is_coroutine_function(handler: Handler) -> bool:
    call = getattr(handler, "__call__", None)  # noqa: B004 - of an object, its method's kind counts
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)

"""One try at a model call, whose outcome is a value even where its adapter breaks its port."""

from collections.abc import Awaitable, Callable

from messagedb_agent.containing import Escaped, Overtime, contained, error_text
from messagedb_agent.events.request import Reply
from messagedb_agent.llm.attempt import Failed
from messagedb_agent.llm.masking import masked

OVERTIME_S = 60.0
"""How far a try may run over its time: it bounds itself, and may first have to load its library."""

Try = Callable[[], Awaitable[Reply | Failed]]


async def outcome_of(
    attempt: Try, *, timeout_s: float, is_callers: Callable[[BaseException], bool]
) -> Reply | Failed:
    """Make one try and return its outcome, even of one that does not keep to its port.

    What it raises is a failure, `sys.exit()` and its own cancellation included. A try that
    swallows its cancellation, or runs far over its time, is left behind.

    Args:
        attempt: begins the try.
        timeout_s: seconds that it was told to take at most.
        is_callers: whether an exception is the caller's own, passing through on its way back.

    Raises:
        CancelledError: the caller was cancelled.
    """
    try:
        return await contained(attempt, timeout_s=timeout_s + OVERTIME_S)
    except Overtime:
        # Tried again, it would run beside the one that was left behind.
        return Failed("timed_out", f"no answer within {timeout_s:g} seconds, and no end")
    except Exception as error:  # noqa: BLE001 - becomes the event that the call failed
        raised = error.error if isinstance(error, Escaped) else error
        if is_callers(raised):
            raise raised from None
        return Failed("internal", masked(error_text(error)))

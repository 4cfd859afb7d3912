"""The tools that come along: the time, arithmetic, an echo. All are harmless to repeat."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import calculator
from messagedb_agent.tools.function_tool import FunctionTool, tool
from messagedb_agent.tools.running import shortened

# Not from strftime, whose names depend on the locale of the process.
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def builtin_tools(
    now: Callable[[], datetime] = utc_now,
) -> tuple[FunctionTool[..., Any], ...]:
    """Return `get_current_time`, `calculate` and `echo`.

    Args:
        now: the clock; a time with a zone.
    """

    @tool(effect="retry")
    async def get_current_time(timezone: str = "UTC") -> str:
        """Tell the current date and time in a time zone.

        Args:
            timezone: IANA name of the time zone, such as Europe/Paris or UTC.
        """
        zone = _zone(timezone)
        local = now().astimezone(zone)
        weekday = _WEEKDAYS[local.weekday()]
        return f"{local.isoformat(timespec='seconds')} ({weekday}, {zone.key})"

    @tool(effect="retry")
    async def calculate(expression: str) -> str:
        """Compute an arithmetic expression exactly.

        Args:
            expression: Numbers, + - * / // % ** and parentheses; abs, ceil, floor, max, min,
                round, sqrt, pi and e. For example: (2 + 3) * 4.5
        """
        return calculator.calculate(expression)

    @tool(effect="retry")
    async def echo(text: str) -> str:
        """Give back a text as it is.

        Args:
            text: the text.
        """
        return text

    return (get_current_time, calculate, echo)


def _zone(name: str) -> ZoneInfo:
    """Return the zone of that name; on Windows the names come from the `tzdata` package."""
    known = name.strip() or "UTC"
    if known.upper() in ("UTC", "GMT", "Z"):
        known = "UTC"
    try:
        return ZoneInfo(known)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ToolError(
            f"unknown time zone {shortened(name, 80)!r}: use an IANA name such as Europe/Paris"
        ) from error

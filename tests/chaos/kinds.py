"""The kinds of faults that are tried on real processes and a real server."""

from collections.abc import Callable, Coroutine
from typing import Any

from tests.chaos.cancels import cancels
from tests.chaos.cuts import cuts
from tests.chaos.kills import kills
from tests.chaos.outages import outages
from tests.chaos.pauses import pauses
from tests.chaos.races import races
from tests.chaos.report import Report

KINDS: dict[str, tuple[Callable[..., Coroutine[Any, Any, Report]], int]] = {
    "cancels": (cancels, 1_000),
    "cuts": (cuts, 500),
    "kills": (kills, 300),
    "outages": (outages, 9),
    "pauses": (pauses, 20),
    "races": (races, 200),
}
"""Each kind of faults, and how many a build tries; a kind is also the name of its option."""

"""Named points at which a worker kills itself, without a word of that in the package.

A process is told of one by the environment, and has the function patched in which the point lies.
"""

import asyncio
import functools
import inspect
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from messagedb_agent.consumers.parking import Parking
from messagedb_agent.consumers.positions import Positions
from messagedb_agent.consumers.share import WorkersShare
from messagedb_agent.consumers.slot_log import SlotLog
from messagedb_agent.engine import loop
from messagedb_agent.engine.journal import Journal
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store import append as appending
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.ownership import Ownership
from messagedb_agent.store.transaction import OpenTransaction
from messagedb_agent.tools.toolbox import Toolbox
from tests.chaos import tools

DIE_AT = "CHAOS_DIE_AT"
"""Names the environment variable that says at which point, and the how manieth time."""
_ANSWER_S = 0.05  # in which the server answers, and nobody reads it

Moment = Literal["before", "after", "unread"]


@dataclass(frozen=True)
class Point:
    """A place in the code.

    Attributes:
        owner: what has the function.
        function: its name.
        moment: before it, after it, or when it has asked the server and not read the answer.
        most: a worker dies there at this time at the latest.
    """

    owner: Any
    function: str
    moment: Moment
    most: int = 6


POINTS = {
    "thread asked for": Point(Ownership, "_lock", "before", 12),
    "locks unread": Point(Ownership, "_answer", "unread", 12),
    "thread owned": Point(Ownership, "_lock", "after", 12),
    "thread let go": Point(Ownership, "_let_go", "before"),
    "slot taken": Point(SlotLog, "take", "after", 1),
    "slot begun": Point(WorkersShare, "begin", "after", 1),
    "suspects to note": Point(SlotLog, "begin", "before", 3),
    "suspects noted": Point(SlotLog, "begin", "after", 3),
    "slot read": Point(WorkersShare, "read_on", "after"),
    "thread handled": Point(WorkersShare, "handled", "before"),
    "position to note": Point(Positions, "record", "before", 1),
    "position noted": Point(Positions, "record", "after", 1),
    "parking read": Point(Parking, "catch_up", "after", 2),
    "taking over": Point(loop, "close_abandoned", "after", 3),
    "append to send": Point(MessageDbStore, "append", "before", 15),
    "append unread": Point(appending, "_rows", "unread", 15),
    "append heard": Point(MessageDbStore, "append", "after", 15),
    "model asked": Point(OfflineModel, "complete", "before"),
    "model answered": Point(OfflineModel, "complete", "after"),
    "tool called": Point(Toolbox, "run", "before"),
    "tool begun": Point(tools, "_begin", "after"),
    "tool took effect": Point(tools, "_take_effect", "after"),
    "tool ended": Point(Toolbox, "run", "after"),
    "facts to record": Point(Journal, "record", "before"),
    "facts recorded": Point(Journal, "record", "after"),
    "tool asked": Point(Toolbox, "reconcile", "before", 1),
    "tool told": Point(Toolbox, "reconcile", "after", 1),
    "category locked": Point(OpenTransaction, "locked", "after", 2),
    "commit to send": Point(OpenTransaction, "commit", "before", 2),
    "commit heard": Point(OpenTransaction, "commit", "after", 2),
}


def drawn(chance: Random) -> str:
    """Draw a point, and the how manieth time, as `arm` takes it."""
    name = chance.choice([*POINTS])
    return f"{name}:{chance.randint(1, POINTS[name].most)}"


def arm(point: str) -> None:
    """Let this process kill itself at a point."""
    name, _, times = point.partition(":")
    place, left = POINTS[name], int(times)

    def comes() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    patched = _patched(getattr(place.owner, place.function), place.moment, comes)
    setattr(place.owner, place.function, patched)


def _patched(
    function: Callable[..., Any], moment: Moment, comes: Callable[[], bool]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def patched(*arguments: Any, **named: Any) -> Any:
        if moment == "before" and comes():
            _die()
        result = function(*arguments, **named)
        if moment == "after" and comes():
            _die()
        return result

    @functools.wraps(function)
    async def patched_coroutine(*arguments: Any, **named: Any) -> Any:
        if moment == "before" and comes():
            _die()
        working = asyncio.ensure_future(function(*arguments, **named))
        if moment == "unread" and comes():
            await asyncio.sleep(0)  # in which it is sent
            time.sleep(_ANSWER_S)  # noqa: ASYNC251 - nothing of this process may go on
            _die()
        result = await working
        if moment == "after" and comes():
            _die()
        return result

    return patched_coroutine if inspect.iscoroutinefunction(function) else patched


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # until it arrives

"""Waiting for what comes without telling us."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from messagedb_agent.store.store import News

PATIENCE_S = 40.0  # how long a test waits for what must come; it is never measured


async def until(holds: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await _found(holds):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)


async def told(news: News) -> None:
    """Wait for news, and fail where they do not come."""
    async with asyncio.timeout(PATIENCE_S):
        await news.wait(10 * PATIENCE_S)


def until_now(holds: Callable[[], object]) -> None:
    """Wait until something holds, where no event loop runs."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def _found(holds: Callable[[], object | Awaitable[object]]) -> object:
    found = holds()
    return await found if isawaitable(found) else found

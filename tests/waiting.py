"""Waiting for what comes without telling us."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

PATIENCE_S = 40.0  # how long a test waits for what must come; it is never measured


async def until(holds: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not await _found(holds):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.01)


async def _found(holds: Callable[[], object | Awaitable[object]]) -> object:
    found = holds()
    return await found if isawaitable(found) else found

"""The post of a consumer: one process at a time has it, others stand by and take it over."""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress

from messagedb_agent.errors import Conflict, StoreUnavailable
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.store import Owner

_logger = logging.getLogger("messagedb_agent.consumers")

_LOOK_S = 0.25  # between two looks whether it is free
_ENDS_S = 3.0  # how long the store has to hear that it is free; it hears of a process's end, too


class Post:
    """What one process at a time may do, by the lock of a stream.

    Args:
        store: where it is locked; what is no `Owner` lets everybody in.
        stream: full name of the stream, which need not exist.
        waits: whether to stand by while another process has it.
    """

    def __init__(self, store: object, stream: str, *, waits: bool) -> None:
        self._store = store
        self._stream = stream
        self._waits = waits
        self._is_told = False

    async def taken(self, stack: AsyncExitStack, stopping: asyncio.Event) -> Hold | None:
        """Wait until it is free, and have it until the stack ends; None where it is stopped before.

        Raises:
            Conflict: another process has it, and it is not to be waited for.
        """
        while not stopping.is_set():
            if hold := await self._try(stack):
                self._is_told = False
                return hold
            try:
                async with asyncio.timeout(_LOOK_S):
                    await stopping.wait()
            except TimeoutError:
                continue
        return None

    async def _try(self, stack: AsyncExitStack) -> Hold | None:
        if not isinstance(self._store, Owner):
            return Hold()
        trial = AsyncExitStack()
        try:
            hold = await trial.enter_async_context(self._store.own(self._stream))
        except StoreUnavailable as error:
            self._tell(f"the store failed, and is tried again: {error}")
            return None
        if hold:
            stack.push_async_callback(_left, trial)
            return hold
        await trial.aclose()
        if not self._waits:
            raise Conflict(f"another process has {self._stream}: one at a time consumes by a name")
        self._tell("another process consumes by this name; standing by until it ends")
        return None

    def _tell(self, what: str) -> None:
        """Say once why it takes so long."""
        if not self._is_told:
            self._is_told = True
            _logger.warning("%s", what, extra={"stream": self._stream})


async def _left(post: AsyncExitStack) -> None:
    with suppress(StoreUnavailable, TimeoutError):
        async with asyncio.timeout(_ENDS_S):
            await post.aclose()

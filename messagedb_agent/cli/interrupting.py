"""Ctrl-C during a turn: the turn is cancelled, and the command goes on."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from messagedb_agent.cli.prompting import on_signal
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import AgentError

if TYPE_CHECKING:
    from messagedb_agent import Engine


T = TypeVar("T")


class Interrupted(Exception):
    """A turn was left where it is."""


class Interruptible:
    """Sees parts of a turn through; Ctrl-C meanwhile cancels the turn.

    The first one is said to the thread, which comes to rest in order; a second one, or one before
    anything stands in the thread, leaves the turn where it is. Work that no thread hears of is
    left by the first one.

    Args:
        engine: what works on the thread.
        live: knows the thread.
    """

    def __init__(self, engine: "Engine", live: Live) -> None:
        self._engine = engine
        self._live = live
        self._cancelling: asyncio.Task[None] | None = None

    async def step(self, part: Coroutine[Any, Any, T]) -> T:
        """See a part through.

        Raises:
            Interrupted: it was left where it is.
        """
        task = asyncio.ensure_future(part)
        loop = asyncio.get_running_loop()

        # Not the loop's own handler, which would hear Ctrl-C at a question later once more.
        def hear(signum: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._interrupted, task)

        try:
            with on_signal(signal.SIGINT, hear):
                return await task
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if not task.cancelled() or (here and here.cancelling()):  # from outside, as by SIGTERM
                raise
            raise Interrupted from None
        finally:
            if self._cancelling is not None:
                await asyncio.gather(self._cancelling, return_exceptions=True)

    def _interrupted(self, task: asyncio.Task[Any]) -> None:
        thread_id = self._live.thread_id
        if thread_id is None or self._cancelling is not None:
            task.cancel()
        else:
            self._live.break_line()
            note("cancelling; once more leaves the turn where it is")
            self._cancelling = asyncio.create_task(self._cancel(thread_id))

    async def _cancel(self, thread_id: str) -> None:
        try:
            await (await self._engine.latest(thread_id)).cancel(reason="interrupted")
        except AgentError as error:
            note(f"error: {error}")

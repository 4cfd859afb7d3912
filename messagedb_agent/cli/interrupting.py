"""Ctrl-C during a turn: the turn is cancelled, and the command goes on."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.live import Live
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import AgentError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine


class Interrupted(Exception):
    """A turn was left where it is."""


class Interruptible:
    """Sees parts of a turn through; Ctrl-C meanwhile cancels the turn.

    The first one is said to the thread, which comes to rest in order; a second one, or one before
    anything stands in the thread, leaves the turn where it is.

    Args:
        engine: what works on the thread.
        live: knows the thread.
    """

    def __init__(self, engine: "Engine", live: Live) -> None:
        self._engine = engine
        self._live = live
        self._cancelling: asyncio.Task[None] | None = None

    async def step(self, part: Coroutine[Any, Any, "Agent"]) -> "Agent":
        """See a part through.

        Raises:
            Interrupted: it was left where it is.
        """
        task = asyncio.ensure_future(part)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted, task)
        try:
            return await task
        except asyncio.CancelledError:
            here = asyncio.current_task()
            if not task.cancelled() or (here and here.cancelling()):  # from outside, as by SIGTERM
                raise
            raise Interrupted from None
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            if self._cancelling is not None:
                await asyncio.gather(self._cancelling, return_exceptions=True)

    def _interrupted(self, task: "asyncio.Task[Agent]") -> None:
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

"""`tail`: events as they are written, from a position on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.guard import exit_code_of_interrupt
from messagedb_agent.cli.kinds import named_types, tell_unknown
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.events import event_line
from messagedb_agent.cli.rendering.json import message_json
from messagedb_agent.cli.running import run
from messagedb_agent.cli.streams import has_no_reader
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.errors import NotFound

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.store.message import Message

POLL_S = 0.25
"""How often the store is asked for what nobody told of, in seconds."""

LULL_S = 0.02
"""How long it is not asked after it was, in seconds: the others may have much to tell."""

FIND_S = 2.0
"""How long, in seconds, Ctrl-C waits until it is known where to go on; the next one does not."""


class Tail:
    """What is followed, and how far it was read.

    Args:
        thread: a thread as it was named; None means all.
        start: first position, or global position, to read; None reads news alone.
        types: types of the messages that are given; None gives all.

    Attributes:
        thread_id: the thread's id, once it is known.
        next: position to read next; None before anything was looked at.
        is_found: set when both are known.
    """

    def __init__(
        self, thread: str | None, start: int | None, types: Collection[str] | None = None
    ) -> None:
        self._thread = thread
        self._types = types
        self.thread_id: str | None = None
        self.next = start
        self.is_found = asyncio.Event()

    async def messages(self, engine: "Engine") -> AsyncGenerator["Message", None]:
        """Give messages for ever, as they come.

        Raises:
            BrokenPipeError: nobody is left to read what is written.
        """
        if self._thread is not None:
            self.thread_id = await engine.find_thread(self._thread)
        if self.next is None:
            self.next = await self._end(engine)
        self.is_found.set()
        async with engine.listen() as news:
            while True:
                async for message in self._news(engine, self.next):
                    if self._types is None or message.type in self._types:
                        yield message
                    self.next = self._after(message)
                if has_no_reader():  # else it would show with the next news, and `head` wait for it
                    raise BrokenPipeError
                await asyncio.sleep(LULL_S)
                await news.wait(POLL_S)

    async def _end(self, engine: "Engine") -> int:
        """Return the position after the newest message.

        Streams beside the threads may hold newer ones than the newest thread does.
        """
        end = 0
        with suppress(NotFound):
            newest = await engine.newest(self.thread_id or await engine.find_thread("last"))
            end = self._after(newest) if newest else 0
        async for message in self._news(engine, end):
            end = self._after(message)
        return end

    def _news(self, engine: "Engine", start: int) -> AsyncIterator["Message"]:
        if self.thread_id is None:
            return engine.all_messages(global_position=max(start, 1))
        return engine.messages(self.thread_id, position=start)

    def _after(self, message: "Message") -> int:
        return (message.global_position if self.thread_id is None else message.position) + 1


def tail(
    common: Common, thread: str | None, start: int | None, types: str | None, form: str
) -> int:
    """Follow until Ctrl-C, and say how to go on."""
    wanted = named_types(types)
    setup = set_up(common)
    tell_unknown(wanted, of_threads=True)
    following = Tail(thread, start, wanted)

    async def follow() -> None:
        async with opened(setup) as engine:
            async for message in following.messages(engine):
                text = message_json(message) if form == "json" else event_line(message, thread)
                out(text, flush=True)

    try:
        run(_found_first(follow, following.is_found))
    except KeyboardInterrupt as interrupt:
        where = [name] if (name := following.thread_id or thread) else []
        position = [] if following.next is None else ["--from", str(following.next)]
        of = [] if types is None else ["--types", types]
        note(f"go on with: {command(setup.common, 'tail', *where, *of, *position)}")
        return exit_code_of_interrupt(interrupt)
    return ExitCode.INTERRUPTED


async def _found_first(
    work: Callable[[], Coroutine[Any, Any, None]], is_found: asyncio.Event
) -> None:
    """Await work; interrupted early, it has `FIND_S` to find where it would have begun."""
    working = asyncio.create_task(work())
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        finding = asyncio.create_task(is_found.wait())
        await asyncio.wait((working, finding), timeout=FIND_S, return_when=asyncio.FIRST_COMPLETED)
        finding.cancel()
        working.cancel()
        await asyncio.wait((working,))
        if not working.cancelled():
            working.exception()  # it was interrupted, whatever else befell it
        raise

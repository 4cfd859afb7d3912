"""Taking up threads that may have killed a worker: noted before, and one after the other."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

ALONE_S = 1.0
ENDS_S = 5.0
TOGETHER = 32
"""How many threads are taken up at once of those at which nobody is known to have died."""


class Suspecting(Protocol):
    """The slot that a thread under suspicion is of."""

    def deaths_at(self, stream: str) -> int:
        """Return how many workers have died at a thread."""
        ...

    def offer(self, stream: str) -> None:
        """Have a thread taken up as soon as there is room for it."""
        ...

    async def note_begun(self, stream: str) -> bool:
        """Note for good that a thread is taken up now; say whether it may be."""
        ...

    def passed(self, stream: str) -> None:
        """Hear that a thread was taken up, and this process lives."""
        ...


class Caution:
    """Threads under suspicion, of all slots of a worker.

    Those at which nobody has died come first, several together: they were only there when it
    happened. One at which somebody has died comes later, and alone, until it has claimed something,
    rests or has failed; and for a while until that has ended, so that what kills here uses up the
    attempts of nobody else's calls.

    Args:
        careful_s: says how long to wait before a thread is taken up, by how many have died at it.
        alone_s: how long the next threads wait for those at which nobody is known to have died.
        ends_s: how long they wait for what one has claimed at which somebody has died.
    """

    def __init__(
        self,
        careful_s: Callable[[int], float],
        alone_s: float = ALONE_S,
        ends_s: float = ENDS_S,
    ) -> None:
        self._careful_s = careful_s
        self._alone_s = alone_s
        self._ends_s = ends_s
        self._running = ""  # the thread that is alone, until something of it has ended
        self._waiting: dict[str, Suspecting] = {}
        self._due: dict[str, float] = {}  # of what waits, by the loop's clock
        self._begun: dict[str, Suspecting] = {}
        self._changed = asyncio.Event()

    def __contains__(self, stream: str) -> bool:
        return stream in self._waiting or stream in self._begun

    def __len__(self) -> int:
        """How many threads wait to be taken up."""
        return len(self._waiting)

    def add(self, stream: str, slot: Suspecting) -> None:
        """Take a thread up when its turn comes."""
        if stream not in self._begun:
            now = asyncio.get_running_loop().time()
            self._due.setdefault(stream, now + self._careful_s(slot.deaths_at(stream)))
            self._waiting[stream] = slot
            self._changed.set()

    async def may_begin(self, stream: str) -> bool:
        """Say whether a thread may be taken up now; one under suspicion is noted before.

        Only then, and not when its turn came: where there is no room, it may have to wait for
        long, and is not to blame for what happens meanwhile.

        Raises:
            StoreError: it cannot be noted; it stays under suspicion.
        """
        slot = self._begun.get(stream)
        return slot is None or await slot.note_begun(stream)

    def passed(self, stream: str, *, ended: bool = True) -> None:
        """Hear that a thread that was taken up has claimed something, rests or has failed.

        Args:
            stream: its stream.
            ended: whether something of it has ended, and not only begun.
        """
        if ended and stream == self._running:
            self._running = ""
            self._changed.set()
        if slot := self._begun.pop(stream, None):
            slot.passed(stream)
            self._changed.set()

    def leave(self, stream: str) -> None:
        """Forget a thread: it is not to be taken up."""
        self._due.pop(stream, None)
        self._waiting.pop(stream, None)
        self.passed(stream)
        self._changed.set()

    def forget(self, slot: Suspecting) -> None:
        """Forget the threads of a slot."""
        self._waiting = {name: one for name, one in self._waiting.items() if one is not slot}
        self._due = {name: due for name, due in self._due.items() if name in self._waiting}
        self._begun = {name: one for name, one in self._begun.items() if one is not slot}
        self._changed.set()

    def concerns(self, slot: Suspecting) -> bool:
        """Say whether any thread of a slot is under suspicion."""
        return slot in self._waiting.values() or slot in self._begun.values()

    async def run(self) -> None:
        """Take threads up, for ever."""
        while True:
            stream, due = await self._next()
            deaths = self._deaths(stream)
            if deaths:
                await self._wait_until_alone(None)
                if not self._waiting or await self._next() != (stream, due):
                    continue  # others have come meanwhile, or gone
            same = [stream] if deaths else [one for one in self._waiting if not self._deaths(one)]
            self._running = stream if deaths else ""
            self._begin(same[:TOGETHER])
            await self._wait_until_alone(None if deaths else self._alone_s)
            await self._wait_while(lambda: self._running, self._ends_s)

    async def _next(self) -> tuple[str, float]:
        """Wait until the time of a thread has come; return the first of them, and that time."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                await self._change()
            stream = min(self._waiting, key=self._due.__getitem__)
            due = self._due[stream]
            if due <= (now := loop.time()):
                return stream, due
            with suppress(TimeoutError):
                async with asyncio.timeout(due - now):
                    await self._change()

    def _begin(self, streams: Sequence[str]) -> None:
        for stream in streams:
            slot = self._begun[stream] = self._waiting.pop(stream)
            del self._due[stream]
            slot.offer(stream)

    def _deaths(self, stream: str) -> int:
        return self._waiting[stream].deaths_at(stream)

    async def _wait_until_alone(self, seconds: float | None) -> None:
        """Wait until nothing that was begun is under suspicion, or for some time."""
        await self._wait_while(lambda: self._begun, seconds)

    async def _wait_while(self, holds: Callable[[], object], seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while holds():
                    await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

"""Who in this process waits for news of which category."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress


class Bell:
    """A `News`: rings for one who waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """End the wait, or the next one."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return at news, or after some seconds; see `News.wait`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()


class Audience:
    """The bells of this process, by category."""

    def __init__(self) -> None:
        self._bells: dict[str, set[Bell]] = defaultdict(set)

    @property
    def categories(self) -> Set[str]:
        """What somebody waits for."""
        return self._bells.keys()

    @contextmanager
    def bell(self, category: str) -> Iterator[Bell]:
        """Have a bell for a category while the context lasts."""
        bell = Bell()
        self._bells[category].add(bell)
        try:
            yield bell
        finally:
            self._bells[category].remove(bell)
            if not self._bells[category]:
                del self._bells[category]

    def tell(self, category: str) -> None:
        """Ring the bells of a category."""
        for bell in self._bells.get(category, ()):
            bell.ring()

    def tell_all(self) -> None:
        """Ring every bell."""
        for category in self._bells:
            self.tell(category)

"""Effects under way: started when their claims stand, waited for, cancelled when told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended, facts_of
from messagedb_agent.engine.plan import Effect, ReconcileCall
from messagedb_agent.events.outcomes import is_known


class Running:
    """The effects whose claims are ours.

    Args:
        perform: performs one effect and returns how it ended, also when it is cancelled.
        look_s: how often a wait for effects is ended without one, in seconds; later where something
            was recorded meanwhile, as nothing that was not read can stand before that.
    """

    def __init__(self, perform: Callable[[Effect], Awaitable[Ended]], look_s: float) -> None:
        self._perform = perform
        self._look_s = look_s
        self._tasks: list[asyncio.Task[Ended]] = []
        self._done: list[asyncio.Task[Ended]] = []  # of these, in the order they ended
        self._begun: list[asyncio.Task[Ended]] = []  # in order, for runs that can be repeated
        self._cancelled: set[asyncio.Task[Ended]] = set()
        self._ended: tuple[Ended, ...] = ()  # what is not recorded yet
        self._news: asyncio.Future[None] | None = None  # ends the wait that is under way
        self._look: asyncio.TimerHandle | None = None
        self._looked = 0.0  # when it was last known that there is no news, by the loop's clock

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def start(self, effects: Iterable[Effect]) -> None:
        """Begin each effect."""
        for effect in effects:
            self._tasks.append(asyncio.create_task(self._performed(effect)))

    def wake(self) -> None:
        """End the wait that is under way."""
        if self._news and not self._news.done():
            self._news.set_result(None)

    async def next_ended(self) -> tuple[Ended, ...]:
        """Wait for an effect to end, and return all that did by then, until they are `recorded`.

        There may be none, where there is other news or it is time to look for some.
        """
        if not self._done:
            await self._wait()
        while self._done:
            task = self._done.pop(0)
            self._tasks.remove(task)
            self._cancelled.discard(task)
            if task in self._begun:
                self._begun.remove(task)
            self._ended += (task.result(),)  # where one raises, the others are not lost
        return self._ended

    def recorded(self) -> None:
        """Forget what was returned: it stands."""
        self._ended = ()
        self._looked = asyncio.get_running_loop().time()

    def cancel(self) -> None:
        """Cancel every effect under way, once; each still has its outcome.

        A task that has not begun would vanish without one: it is cancelled at the next call. A
        tool that is asked what became of a call is let finish: it does nothing, and soon ends.
        """
        self._cancel(self._begun)

    async def stop(self) -> tuple[Draft, ...]:
        """Cancel every effect, and return the outcomes of those that had one all the same."""
        self._cancel(self._tasks)
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._done = [], []
        known = (fact for fact in ended if isinstance(fact, Draft) and is_known(fact.event))
        self._ended += tuple(known)
        return facts_of(self._ended)

    def close(self) -> None:
        """Forget the time to look for news."""
        if self._look:
            self._look.cancel()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._news = loop.create_future()
        if self._look is None:  # one timer for many waits: most are short
            self._looked = loop.time()
            self._look = loop.call_later(self._look_s, self._look_now)
        await self._news

    def _look_now(self) -> None:
        loop = asyncio.get_running_loop()
        due = self._looked + self._look_s
        if due > loop.time():  # something was recorded meanwhile
            self._look = loop.call_at(due, self._look_now)
        else:
            self._look = None
            self.wake()

    def _cancel(self, tasks: Iterable[asyncio.Task[Ended]]) -> None:
        """Cancel tasks, but none a second time: that would cut short how it ends."""
        for task in [task for task in tasks if task not in self._cancelled]:
            task.cancel()
            self._cancelled.add(task)

    async def _performed(self, effect: Effect) -> Ended:
        task = cast("asyncio.Task[Ended]", asyncio.current_task())  # it is one that `start` made
        if not isinstance(effect, ReconcileCall):
            self._begun.append(task)
        try:
            return await self._perform(effect)
        finally:  # and not by a callback, which the loop would call a round later
            self._done.append(task)
            self.wake()

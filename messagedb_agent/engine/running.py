"""Effects under way: started when their claims stand, waited for, cancelled when told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.ended import Ended, facts_of
from messagedb_agent.engine.plan import Effect, ReconcileCall
from messagedb_agent.events.outcomes import is_known


class Running:
    """The effects whose claims are ours.

    Args:
        perform: performs one effect and returns how it ended, also when it is cancelled.
    """

    def __init__(self, perform: Callable[[Effect], Awaitable[Ended]]) -> None:
        self._perform = perform
        self._tasks: list[asyncio.Task[Ended]] = []
        self._begun: list[asyncio.Task[Ended]] = []  # in order, for runs that can be repeated
        self._cancelled: set[asyncio.Task[Ended]] = set()
        self._ended: tuple[Ended, ...] = ()  # what is not recorded yet

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def start(self, effects: Iterable[Effect]) -> None:
        """Begin each effect."""
        for effect in effects:
            self._tasks.append(asyncio.create_task(self._performed(effect)))

    async def next_ended(self, wake_s: float, news: asyncio.Task[Any]) -> tuple[Ended, ...]:
        """Wait for an effect to end, and return all that did by then, until they are `recorded`.

        Args:
            wake_s: seconds after which there may be none.
            news: ends the wait as well.
        """
        done, _ = await asyncio.wait(
            (*self._tasks, news), timeout=wake_s, return_when=asyncio.FIRST_COMPLETED
        )
        self._begun = [task for task in self._begun if task not in done]
        self._cancelled -= done
        for task in [task for task in self._tasks if task in done]:
            self._tasks.remove(task)
            self._ended += (task.result(),)  # where one raises, the others are not lost
        return self._ended

    def recorded(self) -> None:
        """Forget what was returned: it stands."""
        self._ended = ()

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
        self._tasks = []
        known = (fact for fact in ended if isinstance(fact, Draft) and is_known(fact.event))
        self._ended += tuple(known)
        return facts_of(self._ended)

    def _cancel(self, tasks: Iterable[asyncio.Task[Ended]]) -> None:
        """Cancel tasks, but none a second time: that would cut short how it ends."""
        for task in [task for task in tasks if task not in self._cancelled]:
            task.cancel()
            self._cancelled.add(task)

    async def _performed(self, effect: Effect) -> Ended:
        if (task := asyncio.current_task()) and not isinstance(effect, ReconcileCall):
            self._begun.append(task)
        return await self._perform(effect)

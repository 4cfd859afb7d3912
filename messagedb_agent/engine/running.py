"""Effects under way: started when their claims stand, waited for, cancelled when told to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from messagedb_agent.engine.batch import Draft
from messagedb_agent.engine.plan import Effect


class Running:
    """The effects whose claims are ours.

    Args:
        perform: performs one effect and returns its outcome, also when it is cancelled.
    """

    def __init__(self, perform: Callable[[Effect], Awaitable[Draft]]) -> None:
        self._perform = perform
        self._tasks: list[asyncio.Task[Draft]] = []
        self._begun: set[asyncio.Task[Draft]] = set()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def start(self, effects: Iterable[Effect]) -> None:
        """Begin each effect."""
        for effect in effects:
            self._tasks.append(asyncio.create_task(self._performed(effect)))

    async def next_facts(self, wake_s: float) -> tuple[Draft, ...]:
        """Wait for an outcome, and return all there are by then; none after `wake_s` seconds."""
        done, _ = await asyncio.wait(
            self._tasks, timeout=wake_s, return_when=asyncio.FIRST_COMPLETED
        )
        ended = [task for task in self._tasks if task in done]
        self._tasks = [task for task in self._tasks if task not in done]
        self._begun -= done
        return tuple(task.result() for task in ended)

    def cancel(self) -> None:
        """Cancel every effect under way; each still has its outcome.

        A task that has not begun would vanish without one: it is cancelled at the next call.
        """
        for task in self._begun.intersection(self._tasks):
            task.cancel()

    async def stop(self) -> None:
        """Cancel every effect and let go of its outcome: whoever takes over closes its claim."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._begun = [], set()

    async def _performed(self, effect: Effect) -> Draft:
        if task := asyncio.current_task():
            self._begun.add(task)
        return await self._perform(effect)

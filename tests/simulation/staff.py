"""Workers of a simulated world: each is begun again when it dies, until all may go home."""

import logging

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers.worker import Worker
from tests.simulation.checks import look
from tests.simulation.world import World

logging.getLogger("messagedb_agent.consumers").addHandler(logging.NullHandler())

_LOOK_S = 10.0
_MOST_S = 90.0
_GRACE_S = 3.0


class Staff:
    """Workers that share the threads of a world.

    Args:
        world: where they work.
        size: how many slots their group has.
    """

    def __init__(self, world: World, size: int) -> None:
        self._world = world
        self._size = size
        self._workers: list[Worker] = []
        self._may_go = False

    def begin(self) -> None:
        """Let one more worker begin."""
        self._world.beside(self._world.do("works", self._work))

    async def all_rest(self) -> None:
        """Wait until every thread is at rest: the workers are to bring that about alone."""
        due = self._world.loop.time() + _MOST_S
        while self._world.loop.time() < due:
            looks = [await look(self._world, thread) for thread in self._world.threads]
            if all(seen.is_at_rest for seen in looks):
                return
            await self._world.server.grown(_LOOK_S)
        self._world.wrong.append(f"the workers did not finish within {_MOST_S:g} s")

    def go_home(self) -> None:
        """Stop all workers, as SIGTERM does, and begin none again."""
        self._may_go = True
        for worker in self._workers:
            worker.stop()

    async def _work(self, engine: Engine) -> None:
        if self._may_go:
            return
        worker = Worker(engine, size=self._size, grace_s=_GRACE_S, progress=self._world.progress)
        self._workers.append(worker)
        await worker.run()

"""How often, and for how long, a server that is away is asked again."""

import asyncio

from messagedb_agent.store.pool import loop_time

_PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)  # before each further try; the last one repeats


class Tries:
    """Tries of one piece of work.

    Args:
        for_s: seconds, from the first failure on, in which a further try may begin.
    """

    def __init__(self, for_s: float) -> None:
        self._for_s = for_s
        self._deadline: float | None = None
        self._failed = 0

    async def again(self) -> bool:
        """Wait before a further try; False, at once, where there is no time left for one."""
        now = loop_time()
        if self._deadline is None:
            self._deadline = now + self._for_s
        pause_s = _PAUSES_S[min(self._failed, len(_PAUSES_S) - 1)]
        if now + pause_s > self._deadline:
            return False
        self._failed += 1
        await asyncio.sleep(pause_s)
        return True

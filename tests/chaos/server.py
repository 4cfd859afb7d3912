"""A PostgreSQL with Message DB of a run's own, which can be stopped, killed and started again."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Literal

import psycopg

from messagedb_agent.store.embedded import EmbeddedServer, EmbeddedSettings, start
from tests.embedded_server import is_running
from tests.store_url import new_home, remove_embedded
from tests.waiting import until

Outage = Literal["immediate", "fast", "backend"]
OUTAGES: tuple[Outage, ...] = ("immediate", "fast", "backend")
_SIGNALS = {"immediate": signal.SIGQUIT, "fast": signal.SIGINT}

# Tools that write where the log is leave their lines here.
_NOTES = """
CREATE TABLE IF NOT EXISTS public.chaos_notes (call_id text, nonce text);
GRANT SELECT, INSERT ON public.chaos_notes TO message_store
"""
_WRITERS = """
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND usename = 'message_store'
"""


class Server:
    """The server; all that keeps its data safe is on, `fsync` and `synchronous_commit` too.

    Attributes:
        url: of the role `message_store`.
        admin_url: of the owner.
    """

    def __init__(self, settings: EmbeddedSettings, running: EmbeddedServer) -> None:
        self._settings = settings
        self._running = running
        self.url = running.url
        self.admin_url = running.admin_url

    async def fail(self, how: Outage, chance: Random) -> None:
        """Bring it down: stop it without or with goodbyes, or kill one of its sessions.

        PostgreSQL ends all sessions and recovers when one of them was killed.
        """
        if how == "backend":
            os.kill(chance.choice(await self._sessions()), signal.SIGKILL)
            return
        os.kill(self._running.pid, _SIGNALS[how])
        await until(lambda: not is_running(self._running.pid))

    async def recover(self) -> None:
        """Start it where it does not run, and wait until it answers."""
        self._running = await start(self._settings)
        await until(self._answers)

    async def sessions_like(self, name: str) -> int:
        """Return how many sessions there are of applications whose name is like this."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
        async with await psycopg.AsyncConnection.connect(self.admin_url) as connection:
            row = await (await connection.execute(query, (name,))).fetchone()
        assert row is not None
        return int(row[0])

    async def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            await self._sessions()
            return True
        return False

    async def _sessions(self) -> list[int]:
        async with await psycopg.AsyncConnection.connect(self.admin_url) as connection:
            return [pid for (pid,) in await (await connection.execute(_WRITERS)).fetchall()]

    def end(self) -> None:
        """End it at once, without saving anything."""
        os.kill(self._running.pid, signal.SIGQUIT)


@contextmanager
def a_server() -> Iterator[Server]:
    """Run a server while the context lasts; nothing of it is left behind."""
    settings = EmbeddedSettings(home=new_home(), idle_s=600)
    try:
        server = Server(settings, asyncio.run(start(settings)))
        with psycopg.connect(server.admin_url) as connection:
            connection.execute(_NOTES)
        yield server
        server.end()
    finally:
        remove_embedded(settings)

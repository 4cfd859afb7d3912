"""A call that takes long is executed once, while its worker lives, whatever the server thinks."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.agents.engine import Engine
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.toolbox import Toolbox
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls
from tests.unit.engine.world import Gate, assert_sound, scripted, under_way
from tests.waiting import until

ENDED = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)"


@pytest.fixture
def impatient(store_urls: StoreUrls, admin_url: str) -> Iterator[str]:
    """A database whose server ends sessions that are idle for a fifth of a second."""
    with scratch_database(store_urls) as url:
        name = sql.Identifier(str(conninfo_to_dict(url)["dbname"]))
        with psycopg.connect(admin_url, autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER DATABASE {} SET idle_session_timeout = 200").format(name))
        yield url


async def until_ended(url: str, admin_url: str) -> None:
    """Wait until the server has ended a session for being idle."""
    with (
        psycopg.connect(admin_url, autocommit=True) as admin,
        psycopg.connect(url, autocommit=True) as idle,
    ):
        pid = idle.info.backend_pid
        await until(lambda: (admin.execute(ENDED, (pid,)).fetchone() or [False])[0])


async def test_a_tool_takes_longer_than_the_server_lets_a_session_be_idle(
    impatient: str, admin_url: str
) -> None:
    """Its lock's session has nothing to say all the while, and another worker waits for it."""
    runs, gate = list[str](), Gate()

    @tool
    async def work() -> str:
        """Work."""
        runs.append("begun")
        await gate.pass_through()
        return "worked"

    model = scripted(call("work"), "done")
    async with (
        await MessageDbStore.connect(impatient) as one,
        await MessageDbStore.connect(impatient) as two,
    ):
        first, second = (Engine(s, lambda _: model, Toolbox(work)) for s in (one, two))
        async with under_way(first.start("go")) as turn:
            await gate.entered.wait()
            async with under_way((await second.latest("last")).resume()) as rival:
                for _ in range(3):
                    await until_ended(impatient, admin_url)
                gate.opened.set()
                answers = [(await turn).answer, (await rival).answer]
        assert (runs, answers) == (["begun"], ["done", "done"])
        assert gate.left == 1  # it was not cancelled, as who loses its thread is
        await assert_sound(second, (await second.latest("last")).thread_id)

"""The embedded server ends by itself when nobody needs it, and by hand when nobody uses it."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from messagedb_agent.errors import Refused
from messagedb_agent.store.embedded import EmbeddedServer, EmbeddedSettings, start, status, stop
from messagedb_agent.store.embedded.watcher import APPLICATION
from tests.embedded_server import count, is_running, starter, watcher_of, write
from tests.store_url import new_home
from tests.waiting import until

SHORT_S = 0.5


@pytest.fixture(scope="module")
def settings() -> Iterator[EmbeddedSettings]:
    home = new_home()
    yield EmbeddedSettings(home=home, idle_s=60)
    shutil.rmtree(home)


@pytest.fixture
async def server(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedServer]:
    yield await start(settings, _fsync=False)
    await stop(settings, force=True)


async def ended(settings: EmbeddedSettings) -> None:
    await until(lambda: status(settings).server is None and not status(settings).is_watched)


async def looked(connection: psycopg.Connection, *, times: int) -> None:
    """Wait until the watcher has looked this often."""
    looks: set[object] = set()

    def look() -> bool:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        found = connection.execute(
            "SELECT query_start FROM pg_stat_activity WHERE application_name = %s", (APPLICATION,)
        )
        looks.update(found)
        return len(looks) > times

    await until(look)


async def watch_anew(settings: EmbeddedSettings, *, idle_s: float) -> EmbeddedServer:
    """Replace the watcher: one that rests between two looks would read `idle_s` late."""
    os.kill(watcher_of(settings), signal.SIGKILL)
    await until(lambda: not status(settings).is_watched)
    return await start(replace(settings, idle_s=idle_s))


async def test_a_server_that_nobody_uses_ends_and_keeps_what_was_written(
    settings: EmbeddedSettings,
) -> None:
    first = await start(replace(settings, idle_s=SHORT_S), _fsync=False)
    write(first.url, "kept-1")
    await ended(settings)
    assert not is_running(first.pid)
    again = await start(settings, _fsync=False)
    assert count(again.url) == 1
    await stop(settings)


async def test_a_client_of_any_kind_keeps_the_server_up(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    with psycopg.connect(server.admin_url) as connection:
        await watch_anew(settings, idle_s=SHORT_S)
        await looked(connection, times=8)  # four a `SHORT_S`
        assert status(settings).server == server
    await ended(settings)


async def test_a_killed_client_does_not_keep_the_server_up(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    client = starter(settings, stays=True)
    assert client.stdout is not None
    assert client.stdout.readline().startswith(str(server.pid))
    assert client.stdout.readline() == "connected\n"
    await watch_anew(settings, idle_s=SHORT_S)
    client.kill()
    client.communicate()
    await ended(settings)


async def test_the_idle_time_of_the_latest_start_is_in_force(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    await start(replace(settings, idle_s=SHORT_S))
    await start(settings)
    assert float((server.data.parent / "lock").read_text()) == 60


async def test_a_killed_watcher_is_replaced_by_the_next_start(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    assert await watch_anew(settings, idle_s=SHORT_S) == server
    assert status(settings).is_watched
    await ended(settings)
    assert not is_running(server.pid)


async def test_a_watcher_ends_with_its_server_and_the_next_server_has_one(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: not is_running(server.pid))
    again = await start(settings, _fsync=False)
    assert again.pid != server.pid
    assert is_running(watcher_of(settings))
    await stop(settings)
    await ended(settings)


async def test_a_watcher_survives_the_terminal_of_its_starter(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    for pid in (server.pid, watcher_of(settings)):
        assert os.getsid(pid) != os.getsid(0)


async def test_a_stop_ends_the_server_before_it_returns(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    assert await stop(settings) is True
    assert not is_running(server.pid)
    assert await stop(settings) is False


async def test_a_stop_is_refused_while_others_are_connected(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    with psycopg.connect(server.url) as one, psycopg.connect(server.admin_url):
        with pytest.raises(Refused, match="2 other clients are connected"):
            await stop(settings)
        assert one.execute("SELECT 1").fetchone() == (1,)


async def test_a_client_that_is_just_leaving_keeps_no_server_from_being_stopped(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    with psycopg.connect(server.url):
        stopping = asyncio.create_task(stop(settings))
        await asyncio.sleep(0.3)  # in which it has looked
    assert await stopping is True


async def test_a_forced_stop_ends_the_server_under_a_client(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        assert await stop(settings, force=True)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert not is_running(server.pid)


async def test_a_folder_without_a_server_is_left_as_it_is(tmp_path: Path) -> None:
    settings = EmbeddedSettings(home=tmp_path / "none")
    assert await stop(settings) is False
    assert status(settings).server is None
    assert not settings.home.exists()


async def test_the_log_is_bounded(server: EmbeddedServer, settings: EmbeddedSettings) -> None:
    log = status(settings).log
    with log.open("a") as file:
        file.write("x" * 2_000_000)
    await watch_anew(settings, idle_s=settings.idle_s)
    await until(lambda: log.stat().st_size < 1_000_000)

"""The embedded server is found where it runs, and started where it does not."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store import sql
from messagedb_agent.store.embedded import (
    EmbeddedServer,
    EmbeddedSettings,
    binaries,
    psql,
    start,
    status,
    stop,
)
from tests.embedded_server import (
    count,
    finished,
    is_running,
    process_of_the_servers_account,
    psql_says,
    starter,
    watcher_of,
    write,
)
from tests.store_url import new_home
from tests.waiting import until


@pytest.fixture(scope="module")
def settings() -> Iterator[EmbeddedSettings]:
    """One folder for the module, with a space and a letter outside ASCII; first starts are slow."""
    base = new_home()
    yield EmbeddedSettings(home=base / "one földer", idle_s=60)
    shutil.rmtree(base)


@pytest.fixture
async def server(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedServer]:
    yield await start(settings, _fsync=False)
    await stop(settings, force=True)


@pytest.fixture
async def fresh() -> AsyncIterator[EmbeddedSettings]:
    """A folder in which no server ever was."""
    settings = EmbeddedSettings(home=new_home(), idle_s=60)
    yield settings
    await stop(settings, force=True)
    shutil.rmtree(settings.home)


async def test_three_first_starts_at_once_make_one_server(fresh: EmbeddedSettings) -> None:
    starters = [starter(fresh) for _ in range(3)]
    found = {finished(process) for process in starters}
    assert len(found) == 1
    assert watcher_of(fresh)  # exactly one


async def test_psql_works_after_the_process_that_started_the_server_has_ended(
    settings: EmbeddedSettings,
) -> None:
    pid, url = finished(starter(settings))
    program = psql(settings)
    assert program is not None
    assert psql_says(program, url, "SELECT message_store_version()") == "1.3.0"
    assert is_running(pid)
    await stop(settings, force=True)


async def test_another_process_finds_the_server_that_runs(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    assert finished(starter(settings)) == (server.pid, server.url)


async def test_finding_a_server_runs_no_program(
    server: EmbeddedServer, settings: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert await start(settings) == server


async def test_a_status_tells_of_the_server_and_starts_none(settings: EmbeddedSettings) -> None:
    assert status(settings).server is None
    server = await start(settings, _fsync=False)
    found = status(settings)
    assert (found.server, found.is_watched) == (server, True)
    await stop(settings)
    assert status(settings).server is None


async def test_the_owner_may_create_and_finds_the_functions(server: EmbeddedServer) -> None:
    with psycopg.connect(server.admin_url) as connection:
        row = connection.execute("SELECT message_store_version(), current_user").fetchone()
        connection.execute("CREATE SCHEMA of_our_own")
        connection.rollback()
    assert row == ("1.3.0", "postgres")


async def test_the_server_listens_on_no_network_and_lets_nobody_in_from_one(
    server: EmbeddedServer,
) -> None:
    with psycopg.connect(server.admin_url) as connection:
        (addresses,) = connection.execute("SHOW listen_addresses").fetchall()
        rules = connection.execute("SELECT DISTINCT type FROM pg_hba_file_rules").fetchall()
    assert (addresses, rules) == (("",), [("local",)])


async def test_commits_are_durable_but_for_tests(settings: EmbeddedSettings) -> None:
    server = await start(settings)
    with psycopg.connect(server.admin_url) as connection:
        rows = [
            connection.execute(f"SHOW {name}".encode()).fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]
    assert rows == [("on",)] * 3
    await stop(settings)


async def test_only_the_account_of_the_server_may_enter_its_folders(
    server: EmbeddedServer,
) -> None:
    assert server.socket_dir.stat().st_mode & 0o777 == 0o700
    assert server.data.stat().st_mode & 0o777 == 0o700
    assert server.data.parent.stat().st_mode & 0o007 == 0


async def test_a_killed_server_is_started_again_with_all_that_was_written(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    before = count(server.url)
    write(server.url, "kept-1")
    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: not is_running(server.pid))
    again = await start(settings, _fsync=False)
    assert again.pid != server.pid
    assert count(again.url) == before + 1


async def test_a_pid_file_that_names_a_process_of_somebody_else_does_not_hinder(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    """As after the restart of a container, where numbers are given out again."""
    pid_file = server.data / "postmaster.pid"
    left = pid_file.read_text()
    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: status(settings).server is None)
    with process_of_the_servers_account() as other:
        pid_file.write_text(left.replace(str(server.pid), str(other.pid), 1))
        again = await start(settings, _fsync=False)
        assert other.poll() is None
    assert count(again.url) >= 0


async def test_a_server_whose_starter_was_killed_too_early_is_completed(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    with psycopg.connect(server.admin_url, dbname="postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE message_store WITH (FORCE)")
    (server.data.parent / "prepared").unlink()
    assert await start(settings, _fsync=False) == server
    assert count(server.url) == 0


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(
    server: EmbeddedServer, settings: EmbeddedSettings
) -> None:
    await stop(settings)
    configuration = server.data / "postgresql.conf"
    text = configuration.read_text()
    configuration.write_text(text + "\nno_such_setting = 1\n")
    with pytest.raises(StoreUnavailable, match="no_such_setting"):
        await start(settings, _fsync=False)
    await until(lambda: not status(settings).is_watched)
    configuration.write_text(text)
    await start(settings, _fsync=False)


async def test_a_start_that_is_broken_off_leaves_no_server_for_good(
    fresh: EmbeddedSettings,
) -> None:
    process = starter(replace(fresh, idle_s=1))
    await until(lambda: (fresh.home / "postgres" / "server.log").exists())
    process.kill()
    process.communicate()
    await until(lambda: not status(fresh).is_watched and status(fresh).server is None)
    assert count((await start(fresh, _fsync=False)).url) == 0


async def test_starts_at_once_within_one_process_find_one_server(
    settings: EmbeddedSettings,
) -> None:
    found = await asyncio.gather(*(start(settings, _fsync=False) for _ in range(3)))
    assert len(set(found)) == 1
    await stop(settings)


async def test_a_build_without_the_sql_says_so_and_starts_nothing(
    fresh: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_PACKAGE", "no_such_package")
    with pytest.raises(ConfigurationError, match="without the Message DB SQL"):
        await start(fresh)
    assert not (fresh.home / "postgres" / "data").exists()


async def test_a_platform_without_the_programs_is_told_what_to_set(
    fresh: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(ConfigurationError, match="POSTGRES_BIN") as error:
        await start(fresh)
    assert error.value.field == "POSTGRES_BIN"


async def test_a_postgres_bin_without_programs_is_refused(
    fresh: EmbeddedSettings, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="holds no program 'initdb'"):
        await start(replace(fresh, postgres_bin=tmp_path))


async def test_a_postgres_bin_is_used(
    settings: EmbeddedSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = binaries.find(None)
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    server = await start(replace(settings, postgres_bin=bundled), _fsync=False)
    assert count(server.url) >= 0
    await stop(settings)


@pytest.mark.parametrize(
    ("says", "refusal"),
    [("13.22", "needs version 14"), ("17.2 (Debian 17.2-1)", "made by PostgreSQL 18")],
)
def test_a_postgres_bin_of_another_version_is_refused(
    tmp_path: Path, says: str, refusal: str
) -> None:
    for name in ("initdb", "postgres"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {says}'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ConfigurationError, match=refusal):
        binaries.find(tmp_path, major=18)

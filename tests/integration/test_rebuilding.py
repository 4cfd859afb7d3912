"""What is derived from threads can be removed and made again, and every answer stays the same.

That is snapshots, views and what a search reads. Positions of consumers are derived from nothing:
they alone say what was handled.
"""
# ruff: noqa: S608 - the names of views are this file's own

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from messagedb_agent import connect, tool
from messagedb_agent.agents.database import Database
from messagedb_agent.agents.view import view
from messagedb_agent.audit import thread_ids
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.projections.effects import effects
from messagedb_agent.projections.lineage import lineage
from messagedb_agent.projections.outcome import outcome
from messagedb_agent.projections.record import record
from messagedb_agent.projections.summary import summary
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.derived import drop_snapshots
from messagedb_agent.store.search_index import install_search
from messagedb_agent.store.views import install_views
from tests.integration.test_views import NAMES
from tests.properties.test_determinism import bytes_of
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls

PROJECTIONS = (view, transcript, usage, summary, effects, lineage, outcome, record)
POLICY = "every 5"


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@pytest.fixture
def databases(store_urls: StoreUrls, admin_url: str) -> Iterator[tuple[str, str]]:
    """URLs, of message_store and of the owner, of a database with threads and their snapshots."""
    with scratch_database(store_urls) as url:
        owner = urlsplit(admin_url)._replace(path=urlsplit(url).path).geturl()
        asyncio.run(install_views(owner))
        asyncio.run(install_search(owner))
        asyncio.run(_threads(url))
        yield url, owner


async def _threads(url: str) -> None:
    async with connect(url, tools=[pay], snapshots=POLICY) as engine:
        for text in ("Hello!", 'call pay {"amount": 5}'):
            agent = await engine.start(text)
            await engine._runs.close()
        paid = await agent.approve()
        last = paid
        for number in range(3):
            last = await last.advance(f"What is {number}?")
            await engine._runs.close()
        fork = await paid.advance("And now?")
        await (await fork.advance("Really?")).end()


async def answers(url: str) -> list[Any]:
    """Return what there is to be known of all threads, as another process reads it."""
    found: list[Any] = []
    async with connect(url, tools=[pay], snapshots=POLICY) as engine:
        threads = sorted(await thread_ids(engine))
        for thread_id in threads:
            found.append(bytes_of((await engine.latest(thread_id)).view))
            found += [bytes_of(await engine.fold(thread_id, one)) for one in PROJECTIONS]
            verified = await engine.verify(thread_id)
            assert verified.finding is None
            found.append((verified.events, verified.requests, verified.head))
        found += [await engine.threads(100), await engine.approvals()]
    return found


async def searches(url: str) -> list[Any]:
    """Return what is found of what was said."""
    async with connect(url) as engine:
        return [await engine.search(text) for text in ("hello", "what", "really", "5")]


def rows_of_views(url: str) -> list[Any]:
    """Return what the views show of threads; `events` shows every row there is."""
    with psycopg.connect(url) as connection:
        found = [
            connection.execute(f"SELECT * FROM messagedb_agent.{name}").fetchall() for name in NAMES
        ]
    of_threads = ([row for row in rows if "agent:v0+snapshot" not in row] for rows in found)
    return [sorted(rows, key=repr) for rows in of_threads]


def count_of(url: str, kind: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM messages WHERE category(stream_name) = %s", [f"agent:v0+{kind}"]
        ).fetchone()
    return int(row[0]) if row else 0


async def test_all_that_is_derived_can_be_removed_and_made_again(
    databases: tuple[str, str],
) -> None:
    url, owner = databases
    before, views = await answers(url), rows_of_views(url)
    found = await searches(url)
    assert all(found)
    count = count_of(url, "snapshot")
    assert await drop_snapshots(owner, "agent:v0", None) == count > 0
    with psycopg.connect(owner) as connection:
        connection.execute("DROP SCHEMA messagedb_agent CASCADE")
    assert count_of(url, "snapshot") == 0
    assert await answers(url) == before
    with pytest.raises(ConfigurationError, match="db install --search"):
        await searches(url)
    await install_views(owner)
    await install_search(owner)
    assert await searches(url) == found
    async with connect(url, tools=[pay], snapshots=POLICY) as engine:
        for thread_id in await thread_ids(engine):
            await engine.write_snapshot(thread_id)
    assert count_of(url, "snapshot") > 0
    assert await answers(url) == before
    assert rows_of_views(url) == views


async def test_message_dbs_own_role_may_not_delete_and_is_told_who_may(
    databases: tuple[str, str],
) -> None:
    url, _ = databases
    count = count_of(url, "snapshot")
    with pytest.raises(ConfigurationError, match="may not delete") as refused:
        await Database(url).drop_snapshots("agent:v0")
    assert refused.value.field == "MESSAGE_DB_URL"
    assert count_of(url, "snapshot") == count


async def test_a_process_whose_snapshots_were_dropped_writes_whole_ones_again(
    databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows of pages that stand no more."""
    monkeypatch.setattr("messagedb_agent.agents.picture.PAGE_BYTES", 1)
    url, owner = databases
    async with connect(url, tools=[pay], snapshots="every 1") as engine:
        agent = await engine.start("Hello!")
        for number in range(3):
            agent = await agent.advance(f"What is {number}?")
            await engine._runs.close()
        assert await drop_snapshots(owner, "agent:v0", [agent.thread_id]) > 0
        agent = await agent.advance("What is 7?")
        await engine._runs.close()
        verified = await engine.verify(agent.thread_id)
        assert (verified.finding, verified.snapshots) == (None, 1)
    async with connect(url, tools=[pay], snapshots="every 1") as engine:
        assert (await engine.latest(agent.thread_id)).view == agent.view

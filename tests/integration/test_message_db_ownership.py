"""Ownership between processes, and when its connection breaks."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.ownership import Ownership, lock_keys
from messagedb_agent.store.pool import PoolLimits
from tests.contract.messages import new
from tests.integration.cutting_proxy import cutting_proxy
from tests.waiting import until

LOCK = b"pg_try_advisory_lock"


async def terminate(store_url: str, name: str) -> None:
    """End the sessions of an application, as its own role."""
    async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            (name,),
        )


def test_the_keys_of_a_stream_are_signed_and_stable() -> None:
    assert lock_keys("agent:v0-1") == (-1830704245, 1347519613)
    assert len({lock_keys(f"agent:v0-{n}") for n in range(1000)}) == 1000
    assert all(-(2**31) <= key < 2**31 for n in range(1000) for key in lock_keys(str(n)))


async def test_two_stores_own_a_stream_one_after_the_other(store_url: str, category: str) -> None:
    stream = f"{category}-1"
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
    ):
        async with one.own(stream) as first, two.own(stream) as second:
            assert first
            assert not second
        async with two.own(stream) as second, one.own(stream) as first:
            assert second
            assert not first


async def test_what_is_to_be_owned_while_the_store_closes_is_refused(
    store_url: str, category: str
) -> None:
    store = await MessageDbStore.connect(store_url)
    await store.append(f"{category}-1", new())  # and so there is something to tell of
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        async with store.own(f"{category}-1"):
            pass
    await closing


async def test_closing_a_store_lets_go_of_what_it_owned(store_url: str, category: str) -> None:
    one = await MessageDbStore.connect(store_url)
    owning = one.own(f"{category}-1")
    hold = await owning.__aenter__()
    assert hold
    await one.close()
    await hold.confirm()
    assert hold.lost.is_set()
    async with (
        await MessageDbStore.connect(store_url) as two,
        two.own(f"{category}-1") as owned,
    ):
        assert owned
    await owning.__aexit__(None, None, None)


async def test_a_broken_lock_connection_is_told_and_replaced(store_url: str, category: str) -> None:
    name = f"locks-{uuid4().hex}"
    async with await MessageDbStore.connect(store_url, application_name=name) as store:
        streams = [f"{category}-{n}" for n in range(3)]
        async with store.own(streams[0]) as first, store.own(streams[1]) as second:
            assert first
            assert second
            await terminate(store_url, name)
            await asyncio.wait_for(asyncio.gather(first.lost.wait(), second.lost.wait()), 10)
            async with store.own(streams[2]) as owned, store.own(streams[0]) as again:
                assert owned
                assert not again  # who lost it is still at work here
        assert first.version is None
        async with (
            store.own(streams[0]) as owned,
            await MessageDbStore.connect(store_url) as other,
            other.own(streams[0]) as elsewhere,
        ):
            assert owned
            assert not elsewhere
            assert not owned.lost.is_set()


async def test_a_server_that_is_away_for_a_while_is_asked_again_for_a_lock(
    store_url: str, category: str
) -> None:
    async with (
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url, prepare_threshold=None) as store,
    ):
        proxy.cut(LOCK, times=4)
        async with store.own(f"{category}-1") as hold:
            assert hold
        assert proxy.cuts == 4


async def test_a_server_that_stays_away_gives_no_lock(store_url: str, category: str) -> None:
    async with (
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url, prepare_threshold=None, retry_for_s=0.2) as store,
    ):
        proxy.cut(LOCK, times=1000)
        with pytest.raises(StoreUnavailable):
            async with store.own(f"{category}-1"):
                pass
        assert proxy.cuts >= 2


async def test_a_lock_whose_answer_never_comes_is_asked_for_on_another_connection(
    store_url: str, category: str
) -> None:
    limits = PoolLimits(statement_timeout_ms=100, late_answer_ms=100)
    async with (
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url, prepare_threshold=None, limits=limits) as store,
    ):
        proxy.trouble(LOCK, "swallow")

        async def is_owned() -> bool:  # once the server has heard of the end of the first one
            async with store.own(f"{category}-1") as hold:
                return hold is not None

        await until(is_owned)
        assert proxy.lost == 1


async def test_a_session_notices_that_the_machine_of_its_client_is_gone(store_url: str) -> None:
    """Else its locks would be held for as long as the server's system waits, which is hours."""
    async with await MessageDbStore.connect(store_url) as store:
        query = (
            "SELECT name FROM pg_settings WHERE starts_with(name, 'tcp_') AND source = 'session'"
        )
        rows = await store._statements.rows(query, ())
    names = {"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"}
    assert {name for (name,) in rows} == names | {"tcp_user_timeout"}


async def test_cancelled_attempts_leave_nothing_owned(store_url: str, category: str) -> None:
    async with (
        await MessageDbStore.connect(store_url) as store,
        await MessageDbStore.connect(store_url) as other,
    ):

        async def attempt(number: int) -> None:
            async with store.own(f"{category}-{number % 7}"):
                await asyncio.sleep(0.0001)

        for start in range(0, 100, 20):
            tasks = [asyncio.create_task(attempt(n)) for n in range(start, start + 20)]
            for task in tasks:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for number in range(7):
            async with other.own(f"{category}-{number}") as owned:
                assert owned


async def test_a_mistake_in_asking_is_raised_where_it_is_waited_for_and_leaves_nothing_owned(
    store_url: str, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, mistakes = Ownership._answer, 0

    async def mistaken(self: Ownership, *asked: Any) -> list[tuple[Any, ...]]:
        nonlocal mistakes
        mistakes -= 1
        if mistakes == 0:
            raise RuntimeError("a mistake")
        return await answer(self, *asked)

    monkeypatch.setattr(Ownership, "_answer", mistaken)
    async with (
        await MessageDbStore.connect(store_url) as store,
        await MessageDbStore.connect(store_url) as other,
    ):

        async def owning(confirms: bool = False) -> None:
            async with store.own(f"{category}-1") as hold:
                assert hold
                if confirms:
                    await hold.confirm()

        async def is_free() -> bool:
            async with other.own(f"{category}-1") as hold:
                return hold is not None

        for at, confirms in ((1, False), (2, False), (2, True)):
            mistakes = at
            with pytest.raises(RuntimeError, match="a mistake"):
                await owning(confirms)
            await until(is_free)  # once the server has heard of the end of the connection
        mistakes = 0
        await owning()


async def test_owning_without_a_server_is_an_error_of_the_store(
    store_url: str, category: str
) -> None:
    store = await MessageDbStore.connect(store_url)
    await store.close()
    with pytest.raises(StoreUnavailable):
        async with store.own(f"{category}-1"):
            pass


async def test_who_asks_hears_of_a_lost_lock_that_nobody_has_told(
    store_url: str, category: str
) -> None:
    name = f"locks-{uuid4().hex}"
    async with await MessageDbStore.connect(store_url, application_name=name) as store:
        async with store.own(f"{category}-1") as hold:
            assert hold
            await hold.confirm()
            assert not hold.lost.is_set()
            with psycopg.connect(store_url, autocommit=True) as other:  # the loop hears nothing
                other.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                )
            assert not hold.lost.is_set()
            await hold.confirm()
            assert hold.lost.is_set()
        async with store.own(f"{category}-1") as hold:
            assert hold
            await hold.confirm()
            assert not hold.lost.is_set()


async def test_an_answer_that_was_read_late_is_asked_for_again(
    store_url: str, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner is paused between the server's answer and its reading, and loses the lock."""
    answer, paused = Ownership._answer, list[str]()

    async def paused_once(self: Ownership, *asked: Any) -> list[tuple[Any, ...]]:
        answered = await answer(self, *asked)
        if not paused:
            paused.append(name)
            with psycopg.connect(store_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = %s",
                    (name,),
                )
            time.sleep(0.3)  # noqa: ASYNC251 - the whole process stands still
        return answered

    name = f"locks-{uuid4().hex}"
    async with (
        await MessageDbStore.connect(store_url, application_name=name) as store,
        store.own(f"{category}-1") as hold,
    ):
        assert hold
        monkeypatch.setattr(Ownership, "_answer", paused_once)
        await hold.confirm()
        assert hold.lost.is_set()

"""Exactly once: what a handler writes and the position are one transaction of the database."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.store.message_db import MessageDbStore
from tests.contract.messages import many
from tests.integration.cutting_proxy import cutting_proxy
from tests.integration.ledger import Ledger
from tests.integration.transacting import break_lock
from tests.unit.consumers.subscribing import (
    consumed,
    consuming,
    noted,
    parking,
    subscribed,
    written,
)
from tests.waiting import PATIENCE_S, until


class Writing:
    """A handler that writes a line for each message, and fails where it is told to."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.wrong: set[str] = set()
        self.tried: list[str] = []
        self.left = -1  # messages until `cancel` is called
        self.cancel: Callable[[], object] = lambda: None

    def has_tried_more_than(self, count: int) -> bool:
        return len(self.tried) > count

    async def __call__(self, message: Message, connection: Any) -> None:
        line = f"{message.stream_name.partition('-')[2]}/{message.position}"
        self.tried.append(line)
        await connection.execute(self._ledger.insert, ("", line))
        self.left -= 1
        if self.left == 0:
            self.cancel()
            await asyncio.sleep(0.02 * (len(self.tried) % 2))  # it is heard here, or later
        if line in self.wrong:
            raise ValueError(line)

    async def cut_short(self, store: MessageDbStore, category: str, chance: Random) -> None:
        """Handle messages, and be cancelled after some of them."""
        run = asyncio.create_task(subscribed(store, category, self).run(once=True))
        self.left, self.cancel = chance.randint(1, 40), run.cancel
        await asyncio.gather(run, return_exceptions=True)
        self.left = -1


async def test_what_a_handler_writes_stands_once_though_it_is_cancelled_over_and_over(
    store_url: str, category: str, ledger: Ledger
) -> None:
    chance, handler = Random(7), Writing(ledger)
    async with await MessageDbStore.connect(store_url) as store:
        await store.append(f"{category}-1", *many(300))
        for _ in range(20):
            await handler.cut_short(store, category, chance)
        await consumed(store, category, handler)
    assert ledger.lines == [f"1/{n}" for n in range(300)]
    assert len(handler.tried) > 300  # something was rolled back


async def test_two_of_one_name_handle_each_message_once_together(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async with (
        await MessageDbStore.connect(store_url) as one,
        await MessageDbStore.connect(store_url) as two,
    ):
        await one.append(f"{category}-1", *many(250))
        await asyncio.gather(
            consumed(one, category, Writing(ledger)), consumed(two, category, Writing(ledger))
        )
    assert ledger.lines == [f"1/{n}" for n in range(250)]


async def test_a_name_that_is_lost_over_and_over_is_taken_anew_and_nothing_written_twice(
    store_url: str, admin_url: str, category: str, ledger: Ledger
) -> None:
    handler = Writing(ledger)
    async with (
        await MessageDbStore.connect(store_url) as store,
        consuming(store, category, handler) as subscription,
    ):
        for n in range(3):
            await store.append(f"{category}-1", *many(100))
            await until(partial(handler.has_tried_more_than, 100 * n))
            await break_lock(admin_url, f"{category}:position-consumer")
        await until(lambda: len(ledger.lines) >= 300)
        await until(lambda: subscription.lag == 0)
    assert ledger.lines == [f"1/{n}" for n in range(300)]


async def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async with (
        cutting_proxy(store_url) as proxy,
        await MessageDbStore.connect(proxy.url, prepare_threshold=None) as store,
    ):
        await written(store, category, "1", "1", "2")
        proxy.cut(b"COMMIT", moment="after")
        handler = Writing(ledger)
        await consumed(store, category, handler)
        assert proxy.cuts == 1
        proxy.cut(b"COMMIT", moment="before")
        await written(store, category, "2")
        await consumed(store, category, handler)
        assert proxy.cuts == 2
    assert ledger.lines == ["1/0", "1/1", "2/0", "2/1"]


async def test_what_fails_is_parked_with_nothing_written_and_replayed_exactly_once(
    store_url: str, category: str, ledger: Ledger
) -> None:
    handler = Writing(ledger)
    handler.wrong = {"bad/1"}
    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "good", "bad", "good", "bad", "bad", "good")
        await consumed(store, category, handler)
        assert ledger.lines == ["good/0", "bad/0", "good/1", "good/2"]
        assert handler.tried.count("bad/1") == 4  # once with others
        aside = await parking(store, category)
        (parked,) = aside.parked
        assert (parked.position, parked.reason) == (1, "ValueError: bad/1")
        places = await written(store, category, "bad", "good")
        await consumed(store, category, handler)
        assert await noted(store, category) == places[-1]

        await aside.replay(parked)
        handler.wrong = {"bad/2"}  # another one, on the way
        await consumed(store, category, handler)
        await aside.catch_up()
        assert [one.position for one in aside.parked] == [2]

        await aside.drop(aside.parked[0])
        handler.wrong = set()
        for _ in range(2):
            await consumed(store, category, handler)
    rest = ["good/3", "bad/1", "bad/3"]
    assert ledger.lines == ["good/0", "bad/0", "good/1", "good/2", *rest]


async def test_what_fails_among_many_has_those_before_it_handled_once_more_and_together(
    store_url: str, category: str, ledger: Ledger
) -> None:
    handler = Writing(ledger)
    handler.wrong = {"bad/0"}
    async with await MessageDbStore.connect(store_url) as store:
        await store.append(f"{category}-1", *many(149))
        await written(store, category, "bad")
        await store.append(f"{category}-1", *many(150))
        await consumed(store, category, handler)
    assert ledger.lines == [f"1/{n}" for n in range(299)]
    assert len(handler.tried) == 150 + 149 + 3 + 150


async def test_each_message_of_a_transaction_has_its_own_time(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def handle(message: Message, connection: Any) -> None:
        await connection.execute(ledger.insert, ("", str(message.position)))
        slow = message.stream_name.endswith("slow")
        await asyncio.sleep(PATIENCE_S if slow else 0.03)

    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, *"1" * 5, "slow", "1")
        await consumed(store, category, handle, timeout_s=0.12)
        (parked,) = (await parking(store, category)).parked
    assert ledger.lines == ["0", "1", "2", "3", "4", "5"]
    assert parked.reason == "TimeoutError: it took longer than 0.12 s"


async def test_a_replay_that_is_cancelled_over_and_over_writes_once(
    store_url: str, category: str, ledger: Ledger
) -> None:
    chance, handler = Random(3), Writing(ledger)
    handler.wrong = {"1/0"}
    async with await MessageDbStore.connect(store_url) as store:
        await store.append(f"{category}-1", *many(150))
        await consumed(store, category, handler)
        aside = await parking(store, category)
        await aside.replay(aside.parked[0])
        handler.wrong = set()
        for _ in range(10):
            await handler.cut_short(store, category, chance)
        await written(store, category, "1")
        for _ in range(2):
            await consumed(store, category, handler)
    assert ledger.lines == [f"1/{n}" for n in range(151)]


async def test_a_handler_that_ends_its_transaction_itself_or_breaks_a_constraint_is_parked(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def handle(message: Message, connection: Any) -> None:
        await connection.execute(ledger.insert, (message.stream_name, message.stream_name))
        if message.stream_name.endswith("ends"):
            await connection.execute("ROLLBACK")
        if message.stream_name.endswith("breaks"):
            await connection.execute(ledger.insert, (message.stream_name, "twice"))
            await connection.execute(ledger.mark, (message.stream_name,))

    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "ends", "good", "breaks", "better")
        await consumed(store, category, handle)
        reasons = [parked.reason for parked in (await parking(store, category)).parked]
    assert ledger.lines == [f"{category}-good", f"{category}-better"]
    assert "has ended its transaction itself" in reasons[0]
    assert "duplicate key" in reasons[1]


async def _close(connection: Any) -> None:
    await connection.close()


async def _have_it_closed(connection: Any) -> None:
    await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def _be_idle(connection: Any) -> None:
    await connection.execute("SET idle_in_transaction_session_timeout = '20ms'")
    await asyncio.sleep(0.2)


async def _begin_another(connection: Any) -> None:
    await connection.execute("ROLLBACK; BEGIN")


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (_close, "the connection is closed"),
        (_have_it_closed, "AdminShutdown: terminating connection"),
        (_be_idle, ""),
        (_begin_another, "has ended its transaction itself"),
    ],
)
async def test_a_handler_whose_transaction_ends_each_time_is_parked_and_nothing_else_lost(
    store_url: str,
    category: str,
    ledger: Ledger,
    does: Callable[[Any], Awaitable[None]],
    reason: str,
) -> None:
    async def handle(message: Message, connection: Any) -> None:
        line = message.stream_name.partition("-")[2]
        await connection.execute(ledger.insert, ("", line))
        if line == "bad":
            await does(connection)

    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "1", "2", "bad", "3", "bad")
        await consumed(store, category, handle)
        (parked,) = (await parking(store, category)).parked
        with pytest.raises(ConfigurationError, match="kept where it writes"):
            subscribed(store, category, handle, keeper=MemoryStore())
    assert ledger.lines == ["1", "2", "3"]
    assert parked.position == 0
    assert reason in parked.reason


@pytest.mark.parametrize("reset", ["RESET ALL", "DISCARD ALL"])
async def test_a_handler_that_resets_its_session_is_parked_and_nothing_written_twice(
    store_url: str, category: str, ledger: Ledger, reset: str
) -> None:
    async def handle(message: Message, connection: Any) -> None:
        line = message.stream_name.partition("-")[2]
        await connection.execute(ledger.insert, ("", line))
        if line == "bad":
            await connection.execute(reset.encode())

    async with await MessageDbStore.connect(store_url) as store:
        await written(store, category, "1", "2", "bad", "3", "bad")
        for _ in range(2):
            await consumed(store, category, handle)
        (parked,) = (await parking(store, category)).parked
    assert ledger.lines == ["1", "2", "3"]
    assert parked.position == 0
    why = {"RESET ALL": "or reset all settings", "DISCARD ALL": "cannot run inside a transaction"}
    assert why[reset] in parked.reason


async def test_it_follows_what_is_written_while_it_runs(
    store_url: str, category: str, ledger: Ledger
) -> None:
    handler = Writing(ledger)
    async with await MessageDbStore.connect(store_url) as store:
        async with consuming(store, category, handler) as subscription:
            for n in range(3):
                await written(store, category, "1")
                await until(partial(handler.has_tried_more_than, n))
                await until(lambda: subscription.lag == 0)
        assert store.connections_in_use == 0
    assert ledger.lines == ["1/0", "1/1", "1/2"]

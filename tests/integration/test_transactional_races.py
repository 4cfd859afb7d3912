"""Others beside a transactional tool: writers, owners who take over, connections that break."""

import asyncio
from random import Random

import psycopg
import pytest

from messagedb_agent import Limits
from messagedb_agent.ids import derived_id
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.tool import ToolContext
from tests.integration.cutting_proxy import Moment, cutting_proxy
from tests.integration.ledger import Ledger
from tests.integration.transacting import (
    break_lock,
    engine_at,
    nothing,
    outcomes,
    paid,
    paying,
    uuid_of,
)
from tests.unit.engine.world import (
    Gate,
    assert_sound,
    scripted,
    stream_of,
    under_way,
)
from tests.waiting import until


async def test_the_outcome_stands_behind_what_came_while_the_tool_ran(
    store_url: str, category: str, ledger: Ledger
) -> None:
    """Of others, whose rows carry no hash, too."""

    async def speak(context: ToolContext) -> None:
        async with await MessageDbStore.connect(store_url) as other:
            stream = f"{category}:v0-{context.thread_id}"
            for _ in range(3):
                await other.append(stream, NewMessage(str(uuid_of(chance)), "Noted", "{}"))

    chance = Random(3)
    async with engine_at(store_url, category, paid("a"), paying(ledger, speak)) as engine:
        agent = await engine.start("go")
        assert agent.answer == "done"
        assert ledger.lines == ["a"]
        assert len((await engine.verify(agent.thread_id)).foreign) == 3
        await assert_sound(engine, agent.thread_id)


async def test_nobody_keeps_a_result_out_by_taking_its_id(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def steal(context: ToolContext) -> None:
        stream = f"{category}:v0-{context.thread_id}"
        first = derived_id(stream, context.call_id, "outcome")
        async with await MessageDbStore.connect(store_url) as thief:
            await thief.append(stream, NewMessage(first, "Noise", "{}"))
            second = derived_id(stream, first, "outcome")
            await thief.append(f"{category}-1", NewMessage(second, "Noise", "{}"))

    async with engine_at(store_url, category, paid("a"), paying(ledger, steal)) as engine:
        agent = await engine.start("go")
        assert ledger.lines == ["a"]
        assert await outcomes(engine, agent) == ["paid a"]
        await assert_sound(engine, agent.thread_id)


async def test_who_was_taken_over_rolls_back(store_url: str, category: str, ledger: Ledger) -> None:
    """A sleeper wakes up behind another's result: its own writing is gone, and stands once."""
    gate = Gate()
    sleeping = paying(ledger, lambda _: gate.pass_through())
    async with (
        engine_at(store_url, category, paid("first"), sleeping) as first,
        under_way(first.start("go")) as turn,
    ):
        await gate.entered.wait()
        thread_id = (await first.latest("last")).thread_id
        await break_lock(store_url, stream_of(first, thread_id))
        awake = paying(ledger)
        async with engine_at(store_url, category, scripted("done"), awake) as second:
            agent = await (await second.latest("last")).resume()
            assert (agent.answer, ledger.lines) == ("done", ["first"])
            gate.opened.set()
            assert (await turn).answer == "done"
            assert gate.left == 1
            assert ledger.lines == ["first"]
            assert await outcomes(second, agent) == ["paid first"]
            await assert_sound(second, thread_id)


MOMENTS: list[Moment] = ["before", "after"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "words",
    [b"BEGIN", b"INSERT INTO", b"acquire_lock(", b"get_stream_messages(", b"EXISTS", b"COMMIT"],
)
async def test_a_connection_that_is_cut_anywhere_writes_once(
    store_url: str, category: str, ledger: Ledger, words: bytes, moment: Moment
) -> None:
    async with cutting_proxy(store_url) as proxy:

        async def cut(_: ToolContext) -> None:
            if not proxy.cuts:
                proxy.cut(words, moment=moment)

        early = words in (b"BEGIN", b"INSERT INTO")
        pay = paying(ledger, nothing if early else cut)
        async with engine_at(proxy.url, category, paid("a"), pay) as engine:
            if early:
                proxy.cut(words, moment=moment)
            agent = await engine.start("go")
            assert proxy.cuts == 1
            assert agent.answer == "done"
            assert ledger.lines == ["a"]
            assert await outcomes(engine, agent) == ["paid a"]
            assert ledger.transactions[0][0] == ledger.transactions[0][1]
            await assert_sound(engine, agent.thread_id)


async def test_a_sleeper_who_is_first_after_all_has_done_it(
    store_url: str, category: str, ledger: Ledger
) -> None:
    """Then it is who took over that rolls back."""
    slow, quick = Gate(), Gate()
    async with (
        engine_at(
            store_url, category, paid("a"), paying(ledger, lambda _: slow.pass_through())
        ) as first,
        under_way(first.start("go")) as sleeper,
    ):
        await slow.entered.wait()
        thread_id = (await first.latest("last")).thread_id
        await break_lock(store_url, stream_of(first, thread_id))
        late = paying(ledger, lambda _: quick.pass_through())
        async with (
            engine_at(store_url, category, scripted("done"), late) as second,
            under_way((await second.latest("last")).resume()) as taking_over,
        ):
            await quick.entered.wait()
            slow.opened.set()
            await until(lambda: ledger.lines)
            quick.opened.set()
            agent = await taking_over
            await sleeper
            assert quick.left == 1
            assert ledger.lines == ["a"]
            assert await outcomes(second, agent) == ["paid a"]
            await assert_sound(second, thread_id)


async def test_connections_cut_at_random_write_what_the_log_says(
    store_url: str, category: str, ledger: Ledger
) -> None:
    chance = Random(11)
    words = [b"BEGIN", b"INSERT INTO", b"acquire_lock(", b"write_message(message", b"COMMIT"]
    lines = [f"{n}" for n in range(40)]
    async with cutting_proxy(store_url) as proxy:

        async def cut_soon(_: ToolContext) -> None:
            times = chance.choice([0, 1, 1, 2])
            proxy.cut(chance.choice(words), moment=chance.choice(MOMENTS), times=times)

        pay = paying(ledger, cut_soon)
        async with engine_at(proxy.url, category, paid(*lines), pay) as engine:
            agent = await engine.start("go", limits=Limits(rounds_per_turn=len(lines) + 1))
            told = await outcomes(engine, agent)
            assert [f"paid {line}" for line in ledger.lines] == [
                one for one in told if one.startswith("paid")
            ]
            assert len(told) == len(lines)
            assert all(one == two for one, two in ledger.transactions)
            await assert_sound(engine, agent.thread_id)
        assert proxy.cuts > 15


async def test_a_thousand_cancelled_calls_leave_no_connection_behind(
    store_url: str, admin_url: str, category: str, ledger: Ledger
) -> None:
    def sessions() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        with psycopg.connect(admin_url, autocommit=True) as connection:
            row = connection.execute(query, (category,)).fetchone()
            return int(row[0]) if row else 0

    chance = Random(5)
    url = psycopg.conninfo.make_conninfo(store_url, application_name=category)
    async with await MessageDbStore.connect(url) as store:

        async def write() -> None:
            async with store.transaction() as transaction:
                await transaction.connection.execute(ledger.insert, ("k", "l"))
                await transaction.locked(f"{category}-1", 0)

        for _ in range(100):
            tasks = [asyncio.create_task(write()) for _ in range(10)]
            await asyncio.sleep(chance.random() * 0.02)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        del tasks  # their errors hold on to half-made connections
        await until(lambda: sessions() <= 1)
        assert store.connections_in_use == 0
    assert ledger.lines == []

"""What a transactional tool does with its connection decides nothing but what it writes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import TransactionRefused
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.ledger import Ledger
from tests.integration.locks import held
from tests.integration.transacting import After, engine_at, outcomes, paid, paying
from tests.unit.engine.world import assert_sound
from tests.waiting import until


async def _take_rows_as_dictionaries(context: ToolContext) -> None:
    context.connection.row_factory = dict_row  # type: ignore[assignment]  # as many programs do


async def _read_values_as_text(context: ToolContext) -> None:
    for name in ("bool", "int8", "timestamp"):
        context.connection.adapters.register_loader(name, TextLoader)


async def _look_elsewhere(context: ToolContext) -> None:
    await context.connection.execute("SET search_path = pg_catalog")


async def _write_in_latin(context: ToolContext) -> None:
    await context.connection.execute("SET client_encoding = 'LATIN1'")


async def _listen(context: ToolContext) -> None:
    await context.connection.execute("LISTEN somebody")


async def _leave_a_savepoint(context: ToolContext) -> None:
    await context.connection.execute("SAVEPOINT one")


@pytest.mark.parametrize(
    "after",
    [
        _take_rows_as_dictionaries,
        _read_values_as_text,
        _look_elsewhere,
        _write_in_latin,
        _listen,
        _leave_a_savepoint,
    ],
)
async def test_the_result_is_appended_whatever_the_tool_has_set(
    store_url: str, category: str, ledger: Ledger, after: After
) -> None:
    async with engine_at(store_url, category, paid("五"), paying(ledger, after)) as engine:
        agent = await engine.start("go")
        assert ledger.lines == ["五"]
        assert await outcomes(engine, agent) == ["paid 五"]
        await assert_sound(engine, agent.thread_id)


async def _leave_a_pipeline(context: ToolContext) -> object:
    pipeline = context.connection.pipeline()
    await pipeline.__aenter__()
    return pipeline


async def _leave_rows_unread(context: ToolContext) -> object:
    copying = context.connection.cursor().copy("COPY (SELECT generate_series(1, 9999)) TO STDOUT")
    await copying.__aenter__()
    return copying


@pytest.mark.parametrize("leave", [_leave_a_pipeline, _leave_rows_unread])
async def test_who_has_a_statement_under_way_is_told_so_and_rolled_back(
    store_url: str, category: str, ledger: Ledger, leave: After
) -> None:
    left = list[object]()  # what is collected is ended

    async def keep(context: ToolContext) -> None:
        left.append(await leave(context))

    async with engine_at(store_url, category, paid("a"), paying(ledger, keep)) as engine:
        agent = await engine.start("go")
        assert ledger.lines == []
        assert await outcomes(engine, agent) == [
            "raised: all is rolled back: a statement of its own is under way"
        ]
        await assert_sound(engine, agent.thread_id)


async def test_a_tool_whose_transaction_the_server_has_ended_begins_again(
    store_url: str, category: str, ledger: Ledger
) -> None:
    """As where its process was stopped for longer than a transaction may be idle."""

    async def idle(context: ToolContext) -> None:
        if context.attempt == 1:
            pid = context.connection.info.backend_pid
            await until(lambda: not ledger.has_session(pid))

    limits = PoolLimits(idle_in_transaction_timeout_ms=100)
    async with await MessageDbStore.connect(store_url, limits=limits) as store:
        model = paid("a")
        engine = Engine(store, lambda _: model, Toolbox(paying(ledger, idle)), category)
        agent = await engine.start("go")
        assert ledger.lines == ["a"]
        assert await outcomes(engine, agent) == ["paid a"]
        await assert_sound(engine, agent.thread_id)


async def test_what_a_tool_has_left_running_writes_nothing_behind_the_commit(
    store_url: str, category: str, ledger: Ledger
) -> None:
    left = list[asyncio.Task[None]]()

    async def lurk(context: ToolContext) -> None:
        async def write_later() -> None:
            busy = {TransactionStatus.INTRANS, TransactionStatus.ACTIVE}
            info = context.connection.info
            while info.transaction_status in busy:  # noqa: ASYNC110 - no step is to be missed
                await asyncio.sleep(0)
            with suppress(psycopg.OperationalError):
                await context.connection.execute(ledger.insert, (context.call_id, "late"))

        left.append(asyncio.create_task(write_later()))

    async with engine_at(store_url, category, paid("a"), paying(ledger, lurk)) as engine:
        agent = await engine.start("go")
        await asyncio.gather(*left)
        assert ledger.lines == ["a"]
        assert await outcomes(engine, agent) == ["paid a"]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[MessageDbStore]:
    async with await MessageDbStore.connect(store_url) as store:
        yield store


async def test_what_was_put_off_until_the_commit_is_refused_before_anybody_waits_for_it(
    store: MessageDbStore, store_url: str, category: str, ledger: Ledger
) -> None:
    stream = f"{category}-1"
    async with held(store_url, stream), store.transaction() as transaction:
        for line in ("a", "b"):
            await transaction.connection.execute(ledger.insert, ("k", line))
        await transaction.connection.execute(ledger.mark, ("k",))
        with pytest.raises(TransactionRefused, match="duplicate key value"):
            await transaction.locked(stream, 0)
    assert ledger.lines == []

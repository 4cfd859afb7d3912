"""What a transactional tool writes stands exactly where its result does."""

import asyncio
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from messagedb_agent.agent.commands import Cancel
from messagedb_agent.agents.connecting import connect
from messagedb_agent.errors import ConfigurationError, ToolError, ValidationError
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.transaction import MAX_TRANSACTIONS
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import adapt
from messagedb_agent.tools.tool import ToolContext
from tests.integration.ledger import Ledger
from tests.integration.locks import has_waiting, held
from tests.integration.transacting import (
    After,
    WatchedStore,
    engine_at,
    outcomes,
    paid,
    paying,
)
from tests.unit.engine.world import (
    Gate,
    assert_sound,
    scripted,
    stream_of,
    stubborn,
    under_way,
)
from tests.waiting import until


async def test_what_the_tool_writes_and_its_result_are_one_transaction(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async with engine_at(store_url, category, paid("a", "b"), paying(ledger)) as engine:
        agent = await engine.start("go")
        assert agent.answer == "done"
        assert ledger.lines == ["a", "b"]
        assert [of_line == of_event for of_line, of_event in ledger.transactions] == [True, True]
        assert await outcomes(engine, agent) == ["paid a", "paid b"]
        assert agent.definition
        assert [spec.effect for spec in agent.definition.tools] == ["retry"]
        assert isinstance(engine.store, WatchedStore)
        assert engine.store.tries == 1  # the run knows at once what stands, and goes on
        await assert_sound(engine, agent.thread_id)


async def test_calls_of_one_round_each_have_a_transaction_of_their_own(
    store_url: str, category: str, ledger: Ledger
) -> None:
    calls = tuple(call("pay", line=f"{n}") for n in range(20))
    async with engine_at(store_url, category, scripted(calls, "done"), paying(ledger)) as engine:
        agent = await engine.start("go")
        assert sorted(ledger.lines, key=int) == [f"{n}" for n in range(20)]
        assert sorted(await outcomes(engine, agent)) == sorted(f"paid {n}" for n in range(20))
        pairs = ledger.transactions
        assert len(pairs) == len(set(pairs)) == 20
        assert all(of_line == of_event for of_line, of_event in pairs)
        await assert_sound(engine, agent.thread_id)


async def _raise(_: ToolContext) -> None:
    raise ToolError("no, after all")


async def _hang(_: ToolContext) -> None:
    await asyncio.Event().wait()


async def _commit(context: ToolContext) -> None:
    await context.connection.commit()


async def _leave(context: ToolContext) -> None:
    async with context.connection:
        pass


async def _fail(context: ToolContext) -> None:
    with suppress(psycopg.Error):  # and goes on, in a transaction that PostgreSQL has given up
        await context.connection.execute("SELECT 1/0")


async def _close(context: ToolContext) -> None:
    await context.connection.close()


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (_raise, "raised: no, after all"),
        (_hang, "timed_out: no result in time; all that the tool wrote is rolled back"),
        (_commit, "raised: ProgrammingError: Explicit commit() forbidden"),
        (_leave, "raised: ProgrammingError: Explicit commit() forbidden"),
        (_fail, "raised: all is rolled back: a statement had failed before"),
        (_close, "raised: given up after 3 attempts, none of which took effect"),
    ],
)
async def test_whatever_is_no_result_rolls_back(
    store_url: str, category: str, ledger: Ledger, after: After, why: str
) -> None:
    pay = paying(ledger, after, timeout_s=0.1 if after is _hang else None)
    async with engine_at(store_url, category, paid("a"), pay) as engine:
        agent = await engine.start("go")
        assert ledger.lines == []
        (told,) = await outcomes(engine, agent)
        assert told.startswith(why)
        assert agent.view.conversation.state.unknown == frozenset()
        await assert_sound(engine, agent.thread_id)


async def test_what_the_database_refuses_at_the_commit_is_told_to_the_model(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def mark(context: ToolContext) -> None:
        await context.connection.execute(ledger.mark, (context.call_id,))

    async with engine_at(store_url, category, paid("a", "b"), paying(ledger, mark)) as engine:
        agent = await engine.start("go")
        assert ledger.lines == ["a"]
        first, second = await outcomes(engine, agent)
        assert first == "paid a"
        assert second.startswith("raised: all is rolled back: duplicate key value")
        await assert_sound(engine, agent.thread_id)


async def test_a_savepoint_of_the_tool_is_its_own(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def try_more(context: ToolContext) -> None:
        for line in ("b", "c"):
            try:
                async with context.connection.transaction():
                    await context.connection.execute(ledger.insert, (context.call_id, line))
                    if line == "b":
                        raise ToolError("not this one")
            except ToolError:
                pass

    async with engine_at(store_url, category, paid("a"), paying(ledger, try_more)) as engine:
        agent = await engine.start("go")
        assert ledger.lines == ["a", "c"]
        assert await outcomes(engine, agent) == ["paid a"]


async def test_a_cancel_rolls_back(store_url: str, category: str, ledger: Ledger) -> None:
    gate = Gate()
    pay = paying(ledger, lambda _: gate.pass_through())
    async with engine_at(store_url, category, paid("a"), pay) as engine:
        async with under_way(engine.start("go")) as turn:
            await gate.entered.wait()
            await engine.ask(await engine.latest("last"), Cancel())
            agent = await turn
        assert ledger.lines == []
        assert await outcomes(engine, agent) == ["cancelled: the turn was cancelled"]
        await assert_sound(engine, agent.thread_id)


async def test_a_cancel_finds_calls_that_wait_for_their_transaction(
    store_url: str, category: str, ledger: Ledger
) -> None:
    gate = Gate()
    count = MAX_TRANSACTIONS + 4
    model = scripted(tuple(call("pay", line=f"{n}") for n in range(count)))
    pay = paying(ledger, lambda _: gate.pass_through())
    async with engine_at(store_url, category, model, pay) as engine:
        async with under_way(engine.start("go")) as turn:
            await until(lambda: gate.visits == MAX_TRANSACTIONS)
            await engine.ask(await engine.latest("last"), Cancel())
            agent = await turn
        assert gate.visits == MAX_TRANSACTIONS
        assert ledger.lines == []
        assert await outcomes(engine, agent) == ["cancelled: the turn was cancelled"] * count
        await assert_sound(engine, agent.thread_id)


async def test_a_cancel_finds_a_commit_that_waits_and_lets_it_end(
    store_url: str, category: str, ledger: Ledger
) -> None:
    """And what another call of the round answers to the cancel is recorded behind it."""
    gate, other_gate = Gate(), Gate()
    tools = paying(ledger, lambda _: gate.pass_through()), stubborn(other_gate)
    model = scripted((call("pay", line="a"), call("work")), "done")
    async with engine_at(store_url, category, model, *tools) as engine:
        async with under_way(engine.start("go")) as turn:
            await gate.entered.wait()
            await other_gate.entered.wait()
            thread_id = (await engine.latest("last")).thread_id
            async with held(store_url, stream_of(engine, thread_id)) as other:
                gate.opened.set()
                await until(partial(has_waiting, ledger.url, other))
                for _ in range(2):
                    turn.cancel()
                    await asyncio.sleep(0.05)
                assert not turn.done()
            with pytest.raises(asyncio.CancelledError):
                await turn
        assert ledger.lines == ["a"]
        agent = await engine.latest("last")
        assert await outcomes(engine, agent) == ["paid a", "it was done"]
        agent = await agent.resume()
        assert (agent.answer, gate.left) == ("done", 1)
        assert [one == two for one, two in ledger.transactions] == [True]
        await assert_sound(engine, agent.thread_id)


async def test_transactions_of_many_threads_stand_among_appends_that_are_written_together(
    store_url: str, category: str, ledger: Ledger
) -> None:
    calls = [call("pay", line=f"{n}") for n in range(30)]
    model = scripted(*calls, *["done"] * 20)
    async with engine_at(store_url, category, model, paying(ledger)) as engine:
        agents = await asyncio.gather(*(engine.start("go") for _ in range(20)))
        assert {agent.answer for agent in agents} == {"done"}
        assert sorted(ledger.lines, key=int) == [f"{n}" for n in range(30)]
        assert [one == two for one, two in ledger.transactions] == [True] * 30
        told = [one for agent in agents for one in await outcomes(engine, agent)]
        assert sorted(told) == sorted(f"paid {n}" for n in range(30))
        for agent in agents:
            await assert_sound(engine, agent.thread_id)


async def test_a_tool_that_will_not_stop_writes_nothing(
    store_url: str, category: str, ledger: Ledger
) -> None:
    """It is left behind, without its connection."""
    gate, told = Gate(), list[str]()

    async def cling(context: ToolContext) -> None:
        while not gate.opened.is_set():
            with suppress(asyncio.CancelledError):
                await gate.opened.wait()
        with suppress(psycopg.OperationalError):
            await context.connection.execute(ledger.insert, (context.call_id, "late"))
            told.append("it could write")
        gate.entered.set()

    pay = paying(ledger, cling, timeout_s=0.05)
    async with engine_at(store_url, category, paid("a"), pay) as engine:
        agent = await engine.start("go")
        assert (await outcomes(engine, agent))[0].startswith("timed_out: ")
        gate.opened.set()
        await gate.entered.wait()
    assert (ledger.lines, told) == ([], [])


async def test_a_tool_that_ends_its_transaction_is_told_so(
    store_url: str, category: str, ledger: Ledger
) -> None:
    async def end(context: ToolContext) -> None:
        await context.connection.execute("ROLLBACK")

    async with engine_at(store_url, category, paid("a"), paying(ledger, end)) as engine:
        agent = await engine.start("go")
        assert await outcomes(engine, agent) == [
            "raised: it has ended its transaction itself, or reset all settings; "
            "what it had committed stands"
        ]
    assert ledger.lines == []


async def test_a_store_without_transactions_refuses_the_tool(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="'pay' is transactional, and MemoryStore has"):
        await connect(MemoryStore(), tools=[paying(ledger)])


async def test_a_tool_that_is_not_transactional_has_no_connection(
    store_url: str, category: str
) -> None:
    @tool(effect="retry")
    async def pay(line: str, context: ToolContext) -> str:
        """Pay."""
        return f"{context.connection}"

    model = paid("a")
    async with engine_at(store_url, category, model, pay) as engine:
        await engine.start("go")
    told = model.requests[-1].messages[-1]
    assert isinstance(told, ToolAnswer)
    assert told.text == (
        "Error (raised): only a tool with transactional=True is given a connection"
    )


def test_what_cannot_be_transactional_is_refused() -> None:
    def blocking(context: ToolContext) -> str:
        return ""

    async def without() -> str:
        return ""

    async def fine(context: ToolContext) -> str:
        return ""

    class Blocking:
        name = "object"
        transactional = True
        parameters = {"type": "object"}  # noqa: RUF012 - a value of a test

        def execute(self, arguments: object, context: ToolContext) -> str:
            return ""

    for function, why in ((blocking, "coroutine function"), (without, "ToolContext")):
        with pytest.raises(ValidationError, match=why):
            tool(transactional=True)(function)
    with pytest.raises(ValidationError, match="coroutine"):
        adapt(Blocking())
    with pytest.raises(ValidationError, match="harmless to repeat"):
        tool(transactional=True, effect="never")(fine)
    assert tool(transactional=True)(fine).effect == "retry"

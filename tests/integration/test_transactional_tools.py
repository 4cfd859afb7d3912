"""What a transactional tool writes stands exactly where its result does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import Random

import psycopg
import pytest

from messagedb_agent.agent.commands import Cancel
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.connecting import connect
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ConfigurationError, ToolError, ValidationError
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.schema import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.ids import derived_id
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.store import Hold
from messagedb_agent.store.transaction import MAX_TRANSACTIONS
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool, adapt
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.integration.cutting_proxy import Moment, cutting_proxy
from tests.integration.ledger import Ledger, a_ledger
from tests.unit.engine.world import (
    Gate,
    assert_sound,
    events,
    scripted,
    stream_of,
    stubborn,
    under_way,
)
from tests.waiting import until

After = Callable[[ToolContext], Awaitable[object]]


async def _nothing(_: ToolContext) -> None:
    pass


@pytest.fixture
def ledger(admin_url: str) -> Iterator[Ledger]:
    with a_ledger(admin_url) as ledger:
        yield ledger


def paying(ledger: Ledger, after: After = _nothing, timeout_s: float | None = None) -> AnyTool:
    """Return a tool that writes a line, and then does something else."""

    @tool(transactional=True, timeout_s=timeout_s)
    async def pay(line: str, context: ToolContext) -> str:
        """Pay."""
        await context.connection.execute(ledger.insert, (context.call_id, line))
        await after(context)
        return f"paid {line}"

    return pay


class WatchedStore(MessageDbStore):
    """A store whose owners do not hear that they have lost a stream, as paused processes do not.

    Attributes:
        tries: how often somebody has tried to own a stream.
    """

    tries = 0

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        self.tries += 1
        async with super().own(stream) as hold:
            yield hold and Hold(hold.version)


@asynccontextmanager
async def engine_at(
    url: str, category: str, model: ScriptedModel, *tools: AnyTool
) -> AsyncIterator[Engine]:
    # Never prepared, so that every request holds the words that a proxy looks for.
    async with await WatchedStore.connect(url, prepare_threshold=None) as store:
        yield Engine(store, lambda _: model, Toolbox(*tools), category)


def paid(*lines: str) -> ScriptedModel:
    """Return a model that pays, call by call, and then is done."""
    return scripted(*(call("pay", line=line) for line in lines), "done")


async def outcomes(engine: Engine, agent: Agent) -> list[str]:
    """Return what came of each tool call: its result, or its kind and message."""
    told = []
    for recorded in await events(engine, agent.thread_id):
        match recorded.event:
            case ToolExecutionCompleted(result=result):
                told.append(result)
            case ToolExecutionFailed(kind=kind, message=message):
                told.append(f"{kind}: {message}")
            case _:
                pass
    return told


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
            async with _held(store_url, stream_of(engine, thread_id)) as other:
                gate.opened.set()
                await until(partial(_has_waiting, ledger.url, other))
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
            "raised: the transaction was ended by who wrote in it"
        ]
    assert ledger.lines == []


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
        await _break_lock(store_url, stream_of(first, thread_id))
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
        pay = paying(ledger, _nothing if early else cut)
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
        await _break_lock(store_url, stream_of(first, thread_id))
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
            agent = await engine.start("go")
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


async def _break_lock(url: str, stream: str) -> None:
    """End the session that owns a stream, as its server may."""
    from messagedb_agent.store.ownership import lock_keys

    high, low = (key & 0xFFFFFFFF for key in lock_keys(stream))
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks"
            " WHERE locktype = 'advisory' AND classid = %s::oid AND objid = %s::oid",
            (high, low),
        )


@asynccontextmanager
async def _held(url: str, stream: str) -> AsyncIterator[int]:
    """Hold the lock of a stream's category; give the process id of the session that does."""
    path = psycopg.conninfo.make_conninfo(url, options="-csearch_path=message_store")
    async with await psycopg.AsyncConnection.connect(path) as connection:
        await connection.execute("SELECT acquire_lock(%s)", (stream,))
        yield connection.info.backend_pid


def _has_waiting(url: str, holder: int) -> bool:
    """Say whether a session waits for a lock that another one holds."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query, (holder,)).fetchone()
        return bool(row and row[0])


def uuid_of(chance: Random) -> str:
    from uuid import UUID

    return str(UUID(int=chance.getrandbits(128), version=4))

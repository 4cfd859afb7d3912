"""Callers that are cancelled at random points, over too few connections: none is lost by it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random

import psycopg

from messagedb_agent import Engine
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from messagedb_agent.tools.toolbox import Toolbox
from tests.chaos.folder import a_ledger
from tests.chaos.report import Report
from tests.chaos.server import Server
from tests.chaos.settling import judge, settle
from tests.chaos.tools import TOOLS
from tests.chaos.watching import watched
from tests.chaos.workload import say
from tests.contract.messages import new
from tests.waiting import until

_NAME = "cancelled"
_CONNECTIONS = 4
_BESIDE = ("locks", "news")  # what has a connection of its own beside the pool's
_AT_ONCE = 24
_STREAMS = 5
_LONGEST_S = {"turn": 0.3, "connect": 0.05}
_OTHERS_S = 0.03
_SESSIONS = """
SELECT count(*), count(*) FILTER (WHERE state IS DISTINCT FROM 'idle'),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')
FROM pg_stat_activity WHERE application_name = %s
"""
_MAY_GO_ON = 1  # key of an advisory lock
_WAIT = f"SELECT pg_advisory_xact_lock_shared({_MAY_GO_ON})"

Work = Callable[[], Awaitable[object]]


async def cancels(server: Server, *, count: int, seed: int) -> Report:
    """Cancel `count` callers at random points, and look at what is left in use.

    Args:
        server: where.
        count: how many callers must hear of their cancellation.
        seed: what all chances are drawn from.
    """
    again = f"python -m tests.chaos cancels --cancels {count} --seed {seed}"
    report, chance = Report("cancels", seed, again, "cancellations"), Random(seed)
    # Connections are made often, so that callers are cancelled while one is made, too.
    limits = PoolLimits(max_size=_CONNECTIONS, max_lifetime_s=0.1)
    with report.noting_errors(), a_ledger() as ledger, watched(ledger):
        async with await MessageDbStore.connect(
            server.url, limits=limits, application_name=_NAME
        ) as store:
            engine = Engine(store, lambda _: OfflineModel(), Toolbox(*TOOLS), "cancelled")
            kinds = _kinds(engine, store, server)
            while report.counts["cancellations"] < count:
                drawn = chance.choices([*kinds], k=_AT_ONCE)
                await asyncio.gather(*(_cancelled(k, kinds[k], chance, report) for k in drawn))
            await _look(report, store, server)
            await settle(engine)
            await judge(report, server, [engine], ledger, {})
        await until(partial(_has_none, server))
    return report


def _kinds(
    engine: Engine, store: MessageDbStore, server: Server
) -> dict[str, Callable[[Random], Work]]:
    def stream(chance: Random) -> str:
        return f"plain-{chance.randrange(_STREAMS)}"

    async def read(name: str) -> None:
        async for _ in store.read(name):
            pass

    async def own(name: str) -> None:
        async with store.own(name) as hold:
            if hold:
                await hold.confirm()

    async def write_within(name: str) -> None:
        async with store.transaction() as transaction:
            news = await transaction.locked(name, 0)
            await transaction.commit(name, new(), new(), expected_version=len(news) - 1)

    async def connect() -> None:
        async with await MessageDbStore.connect(server.url, application_name=_NAME):
            pass

    return {
        "append": lambda chance: partial(store.append, stream(chance), new(), new()),
        "read": lambda chance: partial(read, stream(chance)),
        "own": lambda chance: partial(own, stream(chance)),
        "transaction": lambda chance: partial(write_within, stream(chance)),
        "list": lambda _: partial(engine.threads, 20),
        "connect": lambda _: connect,
        "turn": lambda chance: partial(engine.start, say(chance, busy_ms=10, rounds=1).text),
    }


async def _cancelled(
    kind: str, make: Callable[[Random], Work], chance: Random, report: Report
) -> None:
    task = asyncio.ensure_future(make(chance)())
    await asyncio.wait({task}, timeout=chance.uniform(0, _LONGEST_S.get(kind, _OTHERS_S)))
    task.cancel()
    await asyncio.wait({task})
    if task.cancelled():
        report.done("cancellations")
        report.counts[f"cancelled: {kind}"] += 1
    elif error := task.exception():
        report.require(False, f"{kind}: {error!r}")
    else:
        report.counts[f"done: {kind}"] += 1


async def _look(report: Report, store: MessageDbStore, server: Server) -> None:
    """Find every connection at rest, no lock held, and none lost: all can be used at once."""
    report.require(store.connections_in_use == 0, f"{store.connections_in_use} in use")
    # A statement that overtook its own cancellation ends when the server misses its client.
    await until(partial(_is_quiet, server))
    open_now, _, _ = await _sessions(server)
    report.require(open_now <= _CONNECTIONS + len(_BESIDE), f"{open_now} sessions are open")
    async with await psycopg.AsyncConnection.connect(server.admin_url) as gate:
        await gate.execute("SELECT pg_advisory_xact_lock(%s)", (_MAY_GO_ON,))
        waiting = [
            asyncio.ensure_future(store._statements.rows(_WAIT, ())) for _ in range(_CONNECTIONS)
        ]
        await until(lambda: store.connections_in_use == _CONNECTIONS)
    await asyncio.gather(*waiting)
    for number in range(_STREAMS):
        version = await store.stream_version(f"plain-{number}")
        report.require(version % 2, f"plain-{number}: half of an append stands")
        async with store.own(f"plain-{number}") as hold:
            report.require(hold, f"plain-{number}: nobody can own it any more")


async def _is_quiet(server: Server) -> bool:
    _, busy, locks = await _sessions(server)
    return (busy, locks) == (0, 0)


async def _has_none(server: Server) -> bool:
    return await _sessions(server) == (0, 0, 0)


async def _sessions(server: Server) -> tuple[int, int, int]:
    """Return how many sessions there are, how many of them work or idle in a transaction, and
    how many advisory locks anybody holds."""
    async with await psycopg.AsyncConnection.connect(server.admin_url) as connection:
        row = await (await connection.execute(_SESSIONS, (_NAME,))).fetchone()
    assert row is not None
    return row[0], row[1], row[2]

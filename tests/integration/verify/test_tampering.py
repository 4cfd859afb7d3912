"""A thousand random changes by somebody who may do anything to the table: each is named."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from random import Random

import psycopg
import pytest

from messagedb_agent import MemoryStore, connect
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.anchor import Head
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.judging import check, put
from tests.integration.verify.tampering import tampered
from tests.integration.verify.threads import Ending, Forgeable, rows_of

CHANGES = 1_000
IN_POSTGRESQL = 60
SHARES = 4  # of the thousand, for the workers of a run


async def threads(category: str) -> dict[str, list[Message]]:
    """Return threads as the engine writes them: tools, failures, others' rows, several turns."""
    async with connect(MemoryStore(), category=category) as engine:
        agents = [
            await engine.start("What is 42 * 7?"),
            await engine.start('call calculate {"expression": "1 / 0"}'),
            await engine.start("Hello!"),
        ]
        paid = new("Paid", '{"amount": 1.50, "to": ["ada", {"n": 12345678901234567890.10}]}')
        streams = [f"{category}:v0-{agent.thread_id}" for agent in agents]
        await engine.store.append(streams[0], paid, new("Noted", None))
        await agents[0].advance("What is 42 * 8?", at_head=True)
        await agents[1].advance("Can you also tell me the time?")
        await agents[2].advance("Thanks!")
        await engine.store.append(streams[2], new("Paid"))
        return {stream: await rows_of(engine.store, stream) for stream in streams}


async def heads_of(category: str, of: dict[str, list[Message]]) -> dict[str, Head]:
    store = Forgeable()
    store.forged = dict(of)
    heads = {}
    for stream, rows in of.items():
        found = await verify(Ending(store), stream)
        assert found.finding is None
        assert found.head is not None
        assert found.head.position == len(rows) - 1
        heads[stream] = found.head
    return heads


@pytest.mark.parametrize("share", range(SHARES))
async def test_every_change_is_named(category: str, share: int) -> None:
    of = await threads(category)
    heads = await heads_of(category, of)
    random, kinds = Random(share), Counter[str]()
    for _ in range(CHANGES // SHARES):
        stream = random.choice(tuple(of))
        others = [row for name, rows in of.items() if name != stream for row in rows]
        change = tampered(of[stream], others, random)
        store = Forgeable()
        store.forged = {**of, stream: list(change.rows)}
        await check(verify, Ending(store), change, of[stream], heads[stream])
        kinds[change.kind] += 1
    assert len(kinds) == 11
    assert min(kinds.values()) >= 5


async def test_every_change_is_named_in_the_table(
    store: Store, admin_url: str, category: str
) -> None:
    of = await threads(category)
    heads = await heads_of(category, of)
    random, tried = Random(7), 0
    async with await psycopg.AsyncConnection.connect(admin_url) as connection:
        while tried < IN_POSTGRESQL:
            stream = random.choice(tuple(of))
            others = [row for name, rows in of.items() if name != stream for row in rows]
            change = tampered(of[stream], others, random)
            try:
                await put(connection, stream, change.rows)
            except psycopg.errors.UniqueViolation:  # the table's own doing: ids stand once
                await connection.rollback()
                continue
            await connection.commit()
            await check(verify, store, change, of[stream], heads[stream])
            tried += 1


async def test_what_the_server_gives_is_covered_by_nothing(category: str) -> None:
    of = await threads(category)
    for stream, rows in of.items():
        store = Forgeable()
        store.forged[stream] = [
            replace(row, time=row.time + timedelta(days=1), global_position=row.global_position + 9)
            for row in rows
        ]
        assert (await verify(Ending(store), stream)).finding is None


async def test_a_change_to_an_ancestor_is_named_in_its_fork(category: str) -> None:
    async with connect(MemoryStore(), category=category) as engine:
        parent = await engine.start("What is 42 * 7?")
        fork = await (await parent.fork()).advance("And now?")
        streams = [f"{category}:v0-{one.thread_id}" for one in (parent, fork)]
        of = {stream: await rows_of(engine.store, stream) for stream in streams}
    random = Random(11)
    for _ in range(100):
        change = tampered(of[streams[0]], of[streams[1]], random)
        store = Forgeable()
        store.forged = {**of, streams[0]: list(change.rows)}
        found = await verify(Ending(store), streams[1])
        named = any(row.position >= change.first for row in found.foreign)
        assert change.is_longer or named or found.finding is not None, (change, found)

"""Random changes to users' memory and to definitions: each is named, as those to threads are."""

from collections import Counter
from random import Random

import psycopg
import pytest

from messagedb_agent.events.anchor import Head
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from tests.integration.verify.beside import streams, verify
from tests.integration.verify.judging import check, put
from tests.integration.verify.tampering import tampered
from tests.integration.verify.threads import Ending, Forgeable

CHANGES = 600
IN_POSTGRESQL = 40
SHARES = 2  # of the changes, for the workers of a run


def ending(of: dict[str, list[Message]]) -> Ending:
    store = Forgeable()
    store.forged = of
    return Ending(store)


async def heads_of(of: dict[str, list[Message]]) -> dict[str, Head]:
    heads = {}
    for stream in list(of)[:-1]:
        found = await verify(ending(of), stream)
        assert found.finding is None
        assert found.absent_sources == ()
        assert found.head is not None
        assert found.head.position == len(of[stream]) - 1
        heads[stream] = found.head
    return heads


@pytest.mark.parametrize("share", range(SHARES))
async def test_every_change_is_named(category: str, share: int) -> None:
    of = await streams(category)
    heads = await heads_of(of)
    random, kinds = Random(share), Counter[str]()
    for _ in range(CHANGES // SHARES):
        stream = random.choice(tuple(heads))
        others = [row for name, rows in of.items() if name != stream for row in rows]
        change = tampered(of[stream], others, random)
        store = ending({**of, stream: list(change.rows)})
        await check(verify, store, change, of[stream], heads[stream])
        kinds[change.kind] += 1
    assert len(kinds) == 11
    assert min(kinds.values()) >= 5


async def test_every_change_is_named_in_the_table(
    store: Store, admin_url: str, category: str
) -> None:
    of = await streams(category)
    heads = await heads_of(of)
    random, tried = Random(7), 0
    async with await psycopg.AsyncConnection.connect(admin_url) as connection:
        await put(connection, list(of)[-1], of[list(of)[-1]])
        while tried < IN_POSTGRESQL:
            stream = random.choice(tuple(heads))
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

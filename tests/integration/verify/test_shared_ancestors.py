"""What forks share is looked at once, and found in each of them as if it were looked at again."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random

import pytest

from messagedb_agent.engine import verify as verifying
from messagedb_agent.engine.findings import Verification
from messagedb_agent.engine.verify import Shared, verify
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.tampering import tampered
from tests.integration.verify.threads import Forgeable, fork, rows_of, talk


class Counting(Forgeable):
    """A store that knows how often it gave which row."""

    def __init__(self) -> None:
        super().__init__()
        self.given: Counter[tuple[str, int]] = Counter()

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        async for row in super().read(stream, position=position, until=until):
            self.given[stream, row.position] += 1
            yield row

    async def stream_version(self, stream: str) -> int:
        if stream not in self.forged:
            return await super().stream_version(stream)
        return max((row.position for row in self.forged[stream]), default=-1)


async def family(store: Store, category: str) -> Sequence[str]:
    """Make a thread, forks of it at several places, and forks of these; return their streams."""
    root = await talk(store, category, turns=2)
    await store.append(root, new("Noted"))
    early, late, other = [await fork(store, root, at) for at in (3, 14, 8)]
    return (root, early, late, other, await fork(store, late, 4), await fork(store, late, 6))


async def verified(store: Store, streams: Sequence[str], random: Random) -> dict[str, Verification]:
    shared = Shared(store)
    ordered = random.sample(streams, len(streams))
    return {stream: await verify(store, stream, shared=shared) for stream in ordered}


async def test_whatever_was_changed_is_found_in_each_fork_as_in_one_that_is_verified_alone(
    category: str,
) -> None:
    store, random = Counting(), Random(3)
    streams = await family(store, category)
    rows = {stream: await rows_of(store, stream) for stream in streams}
    wrong = 0
    for _ in range(40):
        stream = random.choice(streams)
        others = [row for name in streams if name != stream for row in rows[name]]
        store.forged = {stream: list(tampered(rows[stream], others, random).rows)}
        alone = {stream: await verify(store, stream) for stream in streams}
        assert await verified(store, streams, random) == alone
        wrong += sum(found.finding is not None for found in alone.values())
    assert wrong > 40


async def test_the_rows_that_forks_share_are_read_once(
    category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Counting()
    streams = [await talk(store, category)]
    for _ in range(7):
        streams.append(await fork(store, streams[-1], 3))
    store.given.clear()
    await verified(store, streams, Random(1))
    # By itself, as an ancestor, and as a first row: of a thread, and of an ancestor.
    assert max(store.given.values()) == 4
    monkeypatch.setattr(verifying, "_MOST_CHARACTERS", 1)  # nothing is kept for long
    store.given.clear()
    await verified(store, streams, Random(1))
    assert max(store.given.values()) > 8


async def test_ids_that_stand_in_an_ancestor_behind_the_fork_are_no_earlier_ids(
    category: str,
) -> None:
    store = MemoryStore()
    root = await talk(store, category, turns=2)
    shared = Shared(store)
    for at in (14, 3, 9, 9):
        child = await fork(store, root, at)
        assert (await verify(store, child, shared=shared)).finding is None

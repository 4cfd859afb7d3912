"""What a chain cannot show by itself, a head that was kept elsewhere shows."""

from messagedb_agent.agent.commands import Say, Start
from messagedb_agent.engine.findings import Finding
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.anchor import Head
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.threads import (
    CHANGE,
    CUT,
    DEFINITION,
    TURN,
    Forge,
    fork,
    journal,
    talk,
    turn,
)


async def head_of(store: Store, stream: str) -> Head:
    head = (await verify(store, stream)).head
    assert head is not None
    return head


async def test_a_thread_that_went_on_from_its_head_is_sound(store: Store, category: str) -> None:
    stream = await talk(store, category)
    head = await head_of(store, stream)
    assert (head.stream, head.position) == (stream, len(TURN) - 1)
    await turn(store, journal(store, stream))
    result = await verify(store, stream, head)
    assert (result.finding, result.events) == (None, len(TURN))
    assert (await verify(store, stream, head)).head == await head_of(store, stream)


async def test_a_tail_that_was_cut_off_is_found(store: Store, forge: Forge, category: str) -> None:
    stream = await talk(store, category)
    head = await head_of(store, stream)
    await forge(CUT, stream, 5)
    assert (await verify(store, stream)).finding is None
    what = "the thread is cut: it was anchored at 7, and ends at 5"
    assert (await verify(store, stream, head)).finding == Finding(
        stream, 6, "", what, recorded=head.hash
    )


async def test_a_thread_that_is_gone_is_found(store: Store, forge: Forge, category: str) -> None:
    stream = await talk(store, category)
    head = await head_of(store, stream)
    await forge(CUT, stream, -1)
    what = "the thread is gone: it was anchored at 7"
    assert (await verify(store, stream, head)).finding == Finding(
        stream, 0, "", what, recorded=head.hash
    )


async def test_a_chain_that_was_made_anew_as_a_whole_is_found(category: str) -> None:
    store, other = MemoryStore(), MemoryStore()
    stream = await talk(store, category)
    head = await head_of(store, stream)
    thread = journal(other, stream)
    await turn(other, thread, Start(stream.partition("-")[2], DEFINITION), Say("What is it?"))
    assert (await verify(other, stream)).finding is None
    finding = (await verify(other, stream, head)).finding
    assert finding is not None
    assert (finding.position, finding.type) == (7, TURN[7])
    assert finding.what == "the chain up to here is another than the one that was anchored"
    assert (finding.recorded, finding.computed) == (
        head.hash,
        (await head_of(other, stream)).hash,
    )


async def test_a_changed_row_of_another_writer_at_the_end_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await store.append(stream, new("Paid", '{"amount": 1.50}'))
    head = await head_of(store, stream)
    await forge(CHANGE, stream, 8)
    assert (await verify(store, stream)).finding is None
    finding = (await verify(store, stream, head)).finding
    assert finding is not None
    assert (finding.position, finding.type) == (8, "Paid")


async def test_the_head_of_a_fork_covers_its_ancestors(category: str) -> None:
    store = MemoryStore()
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    head = await head_of(store, child)
    assert head.stream == child
    assert (await verify(store, child, head)).finding is None


async def test_a_stream_without_rows_has_no_head(category: str) -> None:
    assert (await verify(MemoryStore(), f"{category}-nobody")).head is None

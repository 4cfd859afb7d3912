"""A fork is verified with its ancestors, as far as it shares them."""

from uuid import uuid4

from messagedb_agent.agent.commands import Start
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.events.values import ForkPoint
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Store
from tests.contract.messages import new
from tests.integration.verify.threads import (
    CUT,
    DEFINITION,
    REFUSED_HASH,
    Forge,
    fork,
    found,
    journal,
    rows_of,
    talk,
    turn,
)


async def test_a_fork_is_sound_with_its_ancestors(store: Store, category: str) -> None:
    parent = await talk(store, category, turns=2)
    child = await fork(store, parent, 4)  # in the middle of a turn
    grandchild = await fork(store, child, 3)
    result = await verify(store, grandchild)
    assert result.finding is None
    assert result.events == 5 + 4 + len(await rows_of(store, grandchild))


async def test_what_is_wrong_in_an_ancestor_is_found_there(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(
        """UPDATE message_store.messages SET data = data || '{"more": 1}'
           WHERE stream_name = %(stream)s AND position IN (3, 6)""",
        parent,
    )
    finding = await found(store, child)
    assert (finding.stream, finding.position, finding.what) == (parent, 3, REFUSED_HASH)


async def test_what_came_after_the_fork_in_its_parent_is_not_the_forks(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(CUT, parent, 5)
    assert (await verify(store, child)).finding is None


async def test_a_fork_whose_parent_is_missing_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(CUT, parent, -1)
    finding = await found(store, child)
    assert (finding.stream, finding.position) == (child, 0)
    assert finding.what == f"{child} was forked from {parent}, which is not here"


async def test_a_fork_whose_parent_was_cut_before_the_fork_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(CUT, parent, 4)
    finding = await found(store, child)
    assert (finding.stream, finding.position) == (child, 0)
    assert finding.what == f"{child} was forked from {parent}, which is cut: it has to go up to 5"


async def test_forks_that_lead_in_a_circle_are_found(category: str) -> None:
    store = MemoryStore()
    ring = [f"{category}-{n}" for n in range(3)]
    for stream, parent in zip(ring, ring[1:] + ring[:1], strict=True):
        await store.append(stream, forked_from(parent))
    finding = await found(store, ring[0])
    assert finding.what == f"the ancestors of {ring[0]} do not end"


async def test_a_fork_of_what_is_no_stream_is_found(category: str) -> None:
    store, stream = MemoryStore(), f"{category}-child"
    await store.append(stream, forked_from(category))
    finding = await found(store, stream)
    assert finding.what == f"a fork of {category!r}, which is no stream"


def forked_from(parent: str) -> NewMessage:
    """Return the first event of a fork at the first event of another stream."""
    point = ForkPoint(stream_name=parent, position=0, event_id=str(uuid4()))
    start = SessionStarted(thread_id="child", definition=DEFINITION, forked_from=point)
    return new("SessionStarted", start.model_dump_json(by_alias=True, exclude_none=True))


async def test_a_fork_of_another_event_is_found(category: str) -> None:
    store = MemoryStore()
    parent = await talk(store, category)
    other = (await rows_of(store, parent))[4]
    child = journal(store, f"{category}-{uuid4()}")
    await child.branch_off(parent, 5)
    point = ForkPoint(stream_name=parent, position=5, event_id=other.id)
    await turn(store, child, Start("child", DEFINITION, forked_from=point))
    finding = await found(store, child.stream)
    assert (finding.stream, finding.position) == (child.stream, 0)
    assert finding.what == "the event it was forked from is another"
    assert finding.recorded == other.id

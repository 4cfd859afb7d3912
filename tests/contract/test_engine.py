"""What an engine finds and hides, on every store."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from messagedb_agent import Agent, Engine, MemoryStore, connect
from messagedb_agent.agents.snapshot_policy import LONG
from messagedb_agent.agents.view import view
from messagedb_agent.errors import NotFound, Refused, StoreUnavailable, ValidationError
from messagedb_agent.store.store import Store
from tests.contract.messages import new


@pytest.fixture
async def engine(store: Store, category: str) -> AsyncIterator[Engine]:
    async with connect(store, category=category) as engine:
        yield engine


async def test_agents_are_loaded_in_the_order_of_their_ids(engine: Engine) -> None:
    first = await engine.start("Hello!")
    other = await engine.start("What is 1 + 1?")
    later = await first.advance("What is 2 + 2?")
    engine.clear_cache()
    wanted = (later, other, first, later)
    loaded = await engine.load_agents([later.id, other.id.upper(), first.id, later.id])
    assert loaded == wanted
    assert [agent.answer for agent in loaded] == [agent.answer for agent in wanted]
    assert loaded[0].view == await engine.fold(later.thread_id, view)
    assert await engine.load_agents([]) == ()


async def test_all_ids_that_are_missing_are_named_at_once(engine: Engine) -> None:
    agent = await engine.start("Hello!")
    gone = [str(uuid4()), str(uuid4())]
    with pytest.raises(NotFound) as missing:
        await engine.load_agents([gone[0], agent.id, gone[1]])
    assert missing.value.names == tuple(gone)
    assert all(id in str(missing.value) for id in gone)
    with pytest.raises(ValidationError):
        await engine.load_agents([agent.id, "nonsense"])


async def test_a_deleted_thread_is_closed_and_its_history_kept(engine: Engine) -> None:
    first = await engine.start("Hello!")
    agent = await first.advance("What is 2 + 2?")
    deleted = await engine.delete(first, by="ada", reason="private")
    assert (deleted.status, deleted.parent_id) == ("deleted", agent.id)
    assert await engine.delete(agent) == deleted
    with pytest.raises(Refused, match="deleted"):
        await deleted.advance("Still there?")
    assert (await engine.load_agent(agent.id)).answer == "2 + 2 = 4."
    fork = await agent.advance("What is 3 + 3?")
    assert (fork.answer, fork.thread_id == agent.thread_id) == ("3 + 3 = 6.", False)
    assert (await engine.verify(agent.thread_id)).finding is None


async def test_ping_says_whether_the_store_is_there(engine: Engine) -> None:
    await engine.ping()
    await engine.close()
    with pytest.raises(StoreUnavailable):
        await engine.ping()


async def test_each_thread_is_on_one_page_in_its_newest_state(engine: Engine) -> None:
    agents = [await engine.create_agent(f"agent {number}") for number in range(5)]
    moved = await agents[1].advance("Hello!")
    first = await engine.list_agents(2)
    assert [*first] == [moved, agents[4]]
    assert (first[0].answer is not None, first[1:]) == (True, (agents[4],))
    assert [*await engine.list_agents(2, after=first.after)] == [agents[3], agents[2]]
    whole = await engine.list_agents()
    assert [*whole] == [moved, agents[4], agents[3], agents[2], agents[0]]
    assert whole.after is None
    assert await engine.count_agents() == 5


async def test_listed_agents_are_those_that_all_their_events_fold_to(
    engine: Engine, store: Store, category: str
) -> None:
    first = await engine.start("What is 1 + 1?", user="ada")
    fork = await first.clone()
    long = await engine.start("What is 2 + 2?")
    foreign = [new("Noted", '{"n": 1}') for _ in range(LONG)]
    await store.append(f"{category}:v0-{long.thread_id}", *foreign)
    await store.append(f"{category}:v0-bare", new("Noted", '{"n": 1}'))
    moved = await first.advance("What is 3 + 3?")
    engine.clear_cache()
    for _ in ("from nothing", "from where it was left"):
        listed = await engine.list_agents()
        assert [*listed[:1], *listed[2:]] == [moved, long, fork]
        for agent in listed:
            assert agent.view == await engine.fold(agent.thread_id, view)
    other = await listed[0].advance("What is 4 + 4?")
    assert other.thread_id == first.thread_id
    assert (await engine.verify(other.thread_id)).finding is None
    assert (await engine.list_agents())[0] == other


async def test_what_moves_between_two_pages_is_given_once_and_as_it_stands(engine: Engine) -> None:
    agents = [await engine.create_agent() for _ in range(7)]
    seen, after = list[Agent](), None
    for _ in range(4):
        page = await engine.list_agents(2, after=after)
        seen, after = [*seen, *page], page.after
        for agent in (agents[0], agents[6], agents[3]):
            newest = await engine.latest(agent.thread_id)
            await newest.advance("Hello!")
        await engine.create_agent("later")
    assert after is None
    assert [agent.thread_id for agent in seen] == [agent.thread_id for agent in reversed(agents)]
    assert [len(agent.view.lineage.states) for agent in seen] == [1, 1, 1, 2, 1, 1, 4]


async def test_deleted_threads_are_on_no_page_and_not_counted(engine: Engine) -> None:
    agents = [await engine.create_agent("Ada") for _ in range(6)]
    page = await engine.list_agents(1)
    for agent in agents[2:5]:
        await engine.delete(agent)
    assert [*await engine.list_agents(9)] == [agents[5], agents[1], agents[0]]
    assert [*await engine.list_agents(9, after=page.after)] == [agents[1], agents[0]]
    assert [*await engine.find_by_name("Ada")] == [agents[5], agents[1], agents[0]]
    assert await engine.count_agents() == 3
    listed = [one.summary.thread_id for one in await engine.threads(4)]
    assert listed == [agent.thread_id for agent in (agents[5], agents[1], agents[0])]
    last = await engine.list_agents(3)
    assert last.after is None


async def test_agents_are_found_by_the_name_that_is_in_force(engine: Engine) -> None:
    ada = await engine.create_agent("Ada")
    bob = await engine.create_agent("Bob")
    former = await engine.create_agent("Ada")
    former = await former.advance("Hello!", name="Grace")
    later = await bob.advance("Hello!", name="Ada")
    fork = await ada.fork()
    assert [*await engine.find_by_name("Ada")] == [fork, later, ada]
    assert [*await engine.find_by_name("Grace")] == [former]
    assert [*await engine.find_by_name("Bob")] == []
    assert [*await engine.find_by_name("ada")] == []
    page = await engine.find_by_name("Ada", 2)
    assert [*page] == [fork, later]
    assert [*await engine.find_by_name("Ada", 2, page.after)] == [ada]


async def test_a_name_is_looked_for_as_it_stands_and_as_it_was_recorded(engine: Engine) -> None:
    await engine.create_agent("Ada")
    odd = await engine.create_agent("50%\0_\\'\"")
    for name in ("%", "_", "A%", "A_a", "\\", "Ada' OR ''='", "\0", "\ud800", "Ada "):
        assert [*await engine.find_by_name(name)] == []
    assert [*await engine.find_by_name("50%\0_\\'\"")] == [odd]


async def test_a_thread_that_cannot_be_folded_keeps_no_other_from_being_listed(
    engine: Engine, store: Store, category: str
) -> None:
    agent = await engine.start("Hello!")
    fork = await agent.fork()
    (start,) = [row async for row in engine.messages(fork.thread_id, until=0)]
    data = (start.data or "").replace(f"v0-{agent.thread_id}", "v0-gone")
    await store.append(f"{category}:v0-broken", new("SessionStarted", data))
    page = await engine.list_agents()
    assert [*page] == [fork, agent]
    assert [*page.unreadable] == ["broken"]


async def test_a_name_of_no_thread_is_listed_and_counted_by_nobody(
    engine: Engine, store: Store, category: str
) -> None:
    assert ([*await engine.list_agents()], await engine.count_agents()) == ([], 0)
    assert [*await engine.find_by_name("Ada")] == []
    await store.append(f"{category}:v0-no thread", new())
    await store.append(f"{category}:v0+snapshot-x", new())
    await store.append(f"{category}:v01-x", new())
    assert ([*await engine.list_agents()], await engine.count_agents()) == ([], 0)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"limit": True}, "limit"),
        ({"after": ""}, "after"),
        ({"after": "3"}, "after"),
        ({"after": "3-4"}, "after"),
        ({"after": "1-1\n"}, "after"),
        ({"after": 3}, "after"),
    ],
)
async def test_what_is_no_page_is_refused(given: dict[str, Any], field: str) -> None:
    async with connect(MemoryStore()) as engine:
        for asked in (engine.list_agents(**given), engine.find_by_name("Ada", **given)):
            with pytest.raises(ValidationError) as refused:
                await asked
            assert refused.value.field == field
        with pytest.raises(ValidationError) as refused:
            await engine.find_by_name("")
        assert refused.value.field == "name"

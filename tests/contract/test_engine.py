"""What an engine finds and hides, on every store."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from messagedb_agent import Engine, connect
from messagedb_agent.agents.view import view
from messagedb_agent.errors import NotFound, Refused, StoreUnavailable, ValidationError
from messagedb_agent.store.store import Store


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

"""Threads are found again by what people write on them, and nothing of it bears on the agent."""

from collections.abc import Awaitable, Callable

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.glance import SIZES, glance
from messagedb_agent.errors import Refused, ValidationError
from messagedb_agent.store.memory import MemoryStore
from tests.contract.messages import new
from tests.counting_store import CountingStore
from tests.unit.engine.world import Gate, assert_sound, engine_on, scripted, types, under_way


async def listed(
    engine: Engine,
    *,
    limit: int = 10,
    user: str | None = None,
    tag: str | None = None,
    archived: bool = False,
) -> list[str]:
    found = await engine.threads(limit, user=user, tag=tag, archived=archived)
    return [one.summary.thread_id for one in found]


@pytest.mark.parametrize(
    ("file", "type"),
    [
        (lambda agent: agent.set_title("On sums"), "SessionTitled"),
        (lambda agent: agent.tag("sums"), "SessionTagged"),
        (lambda agent: agent.archive(by="ada"), "SessionArchived"),
    ],
)
async def test_what_is_written_on_a_thread_makes_no_state(
    file: Callable[[Agent], Awaitable[Agent]], type: str
) -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    agent = await engine.start("Hello!")
    filed = await file(agent)
    assert filed.id == agent.id
    assert (await types(engine, agent.thread_id))[-1] == type
    later = await agent.advance("More")
    assert later.thread_id == agent.thread_id
    await assert_sound(engine, agent.thread_id)


async def test_a_thread_is_filed_while_its_turn_is_under_way() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(gate.answer("done")))
    agent = await engine.create_agent()
    async with under_way(agent.advance("Work")) as turn:
        await gate.entered.wait()
        assert (await (await agent.tag("slow")).archive()).tags == ("slow",)
        gate.opened.set()
        assert (await turn).answer == "done"
    await assert_sound(engine, agent.thread_id)


async def test_title_tags_and_archiving_can_be_read_of_an_agent() -> None:
    engine = engine_on(MemoryStore())
    agent = await engine.create_agent(user="ada")
    assert (agent.user, agent.tags, agent.is_archived) == ("ada", (), False)
    assert agent.title is None
    assert (await agent.set_title("Sums")).title == "Sums"
    filed = await (await agent.tag("a", "b")).archive()
    assert (filed.tags, filed.is_archived) == (("a", "b"), True)
    again = await (await filed.untag("a", "none")).unarchive()
    assert (again.tags, again.is_archived) == (("b",), False)
    with pytest.raises(ValidationError, match="the tag is empty"):
        await again.tag("c", " ")
    assert (await engine.latest(agent.thread_id)).tags == ("b",)


async def test_a_fork_keeps_user_and_title_and_begins_without_tags_and_not_archived() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    agent = await engine.start("Hello!", user="ada")
    await agent.set_title("Greetings")
    await agent.tag("hello")
    away = await (await agent.advance("And?")).archive()
    fork = await away.fork()
    assert (fork.user, fork.tags, fork.is_archived) == ("ada", (), False)
    assert (fork.title, agent.title) == ("Greetings", None)
    (shown,) = await engine.threads()
    assert shown.summary.thread_id == fork.thread_id
    assert (shown.summary.title, shown.summary.user) == ("Greetings", "ada")
    assert await listed(engine, user="ada", archived=True) == [agent.thread_id]
    child = await fork.fork()
    assert await listed(engine, user="ada") == [child.thread_id, fork.thread_id]


async def test_a_list_is_narrowed_by_user_by_tag_and_by_what_is_archived() -> None:
    engine = engine_on(MemoryStore())
    agents = [await engine.create_agent(user=user) for user in ("ada", "bob", "ada", "ada")]
    a, b, c, d = (agent.thread_id for agent in agents)
    for agent in agents[:3]:
        await agent.tag("x")
    await agents[2].untag("x")
    await agents[0].archive()
    assert await listed(engine) == [c, b, d]
    assert await listed(engine, archived=True) == [a]
    assert await listed(engine, user="ada") == [c, d]
    assert await listed(engine, user="ada", limit=1) == [c]
    assert await listed(engine, tag="x") == [b]
    assert await listed(engine, tag="x", archived=True) == [a]
    assert await listed(engine, user="ada", tag="x", archived=True) == [a]
    assert await listed(engine, user="bob", archived=True) == []
    assert await listed(engine, user="nobody") == await listed(engine, tag="nothing") == []
    await agents[0].unarchive()
    assert await listed(engine, tag="x") == [a, b]


async def test_what_nothing_can_be_filed_under_is_refused() -> None:
    engine = engine_on(MemoryStore())
    for text in ("", " ", "a\x00", "\n"):
        with pytest.raises(ValidationError):
            await listed(engine, tag=text)
        with pytest.raises(ValidationError):
            await listed(engine, user=text)


async def test_a_user_is_found_by_whatever_name() -> None:
    engine = engine_on(MemoryStore())
    for user in ("\U0001f469\u200d\U0001f467", "Ada\xa0L.", "a\nb", "\u202eada", "x" * 2_000):
        agent = await engine.start("Hello!", user=user, detached=True)
        assert await listed(engine, user=user) == [agent.thread_id]
        assert [hit.thread_id for hit in await engine.search("hello", user=user)] == [
            agent.thread_id
        ]


async def test_what_others_write_about_tags_is_read_as_far_as_it_means_something() -> None:
    store = MemoryStore()
    engine = engine_on(store)
    agent = await engine.create_agent()
    stream = f"agent:v0-{agent.thread_id}"
    for data in ('{"added": ["x"], "by": 5}', '{"added": "y"}', "{}", None, '{"added": ["z"]}'):
        await store.append(stream, new("SessionTagged", data))
    await store.append("agent:v0-no thread", new("SessionTagged", '{"added": ["z"]}'))
    assert (await engine.latest(agent.thread_id)).tags == ("z",)
    assert await listed(engine, tag="x") == await listed(engine, tag="y") == []
    assert await listed(engine, tag="z") == [agent.thread_id]


async def test_a_deleted_thread_is_not_filed() -> None:
    store = MemoryStore()
    engine = engine_on(store)
    agent = await engine.create_agent()
    await store.append(f"agent:v0-{agent.thread_id}", new("SessionDeleted", "{}"))
    with pytest.raises(Refused, match="deleted"):
        await agent.archive()


async def test_threads_that_were_archived_in_a_row_are_not_all_read_to_list_the_others() -> None:
    store = CountingStore()
    engine = engine_on(store)
    agents = [await engine.create_agent() for _ in range(200)]
    for agent in agents[:-2]:
        await agent.archive()
    store.given = 0
    assert await listed(engine, limit=2) == [agent.thread_id for agent in agents[:-3:-1]]
    assert store.given < 30


async def test_how_a_long_thread_is_filed_is_told_without_reading_it() -> None:
    store = CountingStore()
    engine = engine_on(store, scripted("one", "two"))
    agent = await engine.start("Hello!", user="ada")
    await (await agent.tag("a", "b")).archive()
    await agent.unarchive()
    await agent.untag("a")
    stream = f"agent:v0-{agent.thread_id}"
    await store.append(stream, *(new("Noted") for _ in range(3 * SIZES[-1])))
    for filed in (False, True):
        if filed:
            await agent.archive()
        store.given = 0
        seen = await glance(store, stream, await store.stream_version(stream))
        assert (seen.state.tags, seen.state.archived, seen.user) == (("b",), filed, "ada")
        assert store.given < 2 * SIZES[-1]
        assert await listed(engine, tag="b", archived=filed) == [agent.thread_id]

"""Agents never change: saying something to an old one begins a fork, and nothing is copied."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.engine.batch import Draft
from messagedb_agent.errors import NotFound, ValidationError
from messagedb_agent.events.request import AssistantReply
from messagedb_agent.events.schema import SessionStarted, SessionTagged, SessionTitled
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.projections.conversation import NOT_RUN
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    assert_sound,
    engine_on,
    events,
    journal_of,
    look,
    model_answers,
    scripted,
    stream_of,
    types,
)


async def test_saying_something_to_an_old_state_forks_there_and_copies_nothing() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    old = await engine.start("first")
    newer = await old.advance("second")
    before = await types(engine, old.thread_id)

    fork = await old.advance("instead")

    assert fork.thread_id != old.thread_id
    assert await types(engine, old.thread_id) == before
    assert await types(engine, fork.thread_id) == (
        "SessionStarted",
        "UserMessageAdded",
        "LlmCallStarted",
        "LlmResponseReceived",
    )
    assert [m.text for m in model.requests[2].messages] == ["first", "one", "instead"]
    assert model_answers(fork) == ["first", "one", "instead", "three"]
    assert model_answers(newer) == ["first", "one", "second", "two"]
    assert await engine.latest(old.thread_id) == newer
    await assert_sound(engine, fork.thread_id)


async def test_a_fork_names_where_it_came_from() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    old = await engine.start("first")
    await old.advance("second")
    fork = await old.advance("instead")
    start = (await events(engine, fork.thread_id))[old.position + 1]
    assert isinstance(start.event, SessionStarted)
    point = start.event.forked_from
    assert point
    assert (point.stream_name, point.position, point.event_id) == (
        stream_of(engine, old.thread_id),
        old.position,
        old.id,
    )
    assert fork.parent_id == old.id
    states = fork.view.lineage.states
    assert [s.id for s in states] == [
        (await events(engine, old.thread_id))[0].id,
        old.id,
        fork.id,
    ]
    assert [agent.id for agent in await fork.lineage()] == [state.id for state in states]


async def test_a_fork_of_a_fork_has_all_of_its_past() -> None:
    model = ScriptedModel(*[f"answer {n}" for n in range(8)])
    engine = engine_on(MemoryStore(), model)
    root = await engine.start("0")
    await root.advance("1")
    child = await root.advance("2")
    await child.advance("3")
    grandchild = await child.advance("4")
    assert model_answers(grandchild) == ["0", "answer 0", "2", "answer 2", "4", "answer 4"]
    assert len({root.thread_id, child.thread_id, grandchild.thread_id}) == 3
    again = engine_on(engine.store, model)
    assert await again.latest(grandchild.thread_id) == grandchild
    assert (await (await again.latest(grandchild.thread_id)).advance("5")).answer == "answer 5"
    await assert_sound(engine, grandchild.thread_id)


async def test_every_event_names_a_state_that_any_engine_loads() -> None:
    engine = engine_on(MemoryStore(), scripted(call("look"), "one", "two", "three"), look)
    seen: dict[str, Agent] = {}
    first = await engine.start("first")
    second = await first.advance("second")
    fork = await first.advance("instead")
    for agent in (first, second, fork):
        seen[agent.id] = agent
    again = engine_on(engine.store, scripted(), look)
    for thread in (first.thread_id, fork.thread_id):
        for recorded in await events(engine, thread):
            loaded = await again.load_agent(recorded.id)
            assert loaded.id == recorded.id
            assert loaded.position == recorded.position
            if recorded.id in seen:
                assert loaded == seen[recorded.id]
                assert loaded.view == seen[recorded.id].view
    assert first.parent_id == (await events(engine, first.thread_id))[0].id
    assert second.parent_id == first.id


async def test_an_agent_is_the_same_whatever_came_after_it() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.start("first")
    before = (first.answer, first.status, model_answers(first))
    await first.advance("second")
    assert (first.answer, first.status, model_answers(first)) == before
    assert await engine.load_agent(first.id) == first


async def test_a_fork_in_the_middle_of_a_turn_closes_what_was_open_and_runs_nothing_twice() -> None:
    runs: list[str] = []

    @tool
    def count(what: str) -> str:
        """Count."""
        runs.append(what)
        return "1"

    model = ScriptedModel(
        (call("count", what="a"), call("count", what="b")), "two", *[f"fork {n}" for n in range(9)]
    )
    engine = engine_on(MemoryStore(), model, count)
    agent = await engine.start("count")
    rows = await events(engine, agent.thread_id)
    assert runs == ["a", "b"]
    expected = {
        "SessionStarted": ["instead"],
        "UserMessageAdded": ["count", "instead"],
        "LlmCallStarted": ["count", "instead"],
        "LlmResponseReceived": ["count", "", NOT_RUN, NOT_RUN, "instead"],
        "ToolExecutionStarted": ["count", "", NOT_RUN, NOT_RUN, "instead"],
    }
    for recorded in rows[:-4]:
        fork = await (await engine.load_agent(recorded.id)).advance("instead")
        asked = [m.text for m in model.requests[-1].messages]
        assert asked == expected[type(recorded.event).__name__], recorded
        assert await types(engine, fork.thread_id) == (
            "SessionStarted",
            "UserMessageAdded",
            "LlmCallStarted",
            "LlmResponseReceived",
        )
        await assert_sound(engine, fork.thread_id)
    half = rows[-4]  # one of the two results stands
    fork = await (await engine.load_agent(half.id)).advance("instead")
    shown = [m.text for m in model.requests[-1].messages]
    assert sorted(shown) == sorted(["count", "", "1", NOT_RUN, "instead"])
    assert isinstance(model.requests[-1].messages[1], AssistantReply)
    assert runs == ["a", "b"]
    assert len(await engine.threads(limit=100)) == 1 + len(rows) - 3
    await assert_sound(engine, fork.thread_id)


async def test_titles_and_tags_do_not_count_as_moving_on() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    agent = await engine.start("first")
    journal = await journal_of(engine, agent.thread_id)
    ids = engine._workings.writing.ids
    titled = Draft(ids.new(), SessionTitled(title="A title"))
    tagged = Draft(ids.new(), SessionTagged(added=("a",)))
    await journal.record([titled, tagged], lambda _: None)
    answered = await agent.advance("second")
    assert answered.thread_id == agent.thread_id
    assert answered.answer == "two"
    assert answered.parent_id == agent.id


async def test_what_is_refused_leaves_no_fork_behind() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    old = await engine.start("first")
    await old.advance("second")
    with pytest.raises(ValidationError):
        await old.advance("  \n")
    with pytest.raises(ValidationError):
        await old.advance("hello", limits="none")
    assert len(await engine.threads()) == 1


async def test_what_is_refused_of_a_fork_is_told_as_what_it_is_alone() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    old = await engine.create_agent()
    await old.advance("first")
    with pytest.raises(ValidationError) as caught:
        await old.advance("")
    assert caught.value.__context__ is None


async def test_a_message_at_the_head_never_forks() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    old = await engine.start("first")
    await old.advance("second")
    answered = await old.advance("third", at_head=True)
    assert answered.thread_id == old.thread_id
    assert model_answers(answered)[-2:] == ["third", "three"]


async def test_a_fork_goes_on_with_another_model_if_it_is_told_to() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    old = await engine.start("first")
    await old.advance("second")
    fork = await old.advance("instead", model="other")
    assert fork.model == "other"
    assert old.model == "offline"
    assert [r.model for r in model.requests] == ["offline", "offline", "other"]


@pytest.mark.parametrize("id", ["00000000-0000-4000-8000-000000000000"])
async def test_an_id_that_names_nothing_here_is_not_found(id: str) -> None:
    store = MemoryStore()
    engine, other = engine_on(store), engine_on(store, category="other")
    elsewhere = await other.create_agent()
    for name in (id, elsewhere.id):
        with pytest.raises(NotFound):
            await engine.load_agent(name)

"""Forks that are made on purpose, without a word said in them."""

from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import assert_sound, engine_on, events, scripted, types


async def test_a_fork_of_a_state_at_rest_shares_its_past_and_asks_no_model() -> None:
    model = scripted("one", "two", "three")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("first")
    fork = await agent.fork()
    assert fork.thread_id != agent.thread_id
    assert (fork.status, fork.parent_id) == ("waiting", agent.id)
    assert len(model.requests) == 1
    assert await types(engine, fork.thread_id) == ("SessionStarted",)
    answered = await fork.advance("second")
    assert answered.thread_id == fork.thread_id
    assert [m.text for m in model.requests[1].messages] == ["first", "one", "second"]
    assert await engine.latest(agent.thread_id) == agent
    await assert_sound(engine, fork.thread_id)


async def test_a_fork_in_the_middle_of_a_turn_answers_what_it_owes() -> None:
    model = scripted("one", "another")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("first")
    asked = (await events(engine, agent.thread_id))[1]
    fork = await (await engine.load_agent(asked.id)).fork()
    assert fork.answer == "another"
    assert (await engine.latest(agent.thread_id)).answer == "one"
    await assert_sound(engine, fork.thread_id)


async def test_nothing_waits_in_a_fork_of_a_waiting_state() -> None:
    @tool(needs_approval=True)
    def burn() -> str:
        """Burn it."""
        return "burnt"

    engine = engine_on(MemoryStore(), scripted(call("burn"), "in the fork"), burn)
    waiting = await engine.start("first")
    fork = await waiting.fork()
    assert (fork.answer, fork.approvals) == ("in the fork", ())
    assert len((await engine.latest(waiting.thread_id)).approvals) == 1

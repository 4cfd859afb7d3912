"""What is asked to go on: a thread that has nothing to do keeps the agent that it has."""

from messagedb_agent.agents.engine import Engine
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, look, scripted, types


@tool(needs_approval=True)
def wipe() -> str:
    """Wipe."""
    return "gone"


async def resumed_without_tools(engine: Engine, thread_id: str) -> tuple[str, ...]:
    """Resume a thread where none of its tools are; return the types of what that wrote."""
    before = await types(engine, thread_id)
    agent = await engine_on(engine.store, scripted("later")).latest(thread_id)
    assert agent.definition is not None
    assert agent.definition.tools
    await agent.resume(model="other")
    return (await types(engine, thread_id))[len(before) :]


async def test_a_thread_that_waits_for_its_user_keeps_its_agent() -> None:
    engine = engine_on(MemoryStore(), scripted("one"), look)
    agent = await engine.start("first")
    assert await resumed_without_tools(engine, agent.thread_id) == ()


async def test_a_thread_that_waits_for_an_approval_keeps_its_agent() -> None:
    engine = engine_on(MemoryStore(), scripted(call("wipe")), wipe)
    agent = await engine.start("first")
    assert await resumed_without_tools(engine, agent.thread_id) == ()


async def test_a_thread_that_has_ended_keeps_its_agent() -> None:
    engine = engine_on(MemoryStore(), scripted("one"), look)
    agent = await (await engine.start("first")).end()
    assert await resumed_without_tools(engine, agent.thread_id) == ()


async def test_a_fork_of_a_thread_at_rest_keeps_its_agent_until_something_is_said() -> None:
    engine = engine_on(MemoryStore(), scripted("one"), look)
    agent = await engine.start("first")
    other = engine_on(engine.store, scripted("two"))
    fork = await (await other.latest(agent.thread_id)).fork()
    assert await types(other, fork.thread_id) == ("SessionStarted",)
    assert fork.definition == agent.definition
    answered = await fork.advance("second")
    assert (await types(other, fork.thread_id))[1:3] == ("AgentRedefined", "UserMessageAdded")
    assert answered.definition is not None
    assert answered.definition.tools == ()


async def test_a_thread_with_a_step_to_take_takes_it_as_the_new_agent() -> None:
    engine = engine_on(MemoryStore(), scripted("one"), look)
    agent = await engine.create_agent()
    await engine.store.append(
        f"agent:v0-{agent.thread_id}", new("UserMessageAdded", '{"text": "hi"}')
    )
    assert await resumed_without_tools(engine, agent.thread_id) == (
        "AgentRedefined",
        "LlmCallStarted",
        "LlmResponseReceived",
    )

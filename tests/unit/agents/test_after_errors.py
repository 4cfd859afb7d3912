"""What an error leaves: the agent as it was, and a thread that goes on."""

import asyncio

import pytest

from messagedb_agent.agent.commands import Say
from messagedb_agent.errors import (
    ConfigurationError,
    LimitReached,
    StoreUnavailable,
)
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.values import Limits
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.properties.conversation_rules import broken_request
from tests.unit.agents.troubles import ID, World, engine_with, held
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    scripted,
    types,
)


class Unreliable(WatchedStore):
    """A store that goes away behind some appends."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.left = appends

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if self.left == 0:
            raise StoreUnavailable("it is away")
        self.left -= 1
        return await super().append(stream, *messages, expected_version=expected_version)


@pytest.mark.parametrize("appends", [1, 2, 3, 4])
async def test_a_store_that_goes_away_leaves_the_agent_as_it_was_and_resume_goes_on(
    appends: int,
) -> None:
    store = Unreliable(appends)
    engine = engine_with(store)
    agent = await engine.create_agent()
    before = (agent.id, agent.view, agent.status)
    with pytest.raises(StoreUnavailable):
        await agent.advance("look", message_id=ID)
    assert (agent.id, agent.view, agent.status) == before
    store.left = -1
    if appends > 1:  # what was said stands, and the same agent goes on with it
        assert (await agent.resume()).answer == "seen"
    again = await agent.advance("look", message_id=ID)
    assert again.answer == "seen"
    assert (await types(engine, agent.thread_id)).count("UserMessageAdded") == 1
    await assert_sound(engine, agent.thread_id)


async def test_a_task_that_is_cancelled_leaves_the_agent_as_it_was_and_resume_goes_on() -> None:
    gate = Gate()
    model = scripted(gate.answer("late"), "hello")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.create_agent()
    before = agent.view
    task = asyncio.ensure_future(agent.advance("hi"))
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert agent.view is before
    resumed = await agent.resume()
    assert resumed.answer == "hello"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("how", ["resume", "message", "fork"])
async def test_at_the_limit_of_rounds_no_call_is_unanswered_and_the_thread_goes_on(
    how: str,
) -> None:
    engine = engine_with(MemoryStore())
    agent = await engine.create_agent()
    limits = Limits(rounds_per_turn=2)
    stopped = await held(agent.advance("look for ever", limits=limits), LimitReached)
    assert (stopped.status, stopped.parent_id) == ("limit", agent.id)
    assert agent.status == "waiting"
    assert (await types(engine, agent.thread_id))[-1] == "LimitReached"
    shown = stopped.view.conversation
    messages = [entry.message for entry in shown.entries]
    asked = [c.call_id for m in messages for c in getattr(m, "calls", ())]
    answered = [m.call_id for m in messages if isinstance(m, ToolAnswer)]
    assert answered == asked
    assert len(asked) == 2
    assert broken_request(shown) is None

    match how:
        case "resume":
            more = await held(stopped.resume(), LimitReached)
            assert more.thread_id == agent.thread_id
        case "message":
            assert (await stopped.advance("and now?")).answer == "hello"
        case _:
            fork = await (await engine.load_agent(stopped.id)).fork(detached=True)
            assert (await engine.ask(fork, Say("and now?"))).answer == "hello"
    await assert_sound(engine, agent.thread_id)


async def test_an_error_of_configuration_leaves_what_was_said_for_who_has_the_tool() -> None:
    engine = engine_with(MemoryStore())
    agent = await World(engine, await engine.create_agent()).left_open()
    before = agent.view
    with pytest.raises(ConfigurationError):
        await agent.advance("hi", at_head=True)
    assert agent.view is before
    there = await types(engine_on(agent.engine.store), agent.thread_id)
    assert there[-2:] == ("ToolExecutionStarted", "UserMessageAdded")

    @tool(effect="retry")
    async def work() -> str:
        """Work."""
        return "worked after all"

    store = agent.engine.store
    other = engine_on(store, scripted("done"), work)
    resumed = await (await other.latest(agent.thread_id)).resume()
    assert resumed.answer == "done"
    assert "ToolExecutionCompleted" in await types(other, agent.thread_id)
    await assert_sound(other, agent.thread_id)

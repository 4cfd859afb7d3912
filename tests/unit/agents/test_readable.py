"""What an agent tells of its past, and agents that are made of it."""

from decimal import Decimal

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ModelError, NotFound
from messagedb_agent.events.request import CallFailure, Reply, Request
from messagedb_agent.events.values import Limits, Usage
from messagedb_agent.llm.scripted import call, say
from messagedb_agent.projections.messages import ChatMessage
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import engine_on, events, scripted


def paid(text: str, cost: str) -> Reply:
    usage = Usage(input_tokens=7, output_tokens=3)
    return Reply("m", text, "stop", usage=usage, cost_usd=Decimal(cost))


@tool(effect="retry")
def look(what: str) -> str:
    """Look at something."""
    if what == "nothing":
        raise ValueError("there is nothing")
    return f"seen {what}"


def told(messages: tuple[ChatMessage, ...]) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages]


async def test_messages_are_what_was_said_each_with_what_it_cost() -> None:
    calls = say("one moment", call("look", what="stars"), call("look", what="nothing"))
    engine = engine_on(MemoryStore(), scripted(calls, paid("stars", "0.25")), look)
    agent = await engine.start("look up", user="ada")
    asked, reply, seen, failed, answer = await agent.messages()
    assert (asked.role, asked.text, asked.user) == ("user", "look up", "ada")
    assert (reply.role, reply.text) == ("assistant", "one moment")
    assert [(c.name, c.arguments) for c in reply.tool_calls] == [
        ("look", '{"what": "stars"}'),
        ("look", '{"what": "nothing"}'),
    ]
    assert [seen.call_id, failed.call_id] == [c.call_id for c in reply.tool_calls]
    assert (seen.role, seen.text) == ("tool", "seen stars")
    assert "there is nothing" in failed.text
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("stars", 7, 3)
    assert answer.cost_usd == Decimal("0.25")
    for free in (asked, seen, failed):
        assert (free.input_tokens, free.output_tokens, free.cost_usd) == (None, None, None)
    assert "input_tokens=7, output_tokens=3, cost_usd=Decimal('0.25')" in repr(answer)
    assert answer.event_id == agent.id
    assert answer.created_at == agent.created_at


async def test_numbers_of_a_thread_are_shown_without_the_fold_that_they_were_counted_by() -> None:
    engine = engine_on(MemoryStore(), scripted(paid("stars", "0.25")))
    agent = await engine.start("first")
    (listed,) = await engine.threads()
    used, stats = await agent.usage(), await engine.stats(agent.thread_id)
    for shown in (repr(used), repr(stats), repr(listed)):
        assert "State" not in shown
        assert len(shown) < 1500
    assert "input_tokens=7" in repr(used)
    assert "input_tokens=7" in repr(stats)


async def test_a_message_cannot_be_changed() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    (said, _) = await (await engine.start("first")).messages()
    with pytest.raises(AttributeError):
        said.text = "other"  # type: ignore[misc]  # that is what is tried


async def test_messages_end_at_the_state_whatever_came_after_it() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    first = await engine.start("first")
    second = await first.advance("second")
    fork = await first.advance("third")
    await first.set_title("a title")
    assert told(await first.messages()) == [("user", "first"), ("assistant", "one")]
    assert told(await second.messages())[2:] == [("user", "second"), ("assistant", "two")]
    assert told(await fork.messages())[2:] == [("user", "third"), ("assistant", "three")]
    assert [await a.last_response() for a in (first, second, fork)] == ["one", "two", "three"]


async def test_messages_hold_a_round_that_waits_and_what_was_said_meanwhile() -> None:
    @tool(needs_approval=True)
    def burn() -> str:
        """Burn it."""
        return "burnt"

    engine = engine_on(MemoryStore(), scripted(call("burn"), "done"), burn)
    waiting = await engine.start("burn it")
    said = await waiting.advance("quickly", detached=True)
    assert told(await said.messages()) == [
        ("user", "burn it"),
        ("assistant", ""),
        ("user", "quickly"),
    ]
    assert (await said.messages())[1].tool_calls[0].name == "burn"


async def test_messages_hold_what_a_summary_stands_for_and_not_the_summary() -> None:
    too_long = CallFailure("context_overflow", "too long")
    engine = engine_on(MemoryStore(), scripted("one", too_long, "in short", "two"))
    first = await engine.start("first")
    later = await first.advance("second")
    types = [type(event).__name__ for event in await events_of(engine, later.thread_id)]
    assert "ContextCompacted" in types
    assert told(await later.messages()) == [
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
        ("assistant", "two"),
    ]


async def test_the_last_response_outlives_a_turn_that_failed() -> None:
    broken = CallFailure("refused", "no")
    engine = engine_on(MemoryStore(), scripted("one", broken))
    new = await engine.create_agent()
    assert await new.last_response() is None
    first = await new.advance("first")
    with pytest.raises(ModelError) as failed:
        await first.advance("second")
    assert failed.value.agent.answer is None
    assert await failed.value.agent.last_response() == "one"


async def test_usage_ends_at_the_state_and_counts_what_a_fork_shares() -> None:
    engine = engine_on(MemoryStore(), scripted(*(paid(t, "0.5") for t in ("one", "two", "three"))))
    first = await engine.start("first")
    await first.advance("second")
    fork = await first.advance("third")
    used, of_fork = await first.usage(), await fork.usage()
    assert (used.models.calls, used.input_tokens, used.output_tokens) == (1, 7, 3)
    assert (of_fork.models.calls, of_fork.cost_usd) == (2, Decimal(1))


async def test_lineage_leads_from_the_first_agent_to_this_one_across_forks() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three", "four"))
    new = await engine.create_agent("Ada")
    first = await new.advance("first")
    second = await first.advance("second")
    fork = await first.advance("third")
    last = await fork.advance("fourth")
    assert await second.lineage() == (new, first, second)
    line = await last.lineage()
    assert line[:2] == (new, first)
    assert line[-2:] == (fork, last)
    assert [agent.parent_id for agent in line] == [None, *(agent.id for agent in line[:-1])]
    assert {agent.thread_id for agent in line[2:]} == {fork.thread_id}
    assert await line[1].messages() == await first.messages()
    assert await new.lineage() == (new,)


async def test_lineage_goes_through_a_fork_of_the_middle_of_a_turn() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "another"))
    new = await engine.create_agent()
    agent = await new.advance("first")
    asked = (await events(engine, agent.thread_id))[1]
    middle = await engine.load_agent(asked.id)
    fork = await middle.clone()
    assert await fork.lineage() == (new, middle, fork)


async def test_a_limit_that_stopped_a_turn_is_a_state_of_the_line() -> None:
    model = scripted(*(call("look", what="stars") for _ in range(3)))
    engine = engine_on(MemoryStore(), model, look)
    new = await engine.create_agent(limits=Limits(calls_per_turn=1))
    stopped = await new.advance("look", detached=True)
    line = await stopped.lineage()
    assert line == (new, stopped)


async def test_at_gives_the_thread_as_it_was_and_as_it_became() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.start("first")
    second = await first.advance("second")
    assert await second.at(first.position) == first
    assert await first.at(second.position) == second
    assert (await second.at(first.position)).answer == "one"
    for position in (-1, second.position + 1):
        with pytest.raises(NotFound):
            await second.at(position)


async def test_agents_are_equal_and_hashed_by_their_ids() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two"))
    first = await engine.start("first")
    second = await first.advance("second")
    loaded = await engine.load_agent(first.id)
    assert loaded is not first
    assert loaded == first
    assert {loaded, first, second} == {first, second}
    assert first != second
    assert first != first.id
    with pytest.raises(AttributeError):
        first.id = second.id  # type: ignore[misc]  # that is what is tried


async def test_an_agent_shows_where_it_stands_in_one_line() -> None:
    engine = engine_on(MemoryStore(), scripted("Good day."))
    agent = await engine.create_agent("Ada")
    later = await agent.advance("hello")
    ids = f"id={later.id!r}, thread_id={later.thread_id!r}"
    assert repr(later) == f"Agent({ids}, position=3, name='Ada', status='waiting')"


async def events_of(engine: Engine, thread_id: str) -> list[object]:
    return [recorded.event for recorded in await events(engine, thread_id)]


async def test_a_clone_shares_the_past_and_asks_nobody() -> None:
    model = scripted("one", "two")
    engine = engine_on(MemoryStore(), model)
    agent = await engine.start("first", metadata={"topic": "stars"})
    clone = await agent.clone()
    assert (clone.parent_id, clone.answer) == (agent.id, "one")
    assert clone.thread_id != agent.thread_id
    assert clone.metadata == {"topic": "stars"}
    assert await clone.messages() == await agent.messages()
    assert len(model.requests) == 1
    later = await clone.advance("second")
    assert later.thread_id == clone.thread_id
    assert await engine.latest(agent.thread_id) == agent


async def test_a_clone_of_the_middle_of_a_turn_owes_its_answer() -> None:
    model = scripted("one", "another")
    engine = engine_on(MemoryStore(), model)
    asked = (await events(engine, (await engine.start("first")).thread_id))[1]
    clone = await (await engine.load_agent(asked.id)).clone()
    assert (clone.status, clone.answer, len(model.requests)) == ("ready", None, 1)
    assert (await clone.resume()).answer == "another"


async def test_an_agent_with_another_model_is_a_new_one_and_the_old_one_keeps_its_own() -> None:
    asked: list[str] = []

    def by_name(request: Request) -> str:
        asked.append(request.model)
        return request.model

    engine = engine_on(MemoryStore(), scripted(*[by_name] * 3))
    agent = await (await engine.create_agent(model="first", metadata={"a": 1})).advance("hi")
    other = await agent.with_model("second")
    assert (agent.model, other.model, other.parent_id) == ("first", "second", agent.id)
    assert (other.metadata, other.id != agent.id) == ({"a": 1}, True)
    assert (await other.advance("hi")).answer == "second"
    assert (await agent.advance("hi")).answer == "first"
    loaded = await engine.load_agent(other.id)
    assert (loaded, loaded.model) == (other, "second")


async def test_metadata_of_a_new_agent_take_the_place_of_the_old_ones() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.create_agent(metadata={"topic": "stars", "n": 1})
    other = await agent.with_metadata({"n": 2})
    assert (agent.metadata, other.metadata) == ({"topic": "stars", "n": 1}, {"n": 2})
    assert (await engine.load_agent(other.id)).metadata == {"n": 2}
    assert (await other.with_metadata({})).metadata == {}
    assert (await (await other.advance("hi")).clone()).metadata == {"n": 2}

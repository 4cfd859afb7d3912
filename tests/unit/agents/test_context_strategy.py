"""A context strategy that nobody here can follow: refused from callers, read from logs."""

from collections.abc import Awaitable, Sequence

import pytest

from messagedb_agent.agent.commands import Redefine
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.events.values import Definition
from messagedb_agent.store.memory import MemoryStore
from tests.contract.messages import new
from tests.unit.engine.world import (
    engine_on,
    events,
    model_answers,
    scripted,
    stream_of,
    types,
)

OTHER = "by_relevance:2"


def other(engine: Engine) -> Definition:
    """Return a definition as newer code may make it."""
    return engine.define().model_copy(update={"context_strategy": OTHER})


async def started_elsewhere(engine: Engine, thread_id: str = "theirs") -> str:
    """Begin a thread as another writer does, with a strategy that is not known here."""
    event = SessionStarted(thread_id=thread_id, definition=other(engine))
    data = event.model_dump_json(by_alias=True, exclude_defaults=True)
    assert f'"contextStrategy":"{OTHER}"' in data
    await engine.store.append(stream_of(engine, thread_id), new("SessionStarted", data))
    return thread_id


async def test_a_context_strategy_that_is_not_known_is_refused_and_nothing_is_written() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    attempts: Sequence[Awaitable[Agent]] = (
        engine.create_agent(context_strategy=OTHER),
        engine.start("hi", definition=other(engine)),
    )
    for attempt in attempts:
        with pytest.raises(ValidationError) as caught:
            await attempt
        assert caught.value.field == "context"
    assert await engine.threads() == ()


async def test_a_context_strategy_that_is_not_known_is_refused_as_a_change() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.create_agent(context_strategy="all")
    changes: Sequence[Awaitable[Agent]] = (
        agent.advance("hi", context_strategy=OTHER),
        agent.resume(context_strategy=OTHER),
        engine.ask(agent, Redefine(other(engine))),
    )
    for change in changes:
        with pytest.raises(ValidationError) as caught:
            await change
        assert caught.value.field == "context"
    assert await types(engine, agent.thread_id) == ("SessionStarted",)


async def test_a_recorded_strategy_that_is_not_known_is_kept_and_all_is_shown() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    agent = await engine.latest(await started_elsewhere(engine))
    assert agent.status == "waiting"
    for text in ("first", "second", "third"):
        agent = await agent.advance(text)
    assert model_answers(agent) == ["first", "one", "second", "two", "third", "three"]
    assert agent.definition == other(engine)
    verified = await engine.verify(agent.thread_id)
    assert (verified.finding, verified.requests) == (None, 3)


async def test_a_recorded_strategy_outlives_other_changes_and_forks() -> None:
    engine = engine_on(MemoryStore(), scripted("one", "two", "three"))
    first = await engine.latest(await started_elsewhere(engine))
    second = await first.advance("hi", system_prompt="Be brief.")
    redefined = [r.event for r in await events(engine, second.thread_id)][1]
    assert isinstance(redefined, AgentRedefined)
    assert redefined.definition.context_strategy == OTHER
    fork = await first.advance("another way")
    assert fork.thread_id != first.thread_id
    assert fork.definition == other(engine)


async def test_a_recorded_strategy_gives_way_to_all() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    agent = await engine.latest(await started_elsewhere(engine))
    changed = await agent.advance("hi", context_strategy="all")
    assert changed.definition == engine.define()

"""Agents that are shown a part of their conversation: what is asked, recorded and explained."""

from collections.abc import Sequence

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.context import ContextStrategy, first_last, last_n, summarize, token_window
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.request import CallFailure, Reply, Request
from messagedb_agent.events.schema import ContextCompacted, LlmCallStarted
from messagedb_agent.events.strategy import ALL, parsed
from messagedb_agent.events.values import Usage
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.conversation import SUMMARY_PREFIX
from messagedb_agent.projections.explanation import asking, explained
from messagedb_agent.projections.requests import SUMMARY_INSTRUCTION
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import assert_sound, engine_on, events, scripted


def texts(request: Request) -> Sequence[str]:
    return [message.text for message in request.messages]


async def talked(agent: Agent, *said: str) -> Agent:
    for text in said:
        agent = await agent.advance(text)
    return agent


def engine_of(model: ScriptedModel) -> Engine:
    return engine_on(MemoryStore(), model)


async def test_the_model_is_shown_what_the_strategy_says_and_the_thread_stays_whole() -> None:
    model = scripted(*"ABCD")
    engine = engine_of(model)
    agent = await engine.create_agent(context=last_n(4))
    agent = await talked(agent, *"abcd")
    assert [texts(request) for request in model.requests] == [
        ["a"],
        ["a", "A", "b"],
        ["c"],
        ["c", "C", "d"],
    ]
    assert agent.definition is not None
    assert agent.definition.context_strategy == "last_n:4"
    assert [entry.message.text for entry in agent.view.conversation.entries] == list("aAbBcCdD")
    started = [r.event for r in await events(engine, agent.thread_id)]
    claims = [event for event in started if isinstance(event, LlmCallStarted)]
    assert [[(r.first, r.last) for r in claim.left_out] for claim in claims] == [
        [],
        [],
        [(0, 3)],
        [(0, 3)],
    ]
    assert [claim.projection_version for claim in claims] == [1, 1, 2, 2]
    await assert_sound(engine, agent.thread_id)


async def test_a_fork_and_a_process_that_takes_over_go_on_with_the_same_cut() -> None:
    model = scripted(*"ABCDEF")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context="last_n:6"), *"abcd")
    assert texts(model.requests[-1]) == ["c", "C", "d"]
    other = engine_on(engine.store, model)
    again = await (await other.load_agent(agent.id)).advance("e")
    assert texts(model.requests[-1]) == ["c", "C", "d", "D", "e"]
    await assert_sound(other, again.thread_id)
    fork = await agent.advance("f")
    assert fork.thread_id != agent.thread_id
    assert texts(model.requests[-1]) == ["c", "C", "d", "D", "f"]
    await assert_sound(engine, fork.thread_id)


async def test_a_strategy_is_changed_from_the_next_message_on_and_then_counts_anew() -> None:
    model = scripted(*"ABCDE")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context=last_n(2)), *"abc")
    assert texts(model.requests[-1]) == ["c"]
    agent = await agent.advance("d", context=last_n(6, sliding=True))
    assert texts(model.requests[-1]) == ["b", "B", "c", "C", "d"]
    agent = await agent.advance("e", context="all")
    assert texts(model.requests[-1]) == list("aAbBcCdDe")
    await assert_sound(engine, agent.thread_id)


async def test_a_request_is_explained_with_what_it_left_out() -> None:
    engine = engine_of(scripted(*"ABCD"))
    agent = await talked(await engine.create_agent(context=first_last(1, 3)), *"abcd")
    whole = await engine.fold(agent.thread_id, asking)
    claim = whole.claims[-1]
    at = claim.event.context_position
    found = explained(claim, await engine.fold(agent.thread_id, asking, at=at))
    assert found is not None
    assert found.is_recorded
    assert [part.message.text for part in found.parts] == ["a", "c", "C", "d"]
    (gap,) = found.gaps
    assert (gap.before, gap.messages) == (1, 3)
    assert (gap.first.position, gap.last.position) == (3, 6)
    assert found.strategy == "first_last:1,3"


async def test_tokens_are_counted_by_what_the_engine_writes_with() -> None:
    model = scripted(*"ABC")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context=token_window(23)), "a" * 40, "b", "c")
    assert texts(model.requests[1]) == ["b"]  # ten tokens, and four a message
    assert texts(model.requests[2]) == ["b", "B", "c"]
    await assert_sound(engine, agent.thread_id)


def answer(text: str, tokens: int) -> Reply:
    usage = Usage(input_tokens=tokens)
    return Reply(model="scripted", text=text, finish_reason="stop", usage=usage)


async def test_a_long_conversation_is_summarised_by_half_and_the_newer_half_stays() -> None:
    counted = {"A": 10, "B": 20, "C": 90, "in short": 7, "D": 30}
    model = scripted(*(answer(text, tokens) for text, tokens in counted.items()))
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context=summarize(50)), *"abc")
    assert len(model.requests) == 3
    agent = await agent.advance("d")
    assert texts(model.requests[3]) == [*"aAbB", SUMMARY_INSTRUCTION]
    assert texts(model.requests[4]) == [SUMMARY_PREFIX + "in short", *"cCd"]
    assert agent.answer == "D"
    rows = [r.event for r in await events(engine, agent.thread_id)]
    (made,) = [event for event in rows if isinstance(event, ContextCompacted)]
    assert (made.summary, made.through_position) == ("in short", 6)
    assert agent.view.conversation.state.total.tokens == 157
    await assert_sound(engine, agent.thread_id)


async def test_a_request_for_a_summary_is_explained_with_what_stays_as_it_is() -> None:
    overflow = CallFailure("context_overflow", "too long")
    engine = engine_of(scripted(*"AB", overflow, "in short", "C"))
    agent = await talked(await engine.create_agent(), *"abc")
    (claim,) = [
        claim
        for claim in (await engine.fold(agent.thread_id, asking)).claims
        if claim.event.purpose == "summary"
    ]
    at = claim.event.context_position
    found = explained(claim, await engine.fold(agent.thread_id, asking, at=at))
    assert found is not None
    assert found.is_recorded
    assert [part.place.position if part.place else None for part in found.parts] == [
        1,
        3,
        4,
        6,
        None,
    ]
    (gap,) = found.gaps
    assert (gap.before, gap.messages, gap.first.position) == (4, 1, 7)


async def test_another_strategy_can_be_supposed() -> None:
    model = scripted(*"ABCD")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(), *"abc")
    before = await engine.load_agent((await events(engine, agent.thread_id))[7].id)
    fork = await engine.what_if(before, context=last_n(3))
    assert texts(model.requests[-1]) == ["c"]
    assert fork.definition is not None
    assert fork.definition.context_strategy == "last_n:3"
    with pytest.raises(ValidationError):
        await engine.what_if(before, context="newest:3")


async def test_a_summary_for_length_that_fails_costs_no_answer() -> None:
    failure = CallFailure("unavailable", "not now")
    model = scripted(answer("A", 90), failure, answer("B", 95), "in short", "C")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context=summarize(50)), *"ab")
    assert agent.answer == "B"
    assert texts(model.requests[2]) == [*"aAb"]
    await assert_sound(engine, agent.thread_id)


async def test_a_window_that_overflows_is_summarised_and_what_it_left_out_is_not_asked() -> None:
    overflow = CallFailure("context_overflow", "too long")
    model = scripted(*"ABCD", overflow, "in short", "E")
    engine = engine_of(model)
    agent = await talked(await engine.create_agent(context=last_n(6)), *"abcde")
    assert texts(model.requests[4]) == [*"cCdDe"]
    assert texts(model.requests[5]) == [*"cCdD", SUMMARY_INSTRUCTION]
    assert texts(model.requests[6]) == [SUMMARY_PREFIX + "in short", "e"]
    assert agent.answer == "E"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (last_n(20), "last_n:20"),
        (last_n(20, sliding=True), "last_n:20,sliding"),
        (first_last(2, 18), "first_last:2,18"),
        (token_window(8000, sliding=True), "token_window:8000,sliding"),
        (summarize(8000), "summarize:8000"),
        (last_n(20) | summarize(8000), "last_n:20 | summarize:8000"),
        (last_n(20) | token_window(8000), "last_n:20 | token_window:8000"),
        (ALL, "all"),
    ],
)
def test_a_strategy_is_recorded_as_a_text_that_reads_back_equal(
    strategy: ContextStrategy, text: str
) -> None:
    assert str(strategy) == text
    assert parsed(text) == strategy
    assert parsed(f" {text.replace(':', ' : ').replace(',', ' , ')} ") == strategy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last_n",
        "last_n:",
        "last_n:0",
        "last_n:-1",
        "last_n:1.5",
        "last_n:20,slow",
        "last_n:20,20",
        "last_n:²",
        "last_n:99999999999999999999",
        "first_last:2",
        "summarize:5,sliding",
        "all | last_n:2",
        "summarize:5 | summarize:6",
        "last_n:2 |",
        "newest:2",
    ],
)
async def test_a_text_that_is_no_strategy_is_refused(text: str) -> None:
    engine = engine_of(scripted())
    for attempt in (
        engine.create_agent(context=text),
        engine.create_agent(context_strategy=text),
    ):
        with pytest.raises(ValidationError) as caught:
            await attempt
        assert caught.value.field == "context"
    assert await engine.threads() == ()


@pytest.mark.parametrize("number", [0, -1, True, 2**53 + 1, 1.0, "2"])
def test_a_number_that_no_strategy_takes_is_refused(number: int) -> None:
    for make in (last_n, token_window, summarize, lambda n: first_last(n, 1)):
        with pytest.raises(ValidationError):
            make(number)

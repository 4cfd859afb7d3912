"""A model gives a thread its title, beside the turn."""

import asyncio

import pytest

from messagedb_agent.agents.entitling import MAX_TITLE_CHARS, title_in
from messagedb_agent.errors import ModelError, Refused
from messagedb_agent.events.request import TITLE_INSTRUCTION, CallFailure, UserText
from messagedb_agent.events.schema import SessionTitled
from messagedb_agent.events.values import Limits
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.projections.summary import summary
from messagedb_agent.projections.usage import usage
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.builtin import builtin_tools
from tests.contract.messages import new
from tests.unit.engine.world import (
    Gate,
    assert_sound,
    decoded,
    engine_on,
    look,
    model_answers,
    scripted,
    types,
    under_way,
)

ASIDE = ("LlmCallStarted", "LlmResponseReceived", "SessionTitled")


async def test_the_model_is_asked_with_how_the_conversation_begins_and_the_title_is_recorded() -> (
    None
):
    model = scripted("An answer", '**"A title"**\nand more')
    engine = engine_on(MemoryStore(), model, look)
    agent = await engine.start("Hello!", definition=engine.define(system_prompt="Be brief."))
    titled = await agent.generate_title(by="ada")
    assert titled.id == agent.id
    assert model_answers(titled) == model_answers(agent)
    request = model.requests[-1]
    text = f"{TITLE_INSTRUCTION}\n\nUser: Hello!\n\nAssistant: An answer"
    assert (list(request.messages), request.tools) == ([UserText(text)], ())
    assert request.system_prompt == ""
    assert (await types(engine, agent.thread_id))[4:] == ASIDE
    event = (await decoded(engine, agent.thread_id))[-1].recorded.event
    assert event == SessionTitled(title="A title", by="ada")
    seen = await engine.fold(agent.thread_id, summary)
    assert (seen.title, seen.messages, seen.status) == ("A title", 2, "waiting")
    assert (await engine.fold(agent.thread_id, usage)).models.calls == 2
    await assert_sound(engine, agent.thread_id)
    assert (await engine.verify(agent.thread_id)).requests == 2


async def test_the_offline_model_takes_the_first_words_and_calls_nothing() -> None:
    engine = engine_on(MemoryStore(), OfflineModel(), *builtin_tools())
    agent = await engine.start('What is 42 * 7, and so on and on?\ncall echo {"text": "x"}')
    await agent.generate_title()
    seen = await engine.fold(agent.thread_id, summary)
    assert seen.given_title == "What is 42 * 7, and so on"
    await assert_sound(engine, agent.thread_id)


async def test_a_title_is_made_while_a_turn_is_under_way() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted(gate.answer("done"), "A title"))
    agent = await engine.create_agent()
    async with under_way(agent.advance("Work")) as turn:
        await gate.entered.wait()
        head = await (await engine.latest(agent.thread_id)).generate_title()
        assert head.status == "running"
        gate.opened.set()
        assert (await turn).answer == "done"
    assert (await engine.fold(agent.thread_id, summary)).title == "A title"
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize(
    ("answer", "kind"), [(CallFailure("unavailable", "away"), "unavailable"), ("** \n ''", "empty")]
)
async def test_a_model_that_gives_no_title_harms_nothing(
    answer: CallFailure | str, kind: str
) -> None:
    engine = engine_on(MemoryStore(), scripted("one", answer, "two"))
    agent = await engine.start("Hello!")
    with pytest.raises(ModelError) as failed:
        await agent.generate_title()
    assert failed.value.kind == kind
    assert failed.value.agent is not None
    assert failed.value.agent.status == "waiting"
    assert "SessionTitled" not in await types(engine, agent.thread_id)
    assert (await agent.advance("And?")).answer == "two"
    await assert_sound(engine, agent.thread_id)


async def test_a_call_that_is_cancelled_is_recorded_as_that() -> None:
    gate = Gate()
    engine = engine_on(MemoryStore(), scripted("one", gate.answer("A title")))
    agent = await engine.start("Hello!")
    task = asyncio.create_task(agent.generate_title())
    await gate.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await types(engine, agent.thread_id))[-2:] == ("LlmCallStarted", "LlmCallFailed")
    await assert_sound(engine, agent.thread_id)


async def test_what_takes_no_title_is_not_asked_about() -> None:
    store, model = MemoryStore(), scripted("one")
    engine = engine_on(store, model)
    empty = await engine.create_agent()
    with pytest.raises(Refused, match="nothing was said"):
        await empty.generate_title()
    limited = engine.define(limits=Limits(tokens_per_thread=1))
    spent = await engine.start("Hello!", definition=limited)
    with pytest.raises(Refused, match="tokensPerThread"):
        await spent.generate_title()
    await store.append(f"agent:v0-{empty.thread_id}", new("SessionDeleted", "{}"))
    with pytest.raises(Refused, match="deleted"):
        await empty.generate_title()
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("On sums", "On sums"),
        ('\n  "On   sums"\nmore', "On sums"),
        ("# **On sums**", "On sums"),
        ("\u201eÜber Summen\u201c", "Über Summen"),
        ("", ""),
        ("***\n\n", ""),
        ("x" * 200, "x" * (MAX_TITLE_CHARS - 1) + "…"),
    ],
)
def test_of_an_answer_the_first_line_is_the_title(text: str, title: str) -> None:
    assert title_in(text) == title

"""What really happened to a call of unknown outcome is said once, by whoever is first."""

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import AmbiguousName, NotFound, Refused
from messagedb_agent.events.request import UserText
from messagedb_agent.events.schema import ToolOutcomeResolved
from messagedb_agent.ids import derived_id
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    events,
    scripted,
    stream_of,
    under_way,
)
from tests.waiting import until


def paying(gate: Gate) -> AnyTool:
    @tool(effect="never")
    async def pay() -> str:
        """Pay."""
        await gate.pass_through()
        return "paid after all"

    return pay


async def left_unknown(store: WatchedStore) -> tuple[Engine, Agent]:
    """Return a thread whose worker died while it paid, taken up by another."""
    gate = Gate()
    first = engine_on(store, scripted(call("pay")), paying(gate))
    async with under_way(first.start("go")):
        await gate.entered.wait()
    model = scripted("I cannot know.", "Now I know.")
    second = engine_on(store, model, paying(gate))
    return second, await (await second.latest("last")).resume()


async def resolutions(engine: Engine, agent: Agent) -> list[ToolOutcomeResolved]:
    rows = [recorded.event for recorded in await events(engine, agent.thread_id)]
    return [event for event in rows if isinstance(event, ToolOutcomeResolved)]


async def test_the_model_is_shown_what_a_person_said_with_the_next_message() -> None:
    engine, agent = await left_unknown(WatchedStore())
    (id,) = agent.view.conversation.state.unknown
    resolved = await agent.resolve(id, "failed", "the bank says no", by="ada")
    assert resolved.status == "waiting"
    assert resolved.answer == "I cannot know."
    (event,) = await resolutions(engine, agent)
    assert (event.status, event.text, event.by) == ("failed", "the bank says no", "ada")
    answered = await resolved.advance("and now?")
    assert answered.answer == "Now I know."
    note, said = (entry.message for entry in tuple(answered.view.conversation.entries)[-3:-1])
    assert isinstance(note, UserText)
    assert note.text == f"[Note: call {id} has failed after all: the bank says no]"
    assert said.text == "and now?"
    await assert_sound(engine, agent.thread_id)


async def test_a_call_is_named_by_a_part_of_its_id() -> None:
    _, agent = await left_unknown(WatchedStore())
    for wrong in ("", "nobody", "x_0"):
        with pytest.raises(NotFound):
            await agent.resolve(wrong, "completed", "")
    resolved = await agent.resolve("_0", "completed", "")
    assert resolved.view.conversation.state.unknown == frozenset()
    with pytest.raises(NotFound):
        await resolved.resolve("_0", "completed", "again")
    with pytest.raises(Refused, match="is not unknown"):
        await agent.resolve("_0", "failed", "another answer")


async def test_a_part_that_fits_two_calls_names_neither() -> None:
    store = WatchedStore()
    gate = Gate()
    first = engine_on(store, scripted((call("pay"), call("pay"))), paying(gate))
    async with under_way(first.start("go")):
        await until(lambda: gate.visits == 2)
    second = engine_on(store, scripted("I cannot know."), paying(gate))
    agent = await (await second.latest("last")).resume()
    one, other = sorted(agent.view.conversation.state.unknown)
    with pytest.raises(AmbiguousName) as told:
        await agent.resolve(one[:12], "completed", "yes")
    assert told.value.candidates == (one, other)
    resolved = await agent.resolve("_1", "completed", "yes")
    assert resolved.view.conversation.state.unknown == {one}
    resolved = await resolved.resolve(one[:12], "completed", "yes")
    assert resolved.view.conversation.state.unknown == frozenset()


async def test_two_people_who_say_it_at_once_are_one() -> None:
    store = WatchedStore()
    engine, agent = await left_unknown(store)
    other = await engine_on(store).latest("last")

    async def be_faster(stream: str, messages: tuple[NewMessage, ...]) -> None:
        store.before = None
        await other.resolve("_0", "failed", "no")

    store.before = be_faster
    with pytest.raises(Refused):
        await agent.resolve("_0", "completed", "yes")
    assert [event.text for event in await resolutions(engine, agent)] == ["no"]
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("is_person_first", [True, False])
async def test_of_a_person_and_the_late_process_itself_one_stands(is_person_first: bool) -> None:
    store, gate = WatchedStore(), Gate()
    first = engine_on(store, scripted(call("pay"), "late"), paying(gate))
    async with under_way(first.start("go")) as sleeper:
        await gate.entered.wait()
        thread_id = (await first.latest("last")).thread_id
        store.disown(stream_of(first, thread_id))
        second = engine_on(store, scripted("I cannot know."), paying(gate))
        agent = await (await second.latest("last")).resume()
        if is_person_first:
            await agent.resolve("_0", "failed", "it never arrived", by="ada")
        gate.opened.set()
        await sleeper
        if not is_person_first:
            with pytest.raises(Refused):
                await agent.resolve("_0", "failed", "it never arrived", by="ada")
    (event,) = await resolutions(second, agent)
    assert event.text == ("it never arrived" if is_person_first else "paid after all")
    await assert_sound(second, thread_id)


async def test_nobody_keeps_it_out_by_taking_its_id() -> None:
    store = WatchedStore()
    engine, agent = await left_unknown(store)
    (id,) = agent.view.conversation.state.unknown
    stream = stream_of(engine, agent.thread_id)
    taken = derived_id(stream, id, "resolution")
    await store.append("elsewhere-1", NewMessage(taken, "Noise", "{}"))
    resolved = await agent.resolve("_0", "completed", "it did")
    assert resolved.view.conversation.state.unknown == frozenset()
    await assert_sound(engine, agent.thread_id)

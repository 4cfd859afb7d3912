"""What becomes of a message that comes while a turn is under way, judged in its append."""

import asyncio

import pytest

from messagedb_agent.agent.commands import During
from messagedb_agent.agents.agent import Agent
from messagedb_agent.errors import Refused, TurnUnderWay
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    model_answers,
    scripted,
    stream_of,
    types,
    under_way,
)
from tests.waiting import until

POLICIES: tuple[During, ...] = ("queue", "interrupt", "reject")
ID = "11111111-1111-4111-8111-111111111111"


@tool(needs_approval=True)
def burn() -> str:
    """Burn it."""
    return "burnt"


@pytest.mark.parametrize("during", POLICIES)
async def test_at_rest_every_policy_says_the_message(during: During) -> None:
    engine = engine_on(WatchedStore(), scripted("one", "two"))
    agent = await engine.start("first")
    answered = await agent.advance("second", during=during)
    assert (answered.answer, answered.thread_id) == ("two", agent.thread_id)
    assert "TurnCancelled" not in await types(engine, agent.thread_id)


async def test_a_rejected_message_leaves_the_turn_and_the_log_as_they_are() -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted(gate.answer("one"), "two"))
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        agent = await engine_on(store).latest("last")
        before = await types(engine, agent.thread_id)
        with pytest.raises(TurnUnderWay):
            await agent.advance("second", at_head=True, during="reject")
        assert await types(engine, agent.thread_id) == before
        gate.opened.set()
        answered = await turn
    assert (await answered.advance("second", during="reject")).answer == "two"


async def test_an_interrupting_message_cancels_the_model_call_and_is_answered() -> None:
    store, gate = WatchedStore(), Gate()
    model = scripted(gate.answer("never"), "two")
    engine, other = engine_on(store, model), engine_on(store)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        agent = await other.latest("last")
        answered = await agent.advance("second", user="ada", at_head=True, during="interrupt")
        cancelled = await turn
    assert answered.answer == "two"
    assert store.commits[1].types == ("TurnCancelled", "UserMessageAdded")
    assert model_answers(answered) == ["first", "second", "two"]
    assert gate.left == 0
    # Who said the first one is not given the answer to the second.
    assert cancelled.answer is None
    assert cancelled.view.outcome.cancelled is not None
    assert cancelled.view.outcome.cancelled.by == "ada"
    assert await other.latest("last") == answered
    await assert_sound(engine, agent.thread_id)


async def test_an_interrupting_message_cancels_tools_and_what_waits() -> None:
    store, gate = WatchedStore(), Gate()

    @tool(effect="retry")
    async def work() -> str:
        """Work."""
        await gate.pass_through()
        return "never"

    model = scripted((call("work"), call("burn")), "two")
    engine = engine_on(store, model, work, burn)
    async with under_way(engine.start("first")) as turn:
        await gate.entered.wait()
        waiting = await engine.latest("last")
        answered = await waiting.advance("second", at_head=True, during="interrupt")
        assert (await turn).answer is None
    assert answered.answer == "two"
    with pytest.raises(Refused):
        await waiting.approve()
    texts = [message.text for message in model.requests[1].messages]
    assert texts[-3:-1] == ["Error (cancelled): the turn was cancelled", texts[-2]]
    assert texts[-2].startswith("Not run")
    assert texts[-1] == "second"
    await assert_sound(engine, answered.thread_id)


async def test_a_turn_that_waits_for_approval_is_under_way() -> None:
    engine = engine_on(WatchedStore(), scripted(call("burn"), "two"), burn)
    waiting = await engine.start("first")
    with pytest.raises(TurnUnderWay):
        await waiting.advance("second", during="reject")
    queued = await waiting.advance("second")
    assert queued.status == "approval"
    answered = await queued.advance("third", during="interrupt")
    assert (answered.status, answered.answer) == ("waiting", "two")
    assert model_answers(answered)[-3:] == ["second", "third", "two"]
    await assert_sound(engine, answered.thread_id)


@pytest.mark.parametrize("during", ["interrupt", "reject"])
async def test_the_policy_is_judged_on_the_state_that_the_message_is_appended_to(
    during: During,
) -> None:
    """The thread rests when it is looked at; a turn begins before the append."""
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted("one", "three"))
    other = engine_on(store, scripted(gate.answer("two")))
    agent = await engine.start("first")
    turns: list[asyncio.Task[Agent]] = []

    async def begin_another(_: str, messages: tuple[NewMessage, ...]) -> None:
        store.before = None
        store.disown(stream_of(engine, agent.thread_id))
        turns.append(asyncio.create_task((await other.latest("last")).advance("second")))
        await gate.entered.wait()

    store.before = begin_another
    saying = asyncio.create_task(agent.advance("third", at_head=True, during=during))
    try:
        async with asyncio.timeout(20):
            if during == "reject":
                with pytest.raises(TurnUnderWay):
                    await saying
                gate.opened.set()
                assert (await turns[0]).answer == "two"
                assert "TurnCancelled" not in await types(engine, agent.thread_id)
            else:
                assert (await saying).answer == "three"
                gate.opened.set()  # two owners: the first one's model runs on, for nothing
                assert (await turns[0]).answer is None
                assert [c.types[:2] for c in store.commits].count(
                    ("TurnCancelled", "UserMessageAdded")
                ) == 1
    finally:
        gate.opened.set()
        await asyncio.gather(saying, *turns, return_exceptions=True)
    await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("during", POLICIES)
async def test_a_message_said_twice_is_one_message_and_its_own_turn_is_no_obstacle(
    during: During,
) -> None:
    store, gate = WatchedStore(), Gate()
    engine = engine_on(store, scripted("one", gate.answer("two")))
    agent = await engine.start("first")
    async with (
        under_way(agent.advance("second", message_id=ID, at_head=True, during=during)) as turn,
    ):
        await gate.entered.wait()
        again = (await engine_on(store).latest("last")).advance(
            "second", message_id=ID, at_head=True, during=during
        )
        async with under_way(again) as repeated:
            await store.tried_again()
            assert not repeated.done()
            gate.opened.set()
            assert (await turn, (await repeated).answer) == (await repeated, "two")
    stands = await types(engine, agent.thread_id)
    assert (stands.count("UserMessageAdded"), stands.count("TurnCancelled")) == (2, 0)


async def test_in_a_fork_nothing_is_under_way() -> None:
    engine = engine_on(WatchedStore(), scripted(call("burn"), "in the fork"), burn)
    waiting = await engine.start("first")
    await waiting.advance("meanwhile")
    forked = await waiting.advance("second", during="reject")
    assert forked.thread_id != waiting.thread_id
    assert forked.answer == "in the fork"


async def test_messages_with_every_policy_at_once_leave_a_sound_thread() -> None:
    store = WatchedStore()

    async def yielding(*_: object) -> None:
        await asyncio.sleep(0)

    store.before = store.after = yielding
    engines = [engine_on(store, scripted(*["answer"] * 30)) for _ in range(6)]
    agent = await engines[0].start("first")
    said = [engine.latest(agent.thread_id) for engine in engines]
    agents = await asyncio.gather(*said)
    ended = await asyncio.gather(
        *(
            one.advance(f"message {n}", at_head=True, during=POLICIES[n % 3])
            for n, one in enumerate(agents)
        ),
        return_exceptions=True,
    )
    for number, end in enumerate(ended):
        assert isinstance(end, Agent) or (isinstance(end, TurnUnderWay) and number % 3 == 2)
    await until(lambda: not store.in_hand)
    rest = await engines[0].latest(agent.thread_id)
    assert rest.status == "waiting"
    said_types = await types(engines[0], agent.thread_id)
    refused = sum(isinstance(end, TurnUnderWay) for end in ended)
    assert said_types.count("UserMessageAdded") == 7 - refused
    await assert_sound(engines[0], agent.thread_id)

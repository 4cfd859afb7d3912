"""Ctrl-C during a turn of a chat: the first is said to the thread, the second leaves it."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from messagedb_agent.cli.interrupting import Interrupted, Interruptible
from messagedb_agent.cli.rendering.live import Live
from messagedb_agent.store.message import NewMessage
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    assert_sound,
    engine_on,
    scripted,
    under_way,
)
from tests.waiting import until


@pytest.fixture(autouse=True)
def keeps_what_hears_ctrl_c() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_the_first_ctrl_c_cancels_the_turn_in_the_thread() -> None:
    store, gate, live = WatchedStore(), Gate(), Live(is_quiet=True)
    engine = engine_on(store, scripted(gate.answer("never"), "two"))
    turn = Interruptible(engine, live).step(engine.start("hi", progress=live.progress))
    async with under_way(turn) as running:
        await gate.entered.wait()
        ctrl_c()
        agent = await running
    assert (agent.status, agent.answer, gate.left) == ("waiting", None, 0)
    assert agent.view.outcome.cancelled is not None
    assert (await agent.advance("more")).answer == "two"
    await assert_sound(engine, agent.thread_id)


async def test_a_second_ctrl_c_leaves_the_turn_where_it_is() -> None:
    store, gate, cancelling = WatchedStore(), Gate(), Gate()
    live = Live(is_quiet=True)
    engine = engine_on(store, scripted(gate.answer("never")))

    async def stall(_: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[0].type == "TurnCancelled":
            await cancelling.pass_through()

    store.before = stall
    turn = Interruptible(engine, live).step(engine.start("hi", progress=live.progress))
    async with under_way(turn) as running:
        await gate.entered.wait()
        ctrl_c()
        await cancelling.entered.wait()
        ctrl_c()
        await until(lambda: not store.in_hand)
        cancelling.opened.set()
        with pytest.raises(Interrupted):
            await running
    agent = await engine.latest("last")
    assert agent.status == "waiting"  # what was said of cancelling holds all the same
    await assert_sound(engine, agent.thread_id)


async def test_who_is_cancelled_from_outside_does_not_take_it_for_a_second_ctrl_c() -> None:
    store, gate, live = WatchedStore(), Gate(), Live(is_quiet=True)
    engine = engine_on(store, scripted(gate.answer("never")))
    turn = Interruptible(engine, live).step(engine.start("hi", progress=live.progress))
    async with under_way(turn) as running:
        await gate.entered.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_ctrl_c_before_anything_stands_leaves_nothing() -> None:
    store, gate, live = WatchedStore(), Gate(), Live(is_quiet=True)
    engine = engine_on(store, scripted("never"))

    async def stall(*_: object) -> None:
        await gate.pass_through()

    store.before = stall
    turn = Interruptible(engine, live).step(engine.start("hi", progress=live.progress))
    async with under_way(turn) as running:
        await gate.entered.wait()
        ctrl_c()
        with pytest.raises(Interrupted):
            await running
    assert await engine.threads() == ()

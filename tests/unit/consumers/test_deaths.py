"""Workers that die when they take a certain thread up, until it is put aside."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from itertools import groupby

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers import Parked, Patience, Worker, parking_of
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.tools.function_tool import tool
from tests.unit.consumers.working import QUICK, parked, rests, working
from tests.unit.engine.world import Gate, WatchedStore, engine_on, scripted, stream_of
from tests.waiting import PATIENCE_S, until

SLOT = "agent:v0+slot-workers-0-of-1"


class DeadlyStore(WatchedStore):
    """A store in which reading a certain stream is the death of who does it.

    Attributes:
        deadly: the stream.
        killed: how many have read it.
    """

    deadly = ""
    killed = 0

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        if stream == self.deadly:
            self.killed += 1
            await asyncio.Event().wait()
        async for message in super().read(stream, position=position, until=until):
            yield message


async def dies(store: DeadlyStore, engine: Engine, patience: Patience = QUICK) -> None:
    """Run a worker until the deadly thread kills it."""
    before = store.killed
    task = asyncio.create_task(Worker(engine, size=1, patience=patience).run())
    await until(lambda: store.killed > before)
    task.cancel()  # which leaves its slot without a word
    await asyncio.gather(task, return_exceptions=True)


async def slot_rows(store: DeadlyStore) -> list[Message]:
    return [row async for row in store.read(SLOT)]


async def test_a_thread_that_kills_whoever_takes_it_up_is_parked_and_the_others_are_finished() -> (
    None
):
    store = DeadlyStore()
    client = engine_on(store)
    agents = [await client.start(str(n), detached=True) for n in range(3)]
    deadly = agents[1]
    store.deadly = stream_of(client, deadly.thread_id)
    for _ in range(1 + QUICK.tries):
        await dies(store, engine_on(store, scripted(*["yes"] * 3)))
    async with working(engine_on(store, scripted(*["yes"] * 3)), size=1):
        await rests(client, agents[0], agents[2])
        parking = parking_of(client, "workers")

        async def is_parked() -> bool:
            await parking.catch_up()
            return bool(parking.parked)

        await until(is_parked)
    assert store.killed == 1 + QUICK.tries
    (parked,) = parking.parked
    assert (parked.thread_id, parked.tries) == (deadly.thread_id, QUICK.tries)
    assert (parked.position, parked.global_position) == (1, 4)


async def test_what_may_have_killed_is_noted_before_it_is_taken_up_and_alone_in_the_end() -> None:
    store = DeadlyStore()
    client = engine_on(store)
    agents = [await client.start(str(n), detached=True) for n in range(3)]
    store.deadly = stream_of(client, agents[1].thread_id)
    for _ in range(3):
        await dies(store, engine_on(store, scripted(*["yes"] * 3)))
    rows = [json.loads(row.data or "") for row in await slot_rows(store)]
    noted = [[one["streamName"] for one in row["begun"]] for row in rows if "begun" in row]
    assert [begun for begun in noted if store.deadly in begun][-1] == [store.deadly]
    assert {"streamName": store.deadly, "position": 1, "deaths": 1} in rows[-1]["deaths"]


async def test_after_a_clean_end_nothing_is_noted_and_after_another_all_is_cleared() -> None:
    store = DeadlyStore()
    client = engine_on(store)
    agent = await client.start("go", detached=True)
    async with working(engine_on(store, scripted("yes")), size=1):
        await rests(client, agent)
    assert [row.type for row in await slot_rows(store)] == ["SlotTaken", "SlotReleased"]
    deadly = await client.start("stop", detached=True)
    store.deadly = stream_of(client, deadly.thread_id)
    await dies(store, engine_on(store, scripted("yes")))
    store.deadly = ""
    async with working(engine_on(store, scripted("yes")), size=1):
        await rests(client, deadly)

        async def is_cleared() -> bool:
            return (await slot_rows(store))[-1].type == "SuspectsCleared"

        await until(is_cleared)
    types = [type for type, _ in groupby(row.type for row in await slot_rows(store))]
    assert types == [
        "SlotTaken",
        "SlotReleased",
        "SlotTaken",
        "SuspectsBegun",
        "SuspectsCleared",
        "SlotReleased",
    ]


async def test_news_that_come_after_a_death_wait_for_no_suspect() -> None:
    store = DeadlyStore()
    client = engine_on(store)
    suspect = await client.start("stop", detached=True)
    store.deadly = stream_of(client, suspect.thread_id)
    await dies(store, engine_on(store, scripted()))
    await dies(store, engine_on(store, scripted()))
    task = asyncio.create_task(Worker(engine_on(store, scripted("yes")), size=1).run())
    await until(lambda: store.killed == 3)  # it hangs there, alone
    fresh = await client.start("go", detached=True)
    await rests(client, fresh)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_tool_that_kills_its_workers_uses_up_no_attempts_of_other_threads() -> None:
    store, killed = MemoryStore(), 0

    @tool(effect="retry")
    async def kill() -> str:
        """Kill the worker."""
        nonlocal killed
        killed += 1
        await asyncio.Event().wait()
        return "never"

    @tool(effect="retry")
    async def work() -> str:
        """Work for longer than a worker lives beside the other tool."""
        await asyncio.sleep(0.05)
        return "done"

    def has_killed(times: int) -> bool:
        return killed == times

    tools = (kill, work)
    client = engine_on(store, OfflineModel(), *tools)
    names = ("work", "kill", "work", "work")
    agents = [await client.start(f"call {name} {{}}", detached=True) for name in names]
    for life in range(1, 4):
        worker = Worker(engine_on(store, OfflineModel(), *tools), size=1, patience=QUICK)
        task = asyncio.create_task(worker.run())
        await until(partial(has_killed, life))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with working(engine_on(store, OfflineModel(), *tools), size=1):
        await rests(client, *agents)
    assert killed == 3
    answers = [(await client.latest(agent.thread_id)).answer for agent in agents]
    assert [answer == "work: done" for answer in answers] == [True, False, True, True], answers


async def test_a_thread_that_kills_again_after_it_was_replayed_is_parked_again() -> None:
    store = DeadlyStore()
    client = engine_on(store)
    agent = await client.start("stop", detached=True)
    parking = parking_of(client, "workers")
    await parking.park(Parked(stream_of(client, agent.thread_id), 1, 2, "it killed", 5))
    async with working(engine_on(store, scripted()), size=1):
        await until(lambda: reached(store, 2))
    await parking.catch_up()
    await parking.replay(parking.parked[0])
    store.deadly = stream_of(client, agent.thread_id)
    for _ in range(1 + QUICK.tries):
        await dies(store, engine_on(store, scripted()))
    async with working(engine_on(store, scripted()), size=1):
        await parked(client, agent)
    assert store.killed == 1 + QUICK.tries


async def reached(store: DeadlyStore, global_position: int) -> bool:
    """Say whether a slot alone has noted all up to a place."""
    noted = await store.last("agent:v0+position-workers-0-of-1")
    return noted is not None and json.loads(noted.data or "")["position"] >= global_position


async def test_deaths_are_counted_on_though_the_slot_is_given_up_in_between() -> None:
    store = DeadlyStore()
    client = engine_on(store)
    agent = await client.start("stop", detached=True)
    store.deadly = stream_of(client, agent.thread_id)
    slow = replace(QUICK, lives_s=PATIENCE_S)  # so that it is not taken up before it is given up
    await dies(store, engine_on(store, scripted()))
    for _ in range(QUICK.tries):
        await dies(store, engine_on(store, scripted()))
        async with working(engine_on(store, scripted()), size=1, patience=slow):
            await store.tried_again(2)  # the seat and the slot
    async with working(engine_on(store, scripted()), size=1):
        await parked(client, agent)
    assert store.killed == 1 + QUICK.tries


async def test_threads_for_which_there_is_no_room_are_not_to_blame() -> None:
    store, gate = DeadlyStore(), Gate()
    client = engine_on(store)
    agents = [await client.start(str(n), detached=True) for n in range(3)]
    store.deadly = stream_of(client, agents[0].thread_id)
    await dies(store, engine_on(store, scripted()))
    store.deadly = ""
    engine = engine_on(store, scripted(*[gate.answer("yes")] * 3))
    task = asyncio.create_task(Worker(engine, size=1, concurrency=1).run())
    await gate.entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    rows = [json.loads(row.data or "") for row in await slot_rows(store)]
    noted = [[one["streamName"] for one in row["begun"]] for row in rows if "begun" in row]
    assert noted == [[stream_of(client, agents[0].thread_id)]]


async def test_a_slot_that_is_given_up_while_a_thread_is_noted_begins_nothing_and_ends_last() -> (
    None
):
    store, gate = DeadlyStore(), Gate()
    client = engine_on(store)
    agent = await client.start("stop", detached=True)
    store.deadly = stream_of(client, agent.thread_id)
    await dies(store, engine_on(store, scripted()))

    async def slowly(_: str, messages: tuple[NewMessage, ...]) -> None:
        if messages[0].type == "SuspectsBegun":
            await gate.pass_through()

    store.before = slowly
    worker = Worker(engine_on(store, scripted()), size=1, patience=QUICK)
    task = asyncio.create_task(worker.run())
    await gate.entered.wait()
    worker.stop()
    await asyncio.sleep(0.1)  # long enough for a slot that is given up without waiting for this
    gate.opened.set()
    await task
    assert (await slot_rows(store))[-1].type == "SlotReleased"
    assert store.killed == 1

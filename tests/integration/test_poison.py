"""Poison of every kind is parked or ignored, once, and keeps nobody else."""

import psycopg

from messagedb_agent.consumers import Patience, parking_of
from tests.integration.at_work import Work, a_worker, an_engine, begun
from tests.integration.poison import DEADLY, FOREIGN, HARMLESS, ORPHANS, Odd
from tests.unit.consumers.working import rests
from tests.unit.engine.world import stream_of
from tests.waiting import until


async def test_poison_of_every_kind_is_parked_or_ignored_and_keeps_nobody_else(
    store_url: str, admin_url: str, category: str
) -> None:
    work = Work([])
    async with (
        an_engine(store_url, category, work) as client,
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as connection,
    ):
        harmless, deadly = await begun(client, len(HARMLESS)), await begun(client, len(DEADLY))
        for poisons, agents in ((HARMLESS, harmless), (DEADLY, deadly)):
            for poison, agent in zip(poisons.values(), agents, strict=True):
                await poison.write(connection, stream_of(client, agent.thread_id))
        for name, poison in ORPHANS.items():
            await poison.write(connection, f"{category}:v0-{name}")
        for name in FOREIGN:
            await Odd('{"text": "hello"}').write(connection, f"{category}:v0-{name}")
        position = f"{category}:v0+position-workers-0-of-1"
        await Odd("[]", type="Recorded").write(connection, position)
        good = await begun(client, 10)

        # Who waits that long before another try is done with all others before the second try.
        async with a_worker(
            store_url, category, work, size=1, patience=Patience(2, 1000.0, 1000.0)
        ):
            await rests(client, *good, *harmless)

        expected = {stream_of(client, agent.thread_id) for agent in deadly}
        expected |= {f"{category}:v0-{name}" for name in ORPHANS}
        parking = parking_of(client, "workers")

        async def is_parked() -> bool:
            await parking.catch_up()
            return {parked.stream for parked in parking.parked} >= expected

        async with a_worker(store_url, category, work, size=1, patience=Patience(2, 0.01)):
            await until(is_parked)
            await rests(client, *await begun(client, 1))
        async with a_worker(store_url, category, work, size=2):  # begins anew: parked stays parked
            await rests(client, *await begun(client, 1))

        await parking.catch_up()
        assert {parked.stream for parked in parking.parked} == expected
        assert all(parked.reason and parked.global_position for parked in parking.parked)
        rows = [message async for message in client.store.read(parking.stream)]
        assert len(rows) == len(expected)  # each once

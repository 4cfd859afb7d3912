"""R2: workers are killed, at any time and at named points, and all threads are finished."""

from tests.chaos.kills import kills
from tests.chaos.server import Server


async def test_workers_that_are_killed_lose_and_double_nothing(server: Server, seed: int) -> None:
    report = await kills(server, count=300, seed=seed)
    print(report.text)
    report.check()

"""R5: eight workers want the same threads."""

from tests.chaos.races import races
from tests.chaos.server import Server


async def test_eight_workers_on_the_same_threads_do_nothing_twice(
    server: Server, seed: int
) -> None:
    report = await races(server, count=200, seed=seed)
    print(report.text)
    report.check()

"""R3: the database goes down under load, right after commits that nobody has heard of."""

from tests.chaos.outages import outages
from tests.chaos.server import Server


async def test_a_database_that_goes_down_under_load_loses_and_doubles_nothing(
    server: Server, seed: int
) -> None:
    report = await outages(server, count=9, seed=seed)
    print(report.text)
    report.check()

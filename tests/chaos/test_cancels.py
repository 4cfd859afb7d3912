"""R14: cancelled callers leave no connection in use, none in a transaction, and lose none."""

from tests.chaos.cancels import cancels
from tests.chaos.server import Server


async def test_callers_that_are_cancelled_leave_nothing_in_use(server: Server, seed: int) -> None:
    report = await cancels(server, count=1_000, seed=seed)
    print(report.text)
    report.check()

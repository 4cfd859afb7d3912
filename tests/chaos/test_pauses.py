"""R6: workers are stopped, others take over, and the stopped ones go on."""

from tests.chaos.pauses import pauses
from tests.chaos.server import Server


async def test_workers_that_go_on_after_others_took_over_do_no_harm(
    server: Server, seed: int
) -> None:
    report = await pauses(server, count=20, seed=seed)
    print(report.text)
    report.check()

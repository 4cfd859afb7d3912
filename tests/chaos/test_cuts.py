"""R4: commits whose answer never arrives are known to stand, and made once."""

from tests.chaos.cuts import cuts
from tests.chaos.server import Server


async def test_commits_whose_answer_is_cut_off_stand_once(server: Server, seed: int) -> None:
    report = await cuts(server, count=500, seed=seed)
    print(report.text)
    report.check()

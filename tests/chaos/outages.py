"""A database that goes down under load, right after commits whose answers nobody has heard."""

import asyncio
from functools import partial
from random import Random

from tests.chaos.at_work import AtWork, Setting, at_work
from tests.chaos.report import Report
from tests.chaos.server import OUTAGES, Outage, Server
from tests.integration.cutting_proxy import CuttingProxy, Trouble, cutting_proxy
from tests.waiting import until

_SETTING = Setting(threads=24, workers=4, busy_ms=200)
_UP_S = 0.5  # at most, before the next outage, once work goes on
_DOWN_S = 0.5  # at most, until it is started again
_UNHEARD_S = 0.2  # between the first commit that nobody hears of and an outage
_APPENDED = b'"expected":'  # what an append sends, prepared or not
_LOOKED_UP = b"s.position = ordinal"  # which sends the same, and writes nothing


async def outages(server: Server, *, count: int, seed: int) -> Report:
    """Bring the database down `count` times, and look how workers go on.

    Args:
        server: what is stopped, without or with goodbyes, or loses a session to SIGKILL.
        count: how often.
        seed: what all chances are drawn from.
    """
    again = f"python -m tests.chaos outages --outages {count} --seed {seed}"
    report, chance = Report("outages", seed, again, "outages"), Random(seed)
    kinds = [OUTAGES[number % len(OUTAGES)] for number in range(count)]
    chance.shuffle(kinds)
    with report.noting_errors():
        async with (
            cutting_proxy(server.url) as proxy,
            at_work(report, server, f"away{seed}", _SETTING, url=proxy.url) as work,
        ):
            proxy.is_counted = is_an_append
            for how in kinds:
                await _go_down(server, how, proxy, work, chance)
            await work.finish()
    report.void_unless("lost acknowledgements seen", 1)
    return report


def is_an_append(request: bytes) -> bool:
    """Say whether a request appends something."""
    return _APPENDED in request and _LOOKED_UP not in request


async def _go_down(
    server: Server, how: Outage, proxy: CuttingProxy, work: AtWork, chance: Random
) -> None:
    await _work_goes_on(work)
    await asyncio.sleep(chance.uniform(0, _UP_S))
    lost = proxy.lost
    proxy.choose = _swallow
    # One at least: the worker that was back first may have all threads, and wait for its answer.
    await until(lambda: proxy.lost > lost)
    await asyncio.sleep(_UNHEARD_S)
    await server.fail(how, chance)
    proxy.choose = _nothing
    down_s = chance.uniform(0, _DOWN_S)
    await asyncio.sleep(down_s)
    await server.recover()
    work.report.done("outages", f"{how}, {down_s:.2f} s after {proxy.lost - lost} unheard commits")
    work.report.counts[f"outages: {how}"] += 1
    work.report.counts["unheard commits"] += proxy.lost - lost
    began = asyncio.get_running_loop().time()
    await _work_goes_on(work)
    took_ms = round(1000 * (asyncio.get_running_loop().time() - began))
    slowest = work.report.counts["slowest to go on, in ms"]
    work.report.counts["slowest to go on, in ms"] = max(slowest, took_ms)


def _swallow(request: bytes) -> Trouble | None:
    return "swallow" if is_an_append(request) else None


def _nothing(_: bytes) -> None:
    return None


async def _work_goes_on(work: AtWork) -> None:
    """Wait until a worker has written something."""
    seen = sum(1 for _ in work.ledger.lines("acknowledged"))
    await until(partial(_has_more, work, seen))


async def _has_more(work: AtWork, seen: int) -> bool:
    return sum(1 for _ in work.ledger.lines("acknowledged")) > seen

"""Bringing every thread to rest once the faults are over, and judging all of them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from messagedb_agent import Agent, Engine
from messagedb_agent.errors import ModelError
from tests.chaos.judging import gathered, judge_asking, judge_calls, judge_messages
from tests.chaos.ledger import Ledger
from tests.chaos.log import read_log
from tests.chaos.report import Report
from tests.chaos.server import Server
from tests.chaos.workload import Said
from tests.waiting import PATIENCE_S

_AT_ONCE = 24
_ALL = 1_000_000
AT_REST = ("waiting",)


async def settle(*engines: Engine) -> None:
    """Take on every thread until it waits for its user."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(engine: Engine, thread_id: str) -> None:
        async with limit, asyncio.timeout(PATIENCE_S):
            agent = await engine.latest(thread_id)
            while agent.status not in AT_REST:
                agent = await _taken_on(agent)

    listed = [(engine, found) for engine in engines for found in await engine.threads(_ALL)]
    await asyncio.gather(*(one(engine, found.summary.thread_id) for engine, found in listed))


async def _taken_on(agent: Agent) -> Agent:
    """Take a thread on as a person does: one that was interrupted too often is told to go on."""
    try:
        return await agent.resume()
    except ModelError as error:
        return error.agent


async def judge(
    report: Report,
    server: Server,
    engines: Sequence[Engine],
    ledger: Ledger,
    said: Mapping[str, Iterable[Said]],
    *,
    paused: Collection[int] = (),
) -> None:
    """Compare what stands with what must: each thread by itself, tools, what was acknowledged.

    Args:
        report: where violations go, and counts.
        server: where the notes of transactional tools are.
        engines: one for each category of the threads, all of which are at rest.
        ledger: what tools and processes wrote.
        said: by thread id, what users said, and were told to have said.
        paused: processes that were paused while others took over from them.
    """
    log = await read_log(*engines)
    report.violations += log.faults
    restless = {id: status for id, status in log.statuses.items() if status not in AT_REST}
    report.require(not restless, f"threads that do not rest: {restless}")
    report.counts["threads"] = len(log.statuses)
    report.counts["threads at rest"] = len(log.statuses) - len(restless)
    report.counts["events"] = len(log.places)
    report.counts.update(log.counts)
    evidence = await gathered(ledger, server.admin_url)
    judge_calls(report, log, evidence, was_paused=lambda pid: pid in paused)
    judge_asking(report, log, ledger)
    judge_messages(report, log, ledger, said)

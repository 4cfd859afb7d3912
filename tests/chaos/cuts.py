"""Connections that are cut, delayed or never answered, most of them right after a commit."""

import asyncio
from collections.abc import Sequence
from random import Random

from messagedb_agent import Agent, Engine
from messagedb_agent.errors import ModelError, StoreUnavailable
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import PoolLimits
from messagedb_agent.tools.toolbox import Toolbox
from tests.chaos.folder import a_ledger
from tests.chaos.report import Report
from tests.chaos.server import Server
from tests.chaos.settling import judge, settle
from tests.chaos.tools import TOOLS
from tests.chaos.watching import watched
from tests.chaos.workload import Said, say
from tests.integration.cutting_proxy import CuttingProxy, Trouble, cutting_proxy

_THREADS = 8
_LEAST_AMBIGUOUS = 10
_WRITES = (b"write_message(message", b"COMMIT")
_LOCKS = (b"pg_try_advisory_lock", b"pg_advisory_unlock")
_TROUBLES: tuple[Trouble, ...] = (*("after",) * 6, "before", 0.02)


async def cuts(server: Server, *, count: int, seed: int) -> Report:
    """Cut connections until `count` commits were made whose answer never arrived.

    Args:
        server: where.
        count: how many answers of commits are cut off.
        seed: what all chances are drawn from.
    """
    again = f"python -m tests.chaos cuts --cuts {count} --seed {seed}"
    report, chance = Report("cuts", seed, again, "commits cut off"), Random(seed)
    said: dict[str, list[Said]] = {}
    with report.noting_errors(), a_ledger() as ledger, watched(ledger):
        async with (
            cutting_proxy(server.url) as proxy,
            # Never prepared, so that every request holds the words that are looked for.
            await MessageDbStore.connect(
                proxy.url, limits=PoolLimits(max_size=_THREADS), prepare_threshold=None
            ) as store,
        ):
            proxy.is_counted = is_a_write
            proxy.choose = lambda request: _trouble(request, chance, report)
            talks = (
                _talk(engine, Random(seed + number), proxy, count, said)
                for number, engine in enumerate(_engines(store))
            )
            await asyncio.gather(*talks)
            report.counts["commits cut off"] = proxy.lost
        async with await MessageDbStore.connect(server.url) as store:
            await settle(*_engines(store))
            await judge(report, server, _engines(store), ledger, said)
    report.void_unless("lost acknowledgements seen", _LEAST_AMBIGUOUS)
    return report


def is_a_write(request: bytes) -> bool:
    """Say whether a request appends, or commits what was appended."""
    return any(words in request for words in _WRITES)


def _engines(store: MessageDbStore) -> Sequence[Engine]:
    """Return engines for a category each: one statement at a time writes a category."""
    box = Toolbox(*TOOLS)
    return [Engine(store, lambda _: OfflineModel(), box, f"cut{n}") for n in range(_THREADS)]


def _trouble(request: bytes, chance: Random, report: Report) -> Trouble | None:
    """Choose what becomes of a request: trouble for many writes, some locks, few others."""
    kind = "write" if is_a_write(request) else "lock" if _is_about_locks(request) else "other"
    if chance.random() > {"write": 0.4, "lock": 0.03, "other": 0.01}[kind]:
        return None
    trouble = chance.choice(_TROUBLES)
    report.done(f"trouble for a {kind}: {trouble}")
    return trouble


def _is_about_locks(request: bytes) -> bool:
    return any(words in request for words in _LOCKS)


async def _talk(
    engine: Engine, chance: Random, proxy: CuttingProxy, count: int, said: dict[str, list[Said]]
) -> None:
    """Say one thing after another in a thread, until enough was cut."""
    agent: Agent | None = None
    while proxy.lost < count:
        message = say(chance, busy_ms=10)
        agent = await _said(engine, agent, message)
        said.setdefault(agent.thread_id, []).append(message)


async def _said(engine: Engine, agent: Agent | None, message: Said) -> Agent:
    while True:
        try:
            if agent is None:
                return await engine.start(message.text, message_id=message.id)
            return await agent.advance(message.text, message_id=message.id, at_head=True)
        except ModelError as error:  # interrupted too often, each time its lock was cut off
            return error.agent
        except StoreUnavailable:  # cut off at each of its tries: with the same id it stands once
            continue

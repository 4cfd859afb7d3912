"""Checking all threads: in this process, or in several where there are many.

What a processor checks is bounded by Python, not by the database. A further process takes a second
or two to start, and pays only where its processor is free.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.guard import guarded
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.streams import prepare
from messagedb_agent.cli.terminal import note, out

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.audit import Checked, Head

    Told = Callable[[Checked], None]

_THREADS_A_PROCESS = 1_000  # with fewer, starting takes what is gained (600 threads: 8 s, and 5 s)
_LONGEST_ANSWER = 2**31


class ProcessEnded(Exception):
    """A process that checked threads has ended before they were done.

    Args:
        status: how it ended, as the system says it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"a process that verifies ended with {status}")
        self._status = status

    def told(self) -> int:
        """Return the exit code that stands for it; say why, where the process has not."""
        if self._status > 0:
            return self._status
        how = f"was ended by signal {-self._status}" if self._status else "ended too early"
        note(f"error: a process that verifies {how}; with --processes 1 there is none")
        return ExitCode.INTERNAL


def processes_for(threads: int, asked: int | None) -> int:
    """Return how many processes check so many threads; 1 is this one alone."""
    if asked is not None:
        return max(1, min(asked, threads))
    return max(1, min(os.cpu_count() or 1, threads // _THREADS_A_PROCESS))


async def check_all(
    setup: Setup,
    engine: "Engine",
    thread_ids: Sequence[str],
    told: "Told",
    heads: "Mapping[str, Head] | None" = None,
    processes: int | None = None,
) -> None:
    """Verify threads.

    Args:
        setup: what the command was given.
        engine: where the threads are kept.
        thread_ids: their ids.
        told: called with each as it has been checked.
        heads: heads that threads had earlier, by the full names of their streams.
        processes: how many processes check; None for as many as pay.

    Raises:
        StoreUnavailable: the store was not reached.
        ProcessEnded: a process that checked has ended, as where it did not reach the store.
    """
    from messagedb_agent.audit import check_threads, heads_by_id, together

    heads = heads or {}
    count = processes_for(len(thread_ids), processes)
    if count == 1:
        await check_threads(engine, thread_ids, told, heads)
        return
    anchored = heads_by_id(engine, heads)
    waiting = iter(thread_ids)
    await together(_share(setup.common, waiting, anchored, told) for _ in range(count))


async def _share(
    common: Common, thread_ids: Iterator[str], heads: "Mapping[str, Head]", told: "Told"
) -> None:
    """Let one process check threads, one after the other, as long as there are any."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__, _given(common)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "1"},
        limit=_LONGEST_ANSWER,
    )
    try:
        for thread_id in thread_ids:
            question = text_of({"threadId": thread_id, "head": heads.get(thread_id)})
            answer = await _answered(process, question)
            told(_checked(thread_id, orjson.loads(answer)))
        if process.stdin:
            process.stdin.close()  # it ends by itself
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answered(process: asyncio.subprocess.Process, question: str) -> bytes:
    answer = b""
    if process.stdin and process.stdout:  # they are pipes
        with suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(f"{question}\n".encode())
            await process.stdin.drain()
            answer = await process.stdout.readline()
    if not answer.endswith(b"\n"):
        raise ProcessEnded(await process.wait())
    return answer


def _given(common: Common) -> str:
    """Return what a process must know; it takes settings, and so passwords, from where we do."""
    config = str(common.config) if common.config else None
    return text_of({"config": config, "category": common.category, "version": common.version})


def main(given: str) -> int:
    """Answer each line of standard input, a thread and its head, with what was found in it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asks ends, and then so do we
    prepare()
    values: dict[str, Any] = orjson.loads(given)
    config = values.pop("config")
    common = Common(config=Path(config) if config else None, **values)
    return guarded(lambda: run(_answer(common)))


async def _answer(common: Common) -> int:
    from messagedb_agent.audit import Checking, Head

    async with opened(set_up(common)) as engine:
        checking = Checking(engine)
        for line in sys.stdin.buffer:
            question = orjson.loads(line)
            head = question["head"] and Head(**question["head"])
            found = await checking.verify(question["threadId"], head)
            out(text_of(found), flush=True)
    return ExitCode.OK


def _checked(thread_id: str, found: dict[str, Any]) -> "Checked":
    """Return what another process found, as it said it."""
    from messagedb_agent.audit import (
        Checked,
        Finding,
        ForeignRow,
        Head,
        UncheckedRequest,
        Verification,
    )

    finding, head = found.pop("finding"), found.pop("head")
    foreign, unchecked = found.pop("foreign"), found.pop("unchecked")
    absent, unknown = found.pop("absent_definitions"), found.pop("absent_memories")
    sources = found.pop("absent_sources")
    verification = Verification(
        **found,
        foreign=tuple(ForeignRow(**row) for row in foreign),
        finding=finding and Finding(**finding),
        unchecked=tuple(UncheckedRequest(**request) for request in unchecked),
        head=head and Head(**head),
        absent_definitions=tuple(absent),
        absent_memories=tuple(unknown),
        absent_sources=tuple(sources),
    )
    return Checked(thread_id, verification)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

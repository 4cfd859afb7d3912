"""How soon a process hears of what another one wrote: from an append to the reader's handler.

Run by itself, as `python -m benchmarks.wake URL CATEGORY COUNT`, it is the process that writes.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic_ns, process_time
from uuid import uuid4

from benchmarks.database import Bench
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore

POLL_S = 0.1
"""What a reader polls with underneath: a message that was told of by nobody takes up to that."""
PAUSE_S = 0.02
"""Between two appends, on average: the reader is done and waits."""


@dataclass(frozen=True, slots=True)
class Waking:
    """What was measured.

    Attributes:
        from_append_ms: milliseconds from each call of `append` to the handler elsewhere.
        from_commit_ms: the same from when the writer had its answer; below 0 where the reader was
            faster.
        reader_cpu_ms: milliseconds that the reading process worked for each message.
    """

    from_append_ms: Sequence[float]
    from_commit_ms: Sequence[float]
    reader_cpu_ms: float


async def measure(bench: Bench, count: int) -> Waking:
    """Have another process append `count` messages, and handle each as soon as it is read."""
    category = f"wake{uuid4().hex}"
    handled: dict[str, int] = {}
    async with (
        await MessageDbStore.connect(bench.url) as store,
        store.listen(category) as news,
    ):
        await news.wait(10.0)
        writer = await _writer(bench.url, category, count)
        position, worked = 1, process_time()
        while len(handled) < count and (writer.returncode is None or writer.returncode == 0):
            async for message in store.read_category(category, global_position=position):
                handled[message.id] = monotonic_ns()
                position = message.global_position + 1
            if len(handled) < count:
                await news.wait(POLL_S)
        worked = process_time() - worked
        out, _ = await writer.communicate()
    rows = [line.split() for line in out.decode().splitlines()]
    return Waking(
        from_append_ms=[(handled[id] - int(began)) / 1e6 for id, began, _ in rows],
        from_commit_ms=[(handled[id] - int(ended)) / 1e6 for id, _, ended in rows],
        reader_cpu_ms=worked * 1000 / count,
    )


async def _writer(url: str, category: str, count: int) -> asyncio.subprocess.Process:
    arguments = ("-m", "benchmarks.wake", url, category, str(count))
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE
    )


async def _write(url: str, category: str, count: int) -> list[str]:
    """Append with pauses, and return each id with the times before and after, in nanoseconds."""
    chance, lines = Random(1), []
    async with await MessageDbStore.connect(url) as store:
        for _ in range(count):
            await asyncio.sleep(chance.uniform(0, 2 * PAUSE_S))
            message = NewMessage(str(uuid4()), "Written", '{"text": "Six times seven is 42."}')
            began = monotonic_ns()
            await store.append(f"{category}-1", message)
            lines.append(f"{message.id} {began} {monotonic_ns()}")
    return lines


if __name__ == "__main__":
    url, category, count = sys.argv[1:]
    print(*asyncio.run(_write(url, category, int(count))), sep="\n")

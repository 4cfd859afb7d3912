"""The command line, in whole processes as a person waits for them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import psycopg

from benchmarks.database import Bench
from messagedb_agent import connect

PROGRAM = Path(sys.executable).parent / "messagedb-agent"

# One thread, copied under other ids; what refers to ids within it is changed along.
_COPY = """
INSERT INTO message_store.messages (stream_name, type, position, data, metadata, id)
SELECT 'agent:v0-' || copy.thread, type, position,
       replace(replace(data::text, %(thread)s, copy.thread), %(claim)s, copy.claim)::jsonb,
       metadata,
       CASE WHEN id::text = %(claim)s THEN copy.claim::uuid ELSE gen_random_uuid() END
FROM (SELECT n, gen_random_uuid()::text AS thread, gen_random_uuid()::text AS claim
      FROM generate_series(1, %(count)s) AS n OFFSET 0) AS copy
CROSS JOIN message_store.messages
WHERE stream_name = 'agent:v0-' || %(thread)s
ORDER BY n, position
"""


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took: milliseconds a person waits, and those that processors worked."""

    elapsed_ms: float
    cpu_ms: float


def took(bench: Bench, *arguments: str, times: int) -> Took:
    """Return the medians of a command, after one run that is not counted."""
    runs = [_run(bench, arguments) for _ in range(times + 1)][1:]
    return Took(median(run.elapsed_ms for run in runs), median(run.cpu_ms for run in runs))


async def fill(bench: Bench, threads: int) -> None:
    """Put threads of one question and one answer into the store."""
    async with connect(bench.url) as engine:
        agent = await engine.start("Hello!")
        claims = [
            message.id
            async for message in engine.messages(agent.thread_id)
            if message.type == "LlmCallStarted"
        ]
    values = {"thread": agent.thread_id, "claim": claims[0], "count": threads - 1}
    with psycopg.connect(bench.admin_url, autocommit=True) as connection:
        connection.execute(_COPY, values)
        connection.execute("VACUUM ANALYZE message_store.messages")


def _run(bench: Bench, arguments: tuple[str, ...]) -> Took:
    before_s, began_s = _children_cpu_s(), perf_counter()
    done = subprocess.run(
        [PROGRAM, *arguments], env=_environment(bench), cwd=bench.home, capture_output=True
    )
    elapsed_s = perf_counter() - began_s
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return Took(elapsed_s * 1000, (_children_cpu_s() - before_s) * 1000)


def _children_cpu_s() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _environment(bench: Bench) -> Mapping[str, str]:
    """Return what a command is run with: its home, and nothing that names a model or a database."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "MESSAGEDB_AGENT_HOME": str(bench.home)}

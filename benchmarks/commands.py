"""The command line, in whole processes as a person waits for them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from benchmarks.database import Bench, empty_home
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

# One thread's turn, again and again behind it; its hashes are copied along, and so are wrong.
_TURNS = """
WITH copy AS MATERIALIZED (
  SELECT n, gen_random_uuid()::text AS claim FROM generate_series(1, %(count)s) AS n
)
INSERT INTO message_store.messages (stream_name, type, position, data, metadata, id)
SELECT stream_name, type, position + n * (count(*) OVER (PARTITION BY n)),
       replace(data::text, %(claim)s, copy.claim)::jsonb, metadata,
       CASE WHEN id::text = %(claim)s THEN copy.claim::uuid ELSE gen_random_uuid() END
FROM copy CROSS JOIN message_store.messages
WHERE stream_name = 'agent:v0-' || %(thread)s AND position > 0
ORDER BY n, position
"""
_TURN_EVENTS = 3  # message, claim, reply


@dataclass(frozen=True, slots=True)
class Took:
    """What a command took: milliseconds a person waits, and those that processors worked."""

    elapsed_ms: float
    cpu_ms: float


def took(bench: Bench, *arguments: str, times: int) -> Took:
    """Return the medians of a command, after one run that is not counted."""
    runs = [_run(bench.home, arguments) for _ in range(times + 1)][1:]
    return Took(median(run.elapsed_ms for run in runs), median(run.cpu_ms for run in runs))


async def took_first(*arguments: str, times: int) -> Took:
    """Return the medians of a command in homes where there is no server yet."""
    runs = []
    for _ in range(times):
        async with empty_home() as home:
            runs.append(_run(home, arguments))
    return Took(median(run.elapsed_ms for run in runs), median(run.cpu_ms for run in runs))


async def fill(bench: Bench, threads: int) -> None:
    """Put threads of one question and one answer into the store."""
    thread, claim = await _answered(bench)
    _insert(bench, _COPY, {"thread": thread, "claim": claim, "count": threads - 1})


async def lengthen(bench: Bench, events: int) -> None:
    """Put one thread of about this many events into the store; it is the newest."""
    thread, claim = await _answered(bench)
    _insert(bench, _TURNS, {"thread": thread, "claim": claim, "count": events // _TURN_EVENTS})


async def _answered(bench: Bench) -> tuple[str, str]:
    """Have one question answered; return its thread's id and that of the model call's claim."""
    async with connect(bench.url) as engine:
        agent = await engine.start("Hello!")
        messages = [message async for message in engine.messages(agent.thread_id)]
    return agent.thread_id, next(m.id for m in messages if m.type == "LlmCallStarted")


def _insert(bench: Bench, query: str, values: Mapping[str, Any]) -> None:
    with psycopg.connect(bench.admin_url, autocommit=True) as connection:
        connection.execute(query.encode(), values)
        connection.execute("VACUUM ANALYZE message_store.messages")


def _run(home: Path, arguments: tuple[str, ...]) -> Took:
    before_s, began_s = _children_cpu_s(), perf_counter()
    done = subprocess.run(
        [PROGRAM, *arguments], env=_environment(home), cwd=home, capture_output=True
    )
    elapsed_s = perf_counter() - began_s
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
    return Took(elapsed_s * 1000, (_children_cpu_s() - before_s) * 1000)


def _children_cpu_s() -> float:
    used = os.times()
    return used.children_user + used.children_system


def _environment(home: Path) -> Mapping[str, str]:
    """Return what a command is run with: its home, and nothing that names a model or a database."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "MESSAGEDB_AGENT_HOME": str(home)}

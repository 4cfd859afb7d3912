"""Tools to try what becomes of an effect when its process is killed.

    messagedb-agent start 'call charge_card {"amount": 42}' --tools messagedb_agent.demo

Each takes effect at once, with a line in a ledger, and then is busy for a while, so that there is
time to kill its process: the effect has happened, and nobody has heard of it.

`DEMO_LEDGER` names the file of the ledger (`./ledger.txt`), `DEMO_BUSY_S` how long a tool is busy,
in seconds (20); both are read when a tool runs.
"""

import asyncio
import fcntl
import os
import sys
from pathlib import Path

from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import ToolContext

_BUSY_S = 20.0


@tool(effect="keyed")
async def charge_card(amount: int, context: ToolContext) -> str:
    """Charge a credit card once, however often it is asked with one idempotency key.

    Args:
        amount: how much, in whole units.
        context: brings the key.
    """
    key = context.idempotency_key
    if _write(f"charged {amount} {key}", once=key):
        await _busy(f"charged {amount}")
    return f"charged {amount}"


@tool(effect="never")
async def send_mail(to: str) -> str:
    """Send a mail; nothing can tell two of them apart.

    Args:
        to: who gets it.
    """
    _write(f"mail to {to}")
    await _busy(f"mail to {to} is out")
    return f"sent to {to}"


def _ledger() -> Path:
    return Path(os.environ.get("DEMO_LEDGER") or "ledger.txt")


def _write(line: str, *, once: str | None = None) -> bool:
    """Add a line that outlives this process and the machine's power.

    Args:
        line: what is added.
        once: what no other line may end with; nothing is added then.

    Returns:
        Whether it was added.
    """
    with _ledger().open("a+", encoding="utf-8") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)  # until it is closed: two may ask at once
        ledger.seek(0)
        if once and any(known.rstrip().endswith(f" {once}") for known in ledger):
            return False
        ledger.write(f"{' '.join(line.split())}\n")
        ledger.flush()
        os.fsync(ledger.fileno())
    return True


async def _busy(what: str) -> None:
    """Say which process to kill, and give time for it."""
    seconds = float(os.environ.get("DEMO_BUSY_S") or _BUSY_S)
    sys.stderr.write(f"{what}; busy for {seconds:g} s, time for: kill -9 {os.getpid()}\n")
    sys.stderr.flush()
    await asyncio.sleep(seconds)

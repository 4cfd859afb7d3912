"""Tools of every effect policy, which write into a ledger outside of the log what they do.

Each begins, takes effect half-way, and gives back the nonce that its effect has in the ledger.
"""

import asyncio
import os
import time
from pathlib import Path
from uuid import uuid4

from messagedb_agent import ToolContext, tool
from messagedb_agent.tools.reconciling import Reconciled
from tests.chaos.ledger import Ledger

FOLDER = "CHAOS_FOLDER"
"""Names the environment variable that says where the ledger is."""


def the_ledger() -> Ledger:
    return Ledger(Path(os.environ[FOLDER]))


def _begin(context: ToolContext) -> str:
    nonce = uuid4().hex
    the_ledger().add(
        "begun",
        call=context.call_id,
        attempt=context.attempt,
        key=context.idempotency_key,
        nonce=nonce,
    )
    return nonce


def _take_effect(nonce: str, context: ToolContext) -> None:
    the_ledger().add("effects", call=context.call_id, key=context.idempotency_key, nonce=nonce)


async def _worked(ms: int, context: ToolContext) -> str:
    nonce = _begin(context)
    await asyncio.sleep(ms / 2000)
    _take_effect(nonce, context)
    await asyncio.sleep(ms / 2000)
    return nonce


@tool(effect="retry")
async def look(ms: int, context: ToolContext) -> str:
    """Look at something, which may be done any number of times."""
    return await _worked(ms, context)


@tool(effect="keyed")
def charge(ms: int, context: ToolContext) -> str:
    """Charge somebody who honours the key; in a thread, which no cancellation reaches."""
    nonce = _begin(context)
    time.sleep(ms / 2000)
    charged = the_ledger().once(context.idempotency_key, nonce)
    time.sleep(ms / 2000)
    return charged


@tool(effect="never")
async def send(ms: int, context: ToolContext) -> str:
    """Send what nobody can take back."""
    return await _worked(ms, context)


def _booked(key: str) -> Reconciled:
    found = [line["nonce"] for line in the_ledger().lines("effects") if line["key"] == key]
    the_ledger().add("reconciled", key=key, found=found)
    return Reconciled.done(found[0]) if found else Reconciled.not_done()


@tool(effect="check", reconcile=_booked)
async def book(ms: int, context: ToolContext) -> str:
    """Book what can be looked up afterwards."""
    return await _worked(ms, context)


@tool(transactional=True)
async def note(ms: int, context: ToolContext) -> str:
    """Write beside the log, in the transaction of the result."""
    nonce = _begin(context)
    await context.connection.execute(
        "INSERT INTO public.chaos_notes VALUES (%s, %s)", (context.call_id, nonce)
    )
    await asyncio.sleep(ms / 1000)
    return nonce


TOOLS = (look, charge, send, book, note)
POLICIES = {tool.name: "transactional" if tool.transactional else tool.effect for tool in TOOLS}
"""What becomes of a call whose worker died, by the tool's name."""

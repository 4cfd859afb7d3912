"""Tools of every policy. Each has one moment at which it takes effect."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from messagedb_agent.errors import ToolError
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.tools.function_tool import FunctionTool, tool
from messagedb_agent.tools.reconciling import Reconciled
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.simulation.ledger import LEDGER
from tests.simulation.transactions import BOOK

WORK_S = 0.05
TIMEOUT_S = 4.0
HOURS_S = 2 * 60 * 60.0
BOOKING = "book"
"""Name of the transactional tool."""


async def _work(name: str, n: int, context: ToolContext, work_s: float = WORK_S) -> str:
    ledger = LEDGER.get()
    due = ledger.begin(name, context)
    if hang := due.get("hang"):
        await asyncio.sleep(1000 if hang.size < 0.5 else 0)
    if linger := due.get("linger"):
        await asyncio.sleep(linger.size * TIMEOUT_S / 2)
    await asyncio.sleep(work_s)
    failing = due.get("raise")
    if failing and failing.size < 0.5:
        raise ledger.fail(context, ToolError("it did not work"))
    if name == BOOKING:
        await context.connection.execute(BOOK, (context.call_id, context.attempt))
    else:
        ledger.take_effect(name, context)
    if hang:
        await asyncio.sleep(1000)
    await asyncio.sleep(WORK_S)
    if failing:
        raise ledger.fail(context, OSError("it broke afterwards"))
    if name != BOOKING:  # of that the result counts only once it is committed
        ledger.results.add(context.call_id)
    return f"{name} {n} is done"


def _reconcile(name: str) -> Callable[[str], Awaitable[Reconciled]]:
    async def reconcile(key: str) -> Reconciled:
        await asyncio.sleep(WORK_S)
        done = LEDGER.get().settle(key)
        return Reconciled.done(f"{name} was done") if done else Reconciled.not_done()

    return reconcile


def _tool(
    effect: EffectPolicy,
    *,
    needs_approval: bool = False,
    work_s: float = WORK_S,
    timeout_s: float | None = TIMEOUT_S,
) -> Callable[[str], FunctionTool[..., Any]]:
    def made(name: str) -> FunctionTool[..., Any]:
        async def work(n: int, context: ToolContext) -> str:
            """Do something that has an effect."""
            return await _work(name, n, context, work_s)

        return tool(
            name=name,
            effect=effect,
            needs_approval=needs_approval,
            timeout_s=timeout_s,
            reconcile=_reconcile(name) if effect == "check" else None,
        )(work)

    return made


def _stubborn(name: str) -> FunctionTool[..., Any]:
    @tool(name=name, effect="never")
    async def work(n: int, context: ToolContext) -> str:
        """Do something, and do it to the end when told to stop."""
        try:
            return await _work(name, n, context, 2.0)
        except asyncio.CancelledError:
            ledger = LEDGER.get()
            if not any(d.call_id == context.call_id and d.what == "done" for d in ledger.deeds):
                ledger.take_effect(name, context)
            ledger.results.add(context.call_id)
            return f"{name} {n} is done all the same"

    return work


def _transactional(name: str) -> FunctionTool[..., Any]:
    @tool(name=name, transactional=True, timeout_s=TIMEOUT_S)
    async def work(n: int, context: ToolContext) -> str:
        """Write a row beside its outcome."""
        return await _work(name, n, context)

    return work


MAKERS: dict[str, Callable[[str], FunctionTool[..., Any]]] = {
    "look": _tool("retry"),
    "charge": _tool("keyed"),
    "ship": _tool("check"),
    "send": _tool("never"),
    "ask": _tool("never", needs_approval=True),
    "late": _tool("never", work_s=2.0),
    "hopeless": _tool("never", work_s=1000.0),
    "hours": _tool("never", work_s=HOURS_S, timeout_s=None),
    "stubborn": _stubborn,
    BOOKING: _transactional,
}
POLICIES: dict[str, EffectPolicy] = {}
TOOLS = {name: make(name) for name, make in MAKERS.items()}
POLICIES = {name: made.effect for name, made in TOOLS.items()}
TOOLBOX = Toolbox(*TOOLS.values())

"""The calls that wait, over all threads."""

from datetime import UTC, datetime

from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.glance import SIZES
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from tests.contract.messages import new
from tests.unit.engine.world import engine_on, scripted, stream_of


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    return f"{what} is ash"


def burning(store: MemoryStore, *things: str) -> Engine:
    calls = tuple(call("burn", what=thing) for thing in things)
    return engine_on(store, scripted(calls, *["done"] * 3), burn)


async def waits(engine: Engine, limit: int = 100) -> list[str]:
    return [asked.arguments[10:-2] for asked in await engine.approvals(limit)]


async def test_what_waits_is_listed_over_all_threads_newest_first() -> None:
    store = MemoryStore()
    began = datetime.now(UTC).replace(microsecond=0)
    first = await burning(store, "a", "b").start("hi")
    engine = burning(store, "c")
    second = await engine.start("hi")
    await engine_on(store, scripted("no tools")).start("hi")
    assert await waits(engine) == ["c", "b", "a"]
    assert await waits(engine, 2) == ["c", "b"]
    assert await waits(engine, 0) == []
    (newest, *_) = await engine.approvals()
    assert (newest.thread_id, newest.call_id) == (second.thread_id, second.approvals[0].call_id)
    assert second.thread_id.startswith(newest.prefix)
    assert (newest.tool_name, newest.asked_at >= began) == ("burn", True)
    halfway = await first.deny("_0")
    assert await waits(engine) == ["c", "b"]
    await halfway.approve()
    await second.cancel()
    assert await waits(engine) == []


async def test_a_fork_inherits_nothing_that_waits() -> None:
    store = MemoryStore()
    engine = burning(store, "a")
    waiting = await engine.start("hi")
    fork = await waiting.fork()
    assert [w.thread_id for w in await engine.approvals()] == [waiting.thread_id]
    asked = await burning(store, "z").latest(fork.thread_id)
    assert (await asked.advance("again")).status == "approval"
    assert sorted(await waits(engine)) == ["a", "z"]
    await waiting.deny()
    assert await waits(engine) == ["z"]


async def test_what_does_not_wait_is_not_listed_whoever_has_written_it() -> None:
    store = MemoryStore()
    engine = burning(store, "a")
    waiting = await engine.start("hi")
    stream = stream_of(engine, waiting.thread_id)
    asked = waiting.approvals[0].call_id
    data = f'{{"callId": "{asked}", "toolName": "burn", "arguments": "{{}}"}}'
    await store.append(stream, new("ToolApprovalRequested", data))
    forged = '{"callId": "x_0", "toolName": "burn", "arguments": "{}"}'
    for name in ("forged", "-odd"):
        rows = [new("ToolApprovalRequested", forged) for _ in range(60)]
        await store.append(f"agent:v0-{name}", *rows, new("ToolApprovalRequested", "{}"))
    assert [w.call_id for w in await engine.approvals(1)] == [asked]
    critical = new("FlowChanged", "{}", '{"localProperties": {"critical": true}}')
    await store.append(stream, critical)
    assert await engine.approvals() == ()


async def test_a_call_behind_many_rows_of_others_still_waits() -> None:
    store = MemoryStore()
    engine = burning(store, "a")
    waiting = await engine.start("hi")
    stream = stream_of(engine, waiting.thread_id)
    await store.append(stream, *(new("Noted", "{}") for _ in range(SIZES[-1] + 1)))
    assert (await engine.threads())[0].summary.is_partial
    assert await waits(engine) == ["a"]

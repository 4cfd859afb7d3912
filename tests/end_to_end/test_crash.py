"""A real process is killed in the middle of a turn, and another one takes the thread up."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from messagedb_agent.agents.engine import Engine
from messagedb_agent.events.request import ToolAnswer
from messagedb_agent.events.schema import LlmCallFailed, ToolExecutionStarted
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.reconciling import Reconciled
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import assert_sound, events, scripted, under_way
from tests.waiting import until

Told = dict[str, object]
"""What a worker tells of its work."""

WORKER = """
import asyncio, json, sys
from messagedb_agent.agents.engine import Engine
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import ToolContext
from messagedb_agent.tools.toolbox import Toolbox

url, category, effect = sys.argv[1:]

def tell(**what):
    print(json.dumps(what), flush=True)

asked = (lambda key: None) if effect == "check" else None

@tool(effect="never" if effect == "model" else effect, reconcile=asked)
async def work(context: ToolContext) -> str:
    "Work."
    tell(attempt=context.attempt, key=context.idempotency_key)
    await asyncio.sleep(600)

async def think(_):
    tell(asked=True)
    await asyncio.sleep(600)

async def main():
    model = ScriptedModel(think if effect == "model" else call("work"))
    store = await MessageDbStore.connect(url)
    await Engine(store, lambda _: model, Toolbox(work), category).start("go")

asyncio.run(main())
"""


class WatchedStore(MessageDbStore):
    """A store that notes how often somebody has tried to own a stream."""

    tries = 0

    @asynccontextmanager
    async def own(self, stream: str) -> AsyncIterator[Hold | None]:
        self.tries += 1
        async with super().own(stream) as hold:
            yield hold


@asynccontextmanager
async def at_work(url: str, category: str, effect: str) -> AsyncIterator[tuple[Process, Told]]:
    """Yield a worker that is in its tool or in its model call, and what it told of that."""
    root = Path(__file__).parents[2]
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, url, category, effect,
        stdout=asyncio.subprocess.PIPE, cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert worker.stdout
    try:
        async with asyncio.timeout(60):
            yield worker, json.loads(await worker.stdout.readline())
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


@asynccontextmanager
async def killed(url: str, category: str, effect: str) -> AsyncIterator[Told]:
    """Start a worker, and kill it once it is at work."""
    async with at_work(url, category, effect) as (_, told):
        pass
    yield told


@asynccontextmanager
async def survivor(
    url: str, category: str, model: ScriptedModel, effect: str, runs: list[tuple[int, str]]
) -> AsyncIterator[Engine]:
    @tool(effect="retry" if effect == "retry" else "never")
    async def work(context: ToolContext) -> str:
        """Work."""
        runs.append((context.attempt, context.idempotency_key))
        return "worked"

    async with await WatchedStore.connect(url) as store:
        yield Engine(store, lambda _: model, Toolbox(work), category)


async def test_a_repeatable_tool_whose_process_was_killed_runs_again_with_its_key(
    store_url: str, category: str
) -> None:
    runs: list[tuple[int, str]] = []
    model = scripted("done")
    async with (
        killed(store_url, category, "retry") as told,
        survivor(store_url, category, model, "retry", runs) as engine,
    ):
        left = await engine.latest("last")
        assert left.status == "running"
        agent = await left.resume()
        assert agent.answer == "done"
        assert told["attempt"] == 1
        assert runs == [(2, told["key"])]
        rows = [r.event for r in await events(engine, agent.thread_id)]
        starts = [e for e in rows if isinstance(e, ToolExecutionStarted)]
        assert [s.attempt for s in starts] == [1, 2]
        await assert_sound(engine, agent.thread_id)


async def test_any_other_tool_whose_process_was_killed_does_not_run_again(
    store_url: str, category: str
) -> None:
    runs: list[tuple[int, str]] = []
    model = scripted("I cannot know.")
    async with (
        killed(store_url, category, "never"),
        survivor(store_url, category, model, "never", runs) as engine,
    ):
        agent = await (await engine.latest("last")).resume()
        assert runs == []
        told = model.requests[0].messages[-1]
        assert isinstance(told, ToolAnswer)
        assert told.text.startswith("Error (outcome_unknown): ")
        assert agent.answer == "I cannot know."
        await assert_sound(engine, agent.thread_id)


@pytest.mark.parametrize("is_done", [True, False])
async def test_a_tool_that_can_tell_is_asked_when_its_process_was_killed(
    store_url: str, category: str, is_done: bool
) -> None:
    asked, runs = list[str](), list[tuple[int, str]]()

    async def reconcile(key: str) -> Reconciled:
        asked.append(key)
        return Reconciled.done("found") if is_done else Reconciled.not_done()

    @tool(effect="check", reconcile=reconcile)
    async def work(context: ToolContext) -> str:
        """Work."""
        runs.append((context.attempt, context.idempotency_key))
        return "worked"

    model = scripted("done")
    async with (
        killed(store_url, category, "check") as told,
        await WatchedStore.connect(store_url) as store,
    ):
        engine = Engine(store, lambda _: model, Toolbox(work), category)
        agent = await (await engine.latest("last")).resume()
        assert asked == [told["key"]]
        assert runs == ([] if is_done else [(2, told["key"])])
        shown = model.requests[0].messages[-1]
        assert isinstance(shown, ToolAnswer)
        assert shown.text == ("found" if is_done else "worked")
        await assert_sound(engine, agent.thread_id)


async def test_a_model_call_whose_process_was_killed_is_asked_again(
    store_url: str, category: str
) -> None:
    model = scripted("after all")
    async with (
        killed(store_url, category, "model"),
        survivor(store_url, category, model, "never", []) as engine,
    ):
        agent = await (await engine.latest("last")).resume()
        assert agent.answer == "after all"
        rows = [r.event for r in await events(engine, agent.thread_id)]
        assert [e.kind for e in rows if isinstance(e, LlmCallFailed)] == ["interrupted"]
        assert [m.text for m in model.requests[0].messages] == ["go"]
        await assert_sound(engine, agent.thread_id)


async def test_who_follows_takes_over_from_a_process_that_is_killed(
    store_url: str, category: str
) -> None:
    """No command is needed: whoever waits for the thread tries again for it."""
    model = scripted("taken over")
    async with (
        at_work(store_url, category, "model") as (worker, _),
        survivor(store_url, category, model, "never", []) as engine,
        under_way((await engine.latest("last")).resume()) as waiting,
    ):
        store = engine.store
        assert isinstance(store, WatchedStore)
        await until(lambda: store.tries > 1)  # the first was in vain
        assert not waiting.done()
        worker.kill()
        agent = await waiting
        assert agent.answer == "taken over"
        await assert_sound(engine, agent.thread_id)

"""An agent's id alone rebuilds that exact state: in another engine, and in another process."""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.connecting import connect
from messagedb_agent.agents.engine import Engine
from messagedb_agent.events.codec import decode
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.store.memory import MemoryStore
from tests.properties.effort import examples

Move = tuple[int, int]
MOVES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=8)
TEXTS = ("Hello!", "What is 42 * 7?", 'call echo {"text": "x"}', "Thanks")


async def made(engine: Engine, moves: Sequence[Move]) -> list[Agent]:
    """Make agents of agents, each of one made before, and return all."""
    agents = [await engine.create_agent("Ada", metadata={"n": 0}, user="ada")]
    for kind, number in moves:
        agent, text = agents[number % len(agents)], TEXTS[number % len(TEXTS)]
        match kind:
            case 0 | 1 | 2:
                agents.append(await agent.advance(text))
            case 3:
                agents.append(await agent.advance(text, temperature=number % 3, max_tokens=9))
            case 4:
                agents.append(await agent.advance(text, detached=True))
            case 5:
                agents.append(await agent.with_model(f"offline-{number}"))
            case 6:
                agents.append(await agent.with_metadata({"n": number}))
            case 7:
                agents.append(await agent.clone())
            case 8:
                agents.append(await agent.fork(title=text))
            case _:
                await agent.set_title(text)
    return agents


async def told(agent: Agent) -> dict[str, Any]:
    """Return all that an agent says of itself, as JSON has it."""
    names = ("id", "parent_id", "thread_id", "position", "name", "system_prompt", "model", "user")
    said = {name: getattr(agent, name) for name in (*names, "metadata", "status", "answer")}
    said["created_at"] = agent.created_at.isoformat()
    said["definition"] = agent.definition and agent.definition.model_dump(mode="json")
    said["messages"] = [asdict(message) for message in await agent.messages()]
    said["lineage"] = [state.id for state in await agent.lineage()]
    used = await agent.usage()
    said["usage"] = [used.input_tokens, used.output_tokens, used.cost_usd, used.tools.calls]
    told: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return told


def any_offline(name: str) -> Any:
    from messagedb_agent.llm.offline import OfflineModel

    return OfflineModel()


async def _check(moves: Sequence[Move]) -> None:
    store = MemoryStore()
    async with connect(store, models=any_offline) as engine:
        agents = await made(engine, moves)
        other = await connect(store, models=any_offline)
        for agent in agents:
            loaded = await other.load_agent(agent.id)
            assert loaded == agent
            assert await told(loaded) == await told(agent)
        assert len({agent.id for agent in agents}) == len(agents)


@examples(25)
@given(MOVES)
def test_an_id_rebuilds_the_same_state_in_another_engine(moves: list[Move]) -> None:
    asyncio.run(_check(moves))


async def _check_forks(moves: Sequence[Move]) -> None:
    async with connect(MemoryStore(), models=any_offline) as engine:
        for agent in await made(engine, moves):
            before = await told(agent)
            fork = await agent.clone()
            (start,) = [row async for row in engine.messages(fork.thread_id)]
            begun = decode(start).recorded.event
            assert isinstance(begun, SessionStarted)
            assert begun.forked_from
            parent = engine._stream(agent.thread_id)
            assert begun.forked_from.stream_name == parent
            assert (begun.forked_from.position, begun.forked_from.event_id) == (
                agent.position,
                agent.id,
            )
            shared = await told(fork)
            assert shared["messages"] == before["messages"]
            assert shared["lineage"] == [*before["lineage"], fork.id]
            assert shared["usage"] == before["usage"]
            later = await fork.advance("What is 6 * 7?")
            assert (await told(later))["messages"][: len(before["messages"])] == before["messages"]
            assert await told(agent) == before
            assert (await engine.verify(fork.thread_id)).finding is None


@examples(8)
@given(MOVES)
def test_a_fork_shares_all_up_to_its_state_and_copies_nothing(moves: list[Move]) -> None:
    asyncio.run(_check_forks(moves))


async def rebuilt(url: str, category: str, ids: Sequence[str]) -> None:
    """Print what agents say of themselves, loaded by nothing but their ids."""
    async with connect(url, category=category, models=any_offline) as engine:
        print(json.dumps([await told(await engine.load_agent(id)) for id in ids]))


async def test_an_id_rebuilds_the_same_state_in_a_fresh_process(
    store_url: str, category: str
) -> None:
    chance, root = random.Random(5), Path(__file__).parents[2]
    async with connect(store_url, category=category, models=any_offline) as engine:
        agents: list[Agent] = []
        for _ in range(4):
            moves = [(chance.randrange(10), chance.randrange(100)) for _ in range(6)]
            agents += await made(engine, moves)
        expected = [await told(agent) for agent in agents]
    work = "import asyncio, json, sys; from tests.properties.test_ids import rebuilt; "
    work += "asyncio.run(rebuilt(*json.loads(sys.argv[1])))"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", work, json.dumps([store_url, category, [a.id for a in agents]])],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
    )
    assert json.loads(done.stdout) == expected

"""Agents are values: each step gives another one, and an old one can be advanced once more.

    uv run python examples/immutable_agents.py

An agent is one state of a thread, named by the id of the last event it includes. Advancing a
state that is no longer the newest of its thread forks there: a new thread begins, whose first
event names the parent's stream, position and event. Nothing is copied.
"""

import asyncio

from messagedb_agent import Agent, MemoryStore, connect


async def main() -> None:
    async with connect(MemoryStore()) as engine:
        first = await engine.create_agent("mathematician")
        second = await first.advance("What is 6 * 7?")
        third = await second.advance("What is 6 * 8?")
        show("first", first)
        show("second", second)
        show("third", third)

        # The thread of the second agent has gone on: advanced once more, it forks.
        other = await second.advance("What is 6 * 9?")
        show("other", other)
        print("the second agent still says:", second.answer)
        print("and can be had by its id:", await engine.load_agent(second.id) == second)

        print("where the other one comes from:")
        for state in other.view.lineage.states:
            print(f"  turn {state.turn}: {state.kind:<8} {state.id[-6:]} in {state.stream[-6:]}")


def show(name: str, agent: Agent) -> None:
    parent = f"after {agent.parent_id[-6:]}" if agent.parent_id else "the first"
    print(f"{name:<6} {agent.id[-6:]} {parent:<12} in {agent.thread_id[-6:]}: {agent.answer}")


if __name__ == "__main__":
    asyncio.run(main())

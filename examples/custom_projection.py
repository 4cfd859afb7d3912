"""Another meaning of a thread: a first value, and a rule how each event changes it.

    uv run python examples/custom_projection.py

A projection is pure, so it can be folded over any thread, up to any position, at any time later;
nothing has to be set up before the events are written.
"""

import asyncio
from collections.abc import Mapping

from messagedb_agent import MemoryStore, Projection, connect
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import ToolExecutionCompleted, ToolExecutionStarted


def _evolve(times: Mapping[str, int], recorded: Recorded) -> Mapping[str, int]:
    match recorded.event:
        case ToolExecutionStarted(tool_name=tool):
            return {**times, tool: times.get(tool, 0) + 1}
        case ToolExecutionCompleted(elapsed_ms=elapsed_ms):
            return {**times, "milliseconds": times.get("milliseconds", 0) + elapsed_ms}
        case _:
            return times


tool_use: Projection[Mapping[str, int]] = Projection({}, _evolve)


async def main() -> None:
    async with connect(MemoryStore()) as engine:
        agent = await engine.start("What is 5 + 3?")
        agent = await agent.advance("Can you also tell me the time? And what is 2 ** 10?")
        used = await engine.fold(agent.thread_id, tool_use)
        print("by now:", used)
        earlier = await engine.fold(agent.thread_id, tool_use, at=7)
        print("after the first turn:", earlier)


if __name__ == "__main__":
    asyncio.run(main())

"""One question, asked of two models from the same state, and what came of it side by side.

    uv run python examples/fork_and_compare.py

`with_model` makes a fork: a thread of its own, which shares its parent's past and copies nothing.
On the command line these are `messagedb-agent fork`, `what-if` and `diff`. The models are scripted
here; with a key, names such as `anthropic/claude-haiku-4-5` need no script.
"""

import asyncio
from collections.abc import Sequence

from messagedb_agent import Agent, MemoryStore, Projection, connect
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import AssistantReply, RequestMessage
from messagedb_agent.projections.comparison import Side, compare, side
from messagedb_agent.testing import ScriptedModel, call

MODELS = {
    "quick": ScriptedModel("Good day!", "About 300."),
    "careful": ScriptedModel(call("calculate", expression="42 * 7"), "It is 294."),
}


def models(name: str) -> ScriptedModel:
    return MODELS[name]


def _evolve(events: Sequence[Recorded], recorded: Recorded) -> Sequence[Recorded]:
    return (*events, recorded)


history: Projection[Sequence[Recorded]] = Projection((), _evolve)


async def main() -> None:
    async with connect(MemoryStore(), models=models) as engine:
        agent = await engine.create_agent(model="quick")
        greeted = await agent.advance("Hello!")

        fork = await greeted.with_model("careful")
        quick = await greeted.advance("What is 42 * 7?")
        careful = await fork.advance("What is 42 * 7?")

        compared = compare(await past(quick), await past(careful))
        print(f"they share {compared.common} events")
        for pair in compared.messages:
            print("same   " if pair.is_same else "differs", text(pair.one), "|", text(pair.other))
        for usage in compared.usages:
            print(f"{usage.models.calls} model calls, {usage.tools.calls} tool calls")


async def past(agent: Agent) -> Side:
    """Return all that happened in a thread, what it shares with its parent first."""
    return side(await agent.engine.fold(agent.thread_id, history))


def text(message: RequestMessage | None) -> str:
    match message:
        case None:
            return "-"
        case AssistantReply(calls=(call, *_)):
            return f"{call.name}({call.arguments})"
        case _:
            return message.text


if __name__ == "__main__":
    asyncio.run(main())

"""Who an agent is: written down, made of a template, and kept under a name.

    uv run python examples/definitions.py

An `AgentDefinition` makes the system prompt. Saved under a name it has revisions, and a thread
records exactly which of them it ran; the name may go on, the thread stays with what it has.
"""

import asyncio

from messagedb_agent import Agent, AgentDefinition, MemoryStore, connect


async def main() -> None:
    async with connect(MemoryStore()) as engine:
        clerk = AgentDefinition(
            role="A clerk in a shop for stamps.",
            goal="Find the stamps that a customer is looking for.",
            constraints=["Name the price of each stamp.", "Sell nothing to children."],
            tools=["calculate"],
        )
        print(clerk.system_prompt)

        await engine.definitions.save("clerk", clerk, by="ada")
        agent = await engine.start("What is 42 * 7?", definition="clerk")
        show("begun", agent)

        by_template = engine.definitions.template("rag-assistant", domain="old stamps")
        await engine.definitions.save("clerk", by_template, by="ada")
        show("goes on", await agent.advance("What is 42 * 8?"))
        show("redefined", await agent.advance("What is 42 * 9?", definition="clerk"))

        for saved in await engine.definitions.revisions("clerk"):
            print(f"{saved.name}, revision {saved.revision}: {saved.definition.role}")


def show(what: str, agent: Agent) -> None:
    revision = agent.definition.revision if agent.definition else None
    print(f"{what}: revision {revision.position if revision else None}: {agent.answer}")


if __name__ == "__main__":
    asyncio.run(main())

"""What is known of a user, in whatever thread: noted, shown to the model, and found by it.

    uv run python examples/memory.py

Facts are events on a stream of the user's own. A thread records what its model was shown of them;
a fact that a model finds in a thread knows the message that taught it.
"""

import asyncio

from messagedb_agent import AgentDefinition, MemoryStore, connect


async def main() -> None:
    async with connect(MemoryStore()) as engine:
        await engine.memory.set("ada", "home city", "Paris", category="person")

        guide = AgentDefinition(role="A travel guide.", memory=True)
        agent = await engine.start("My name is Ada. Hello!", definition=guide, user="ada")
        for fact in await engine.memory.extract(agent):  # by the thread's model, here `offline`
            print(f"learned {fact.key}: {fact.value}, from {fact.taught_by}")

        await engine.memory.set("ada", "home city", "Rome", category="person")
        await agent.advance("I have moved.")  # the model is shown what is known by now
        print(await engine.memory.as_prompt("ada"))

        before = await engine.memory.get("ada", "home city", at=0)
        print(f"at first: {before.value if before else None}")
        await engine.memory.forget("ada", "home city")
        print(f"known at last: {[fact.key for fact in await engine.memory.get_all('ada')]}")


if __name__ == "__main__":
    asyncio.run(main())

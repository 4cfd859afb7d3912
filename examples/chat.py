"""Talk to an agent from Python; its thread stays in the store.

    uv run python examples/chat.py

`MESSAGE_DB_URL` names a Message DB; without it the embedded server is used, as on the command
line, where `messagedb-agent show last` shows the thread afterwards.
"""

import asyncio
import os

from messagedb_agent import connect


async def main() -> None:
    async with connect(os.environ.get("MESSAGE_DB_URL")) as engine:
        agent = await engine.start("What is 42 * 7?")
        print(agent.answer)
        agent = await agent.advance("Thanks for your help!")
        print(agent.answer)


if __name__ == "__main__":
    asyncio.run(main())

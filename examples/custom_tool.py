"""Tools of one's own: typed functions with `@tool`.

    uv run python examples/custom_tool.py

or, with the built-in tools beside them, on the command line from the same folder:

    messagedb-agent --tools examples.custom_tool start 'call roll_dice {"sides": 20, "seed": 7}'

What a model is told of a tool (its schema) comes from the signature and the docstring. `effect`
says what to do with a call whose worker died: this one may simply run again.
"""

import asyncio
import random
from typing import Annotated

from pydantic import Field

from messagedb_agent import MemoryStore, ToolError, connect, tool


@tool(effect="retry")
def roll_dice(sides: Annotated[int, Field(ge=2)], count: int = 1, seed: int | None = None) -> str:
    """Roll dice and tell what they show.

    Args:
        sides: sides of each die.
        count: how many dice, 1 to 100.
        seed: makes the same roll again.
    """
    if not 1 <= count <= 100:
        raise ToolError(f"{count} dice cannot be rolled; 1 to 100 can")
    dice = random.Random(seed)  # noqa: S311 - a game
    return ", ".join(str(dice.randint(1, sides)) for _ in range(count))


async def main() -> None:
    async with connect(MemoryStore(), tools=[roll_dice]) as engine:
        agent = await engine.start('call roll_dice {"sides": 6, "count": 3, "seed": 1}')
        print(agent.answer)
        agent = await agent.advance('call roll_dice {"sides": 1}')
        print(agent.answer)


if __name__ == "__main__":
    asyncio.run(main())

"""An answer that is a value of a type of your own, checked before you get it.

    uv run python examples/structured_output.py

The model is told the JSON Schema of the type. An answer that is none is sent back once, with what
is wrong. On the command line it is `messagedb-agent start --output schema.json`. The model is
scripted here, and makes a mistake at first.
"""

import asyncio
from datetime import date

from pydantic import BaseModel, PositiveInt

from messagedb_agent import MemoryStore, connect
from messagedb_agent.testing import ScriptedModel


class Booking(BaseModel):
    """Seats for somebody."""

    name: str
    day: date
    seats: PositiveInt


MODEL = ScriptedModel(
    '{"name": "Ada", "day": "2027-03-14", "seats": 0}',
    '{"name": "Ada", "day": "2027-03-14", "seats": 2}',
    '{"value": [3, 5, 7]}',  # what is no object stands in one
)


async def main() -> None:
    async with connect(MemoryStore(), models=MODEL) as engine:
        agent = await engine.start("Two seats for Ada on Pi Day 2027, please.", output=Booking)
        booking = agent.output  # a Booking, to type checkers too
        print(f"{booking.seats} seats for {booking.name} on {booking.day:%d %B %Y}")

        for message in await agent.messages():
            print(f"{message.role}: {message.text}")

        tables = await agent.advance("Which tables are free?", output=list[int])
        print(f"{len(tables.output)} tables: {tables.output}")


if __name__ == "__main__":
    asyncio.run(main())

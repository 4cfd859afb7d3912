"""Bills and other values that answers are asked to be, and what a thread tells of them."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, field_validator
from typing_extensions import TypedDict

from messagedb_agent.events.schema import (
    LlmCallStarted,
    LlmResponseReceived,
)
from tests.unit.engine.world import (
    events,
)


class Bill(BaseModel):
    """What is to be paid."""

    euro: int
    whom: str

    @field_validator("euro")
    @classmethod
    def not_negative(cls, value: int) -> int:
        if value < 0:
            raise ValueError("nobody owes less than nothing")
        return value


@dataclass
class Point:
    x: int
    y: int = 0


class Pair(TypedDict):
    one: str
    other: str


GOOD = '{"euro": 7, "whom": "Ada"}'
BILL = Bill(euro=7, whom="Ada")
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def texts(messages: Any) -> list[str]:
    return [m.text for m in messages]


def note(problem: str) -> str:
    return f"[Note: that is not the output that was asked for: {problem}. Answer once more.]"


async def verdicts(engine: Any, thread_id: str) -> list[str | None]:
    found = [one.event for one in await events(engine, thread_id)]
    judged = [e.output for e in found if isinstance(e, LlmResponseReceived) and e.output]
    return [verdict.problem for verdict in judged]


async def repairs(engine: Any, thread_id: str) -> list[bool]:
    found = [one.event for one in await events(engine, thread_id)]
    return [e.repairs for e in found if isinstance(e, LlmCallStarted)]

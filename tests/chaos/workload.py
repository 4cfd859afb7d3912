"""What is said to threads, so that every policy is at work at any time."""

import json
from dataclasses import dataclass
from random import Random
from uuid import UUID

from tests.chaos.tools import POLICIES


@dataclass(frozen=True)
class Said:
    """A message of a user's, on its way into a thread.

    Attributes:
        id: its message id, kept however often it is said.
        text: what is said; no two messages of a run say the same.
    """

    id: str
    text: str


def say(chance: Random, *, busy_ms: int, rounds: int = 3) -> Said:
    """Return a message that takes some rounds of one or two tool calls.

    Args:
        chance: what it is drawn from.
        busy_ms: how long a tool is busy, at most.
        rounds: how many there are, at most.
    """
    drawn = (_round(chance, busy_ms) for _ in range(chance.randint(1, rounds)))
    id = str(UUID(int=chance.getrandbits(128), version=4))
    return Said(id, f"message {id}\n" + "\nthen\n".join(drawn))


def _round(chance: Random, busy_ms: int) -> str:
    names = chance.sample([*POLICIES], chance.randint(1, 2))
    return "\n".join(
        f"call {name} {json.dumps({'ms': chance.randint(0, busy_ms)})}" for name in names
    )

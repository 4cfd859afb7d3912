"""Transactions of the simulated server, which hold a category's lock and end with an append."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg

from messagedb_agent.store.message import NewMessage

if TYPE_CHECKING:
    from tests.simulation.connection import SimulatedConnection

BOOK = "INSERT INTO bookings (call_id, attempt) VALUES (%s, %s)"
"""What a transactional tool does: its own row, beside its outcome or not at all."""
COMMIT = "COMMIT"
IDLE_S = 60.0  # as `PoolLimits` and the statement that takes the lock have it
IDLE_WITH_LOCK_S = 5.0
LOCK_S = 10.0


@dataclass
class Open:
    """A transaction that is open on a session.

    Attributes:
        category: whose lock it holds, if any.
        messages: what it has appended, and nobody else sees yet.
        booked: what its tool has booked, likewise.
        is_broken: whether a statement has failed in it.
        mark: what was set until its end.
    """

    category: str | None = None
    messages: list[tuple[str, NewMessage]] = field(default_factory=list)
    booked: list[tuple[str, int]] = field(default_factory=list)
    is_broken: bool = False
    mark: str | None = None

    @property
    def idle_s(self) -> float:
        """How long the server lets it be idle."""
        return IDLE_WITH_LOCK_S if self.category else IDLE_S


class _Transaction:
    """What psycopg has a transaction begun by."""

    def __init__(self, connection: "SimulatedConnection") -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        await self._connection.ask("BEGIN", ())


def _again(connection: "SimulatedConnection") -> "SimulatedConnection":
    """Return what stands for another object of psycopg's on the same session."""
    return connection


PSYCOPG: Any = SimpleNamespace(
    Error=psycopg.Error, AsyncTransaction=_Transaction, AsyncConnection=_again
)
"""As much of psycopg as transactions are begun and ended by."""

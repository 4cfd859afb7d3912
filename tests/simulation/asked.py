"""A statement on its way to the simulated server and back."""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg

from tests.simulation.faults import Fault
from tests.simulation.statements import Answer, Session

_LAG_S = 3.0  # the longest that a slow statement takes; less than a store tries again for


class Asked:
    """A statement that was sent.

    Attributes:
        session: what it was sent on.
        query: the statement.
        parameters: its parameters.
        due: what goes wrong with it, by kind.
        answer: its answer; whoever waits for it may be cancelled.
        called_off: whether it is not to be carried out any more.
        over: done once it is answered, whoever waits; None while nobody has called it off.
        due_s: until when it waits for a lock; None where it has not begun to.
    """

    __slots__ = (
        "answer",
        "called_off",
        "due",
        "due_s",
        "over",
        "parameters",
        "query",
        "session",
    )

    def __init__(
        self,
        session: Session,
        query: str,
        parameters: Any,
        due: Mapping[str, Fault],
        answer: asyncio.Future[Answer],
    ) -> None:
        self.session = session
        self.query = query
        self.parameters = parameters
        self.due = due
        self.answer = answer
        self.called_off = False
        self.over: asyncio.Future[None] | None = None
        self.due_s: float | None = None

    @property
    def late_s(self) -> tuple[float, float]:
        """How much longer than usual it is under way: before it is carried out, and after."""
        late = self.due.get("lag") or self.due.get("slow")
        if late is None:
            return 0.0, 0.0
        wait_s = late.size * _LAG_S
        return (wait_s, 0.0) if int(late.size * 100) % 2 else (0.0, wait_s)

    def deliver(self, reply: Answer | psycopg.Error) -> None:
        """Let whoever asked have the answer, or hear that the session has ended meanwhile."""
        if not self.session.is_open:
            reply = lost()
        if self.over and not self.over.done():
            self.over.set_result(None)
        if self.answer.done():
            return
        if isinstance(reply, list):
            self.answer.set_result(reply)
        else:
            self.answer.set_exception(reply)
            self.answer.exception()  # whoever asked may be dead by now

    def cut(self) -> None:
        """Have nobody wait for it any more: the client has closed its connection."""
        if self.over and not self.over.done():
            self.over.set_result(None)
        if not self.answer.done():
            self.answer.set_exception(lost())
            self.answer.exception()


def lost() -> psycopg.OperationalError:
    """Return what a client hears whose session has ended."""
    return psycopg.OperationalError("server closed the connection unexpectedly")

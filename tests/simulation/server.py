"""A model of Message DB: rows, sessions with their locks, and answers that may be lost."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any, TypeAlias

import psycopg
from psycopg import errors

from messagedb_agent.ids import derived_id
from messagedb_agent.store.append import _APPEND
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.notifications import _GONE, _LISTENING, _NOTIFY
from messagedb_agent.store.ownership import _ASK
from tests.simulation.asked import Asked, lost
from tests.simulation.faults import Fault, Faults, Point
from tests.simulation.loop import OUTSIDE, Process, VirtualLoop
from tests.simulation.statements import Answer, Session, Statements
from tests.simulation.transactions import COMMIT, LOCK_S

Say: TypeAlias = Callable[[str], None]

_AWAY_S = 15.0  # the longest outage; more than that
_OF_NEWS = (_NOTIFY, _LISTENING, _GONE, "LISTEN", "UNLISTEN")
_POINTS: Mapping[str, Point] = {
    _APPEND: "write",
    COMMIT: "write",
    **dict.fromkeys(_OF_NEWS, "news"),
}  # else "read"
_NOTHING: Mapping[str, Fault] = {}
_CUTS = frozenset({"refuse", "deaf", "mute"})  # the statement is not carried out
_BUSY = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.AdminShutdown,
    errors.DiskFull,
)


class Server:
    """What processes send statements to.

    A statement is carried out at one instant, between being sent and being answered. What a
    process had sent when it died is carried out all the same.

    Args:
        loop: tells the time.
        faults: what happens to statements.
        random: draws how long they are under way; None: always as long.
        say: writes the log of the run.

    Attributes:
        statements: carries them out; has the rows.
        confirmed: the newest global position when each process last heard that its session, and so
            its locks, live; by the process's number.
    """

    def __init__(self, loop: VirtualLoop, faults: Faults, random: Random | None, say: Say) -> None:
        self.statements = Statements(self._hear, self._free)
        self.confirmed: dict[int, int] = {}
        self._grown = loop.create_future()
        self._loop = loop
        self._faults = faults
        self._random = random
        self._say = say
        self._sessions: list[Session] = []
        self._waiting: list[Asked] = []  # for a category's lock
        self._away_until = 0.0
        self._strangers = 0

    @property
    def is_away(self) -> bool:
        return self._loop.time() < self._away_until

    async def grown(self, timeout_s: float) -> None:
        """Wait until something is appended; at most some seconds."""
        await asyncio.wait({self._grown}, timeout=timeout_s)

    def go_away(self, size: float) -> None:
        """End all sessions and let nobody in for a while."""
        self._away_until = self._loop.time() + size * _AWAY_S
        for session in [session for session in self._sessions if session.is_open]:
            self.drop(session)

    def open_session(self, process: Process) -> Session:
        if self.is_away:
            raise psycopg.OperationalError("connection refused")
        session = Session(process, len(self._sessions) + 1)
        self._sessions.append(session)
        return session

    def drop_sessions(self, process: Process) -> None:
        """End the sessions of a process, which hears of it."""
        for session in self._sessions:
            if session.process is process and session.is_open:
                self.drop(session)

    def drop(self, session: Session) -> None:
        """End a session from this side; its client hears of it a little later."""
        session.is_open = False
        self.statements.let_go(session)
        self._later(self._trip_s(), self._loop.readable, session.number)

    def close(self, session: Session) -> None:
        """Hear that a client has closed its connection, or died."""
        session.is_left = True
        self._later(self._trip_s(), self._let_go, session)

    def _let_go(self, session: Session) -> None:
        """End a session whose client is gone, once all is done that it had sent."""
        session.is_gone = True
        if not session.under_way:
            self.statements.let_go(session)

    def bury(self, process: Process) -> None:
        """Hear that a process has died."""
        for session in self._sessions:
            if session.process is process:
                self.close(session)

    def owns(self, process: Process, stream: str) -> bool:
        """Say whether a process owns a stream at this moment, as the server sees it."""
        owner = self.statements.owner(stream)
        return owner is not None and owner.process is process

    def send(self, session: Session, query: str, parameters: Any) -> Asked:
        """Send a statement."""
        due: Mapping[str, Fault] = _NOTHING
        if faults := self._faults.at(_POINTS.get(query, "read")):
            due = {fault.kind: fault for fault in faults}
            for fault in due.values():
                self._say(f"{session.process} {fault}")
        asked = Asked(session, query, parameters, due, self._loop.create_future())
        session.under_way += 1
        before_s = asked.late_s[0] if due else 0.0
        self._later(self._trip_s() + before_s, self._arrive, asked)
        return asked

    def _arrive(self, asked: Asked) -> None:
        session = asked.session
        if self._waits(asked):
            self._waiting.append(asked)
            return
        reply = self._carried_out(asked)
        session.under_way -= 1
        if session.is_gone:
            self._let_go(session)
        if asked.due and (after_s := asked.late_s[1]):
            self._later(after_s, asked.deliver, reply)
        else:  # whoever asked hears of it at its next step
            asked.deliver(reply)

    def call_off(self, asked: Asked) -> "asyncio.Future[None]":
        """Have a statement not carried out, if it is not yet.

        Returns:
            What is done once it is answered.
        """
        asked.over = self._loop.create_future()

        def hear() -> None:
            asked.called_off = True
            self._free()

        self._later(self._trip_s(), hear)
        return asked.over

    def _waits(self, asked: Asked) -> bool:
        """Say whether a statement that arrives is to wait for a category's lock."""
        session = asked.session
        session.arrived += 1
        if asked.called_off or not session.is_open:
            return False
        if not self.statements.must_wait(session, asked.query, asked.parameters):
            return False
        if asked.due_s is None:
            asked.due_s = self._loop.time() + LOCK_S
            self._later(LOCK_S, self._free)
        return self._loop.time() < asked.due_s

    def _free(self) -> None:
        """Let those look again who wait for a category's lock."""
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            self._later(0.0, self._arrive, asked)

    def _end_idle(self, session: Session, arrived: int) -> None:
        """End a session that has left its transaction alone."""
        if session.transaction and session.is_open and session.arrived == arrived:
            self._say(f"{session.process} is idle in a transaction")
            self.drop(session)

    def _carried_out(self, asked: Asked) -> Answer | psycopg.Error:
        session, query, parameters, due = asked.session, asked.query, asked.parameters, asked.due
        if not session.is_open:
            return lost()
        if asked.called_off:
            return errors.QueryCanceled("canceling statement due to user request")
        if due and not due.keys().isdisjoint(_CUTS):
            self.drop(session)
            return lost()
        if self.statements.must_wait(session, query, parameters):
            return errors.LockNotAvailable("canceling statement due to lock timeout")
        if busy := due.get("busy"):
            if session.transaction:
                session.transaction.is_broken = True
            error = _BUSY[int(busy.size * 100) % len(_BUSY)]("try again")
            if isinstance(error, errors.AdminShutdown):
                self._later(0.0, self.drop, session)
            return error
        if "overtake" in due and not session.transaction:
            self._overtake(parameters)
        try:
            rows = self.statements.carry_out(session, query, parameters)
        except psycopg.Error as error:
            self._say(f"{session.process} {_name(query)} refused: {error}")
            return error
        self._say(f"{session.process} {_name(query)} {rows if query == _APPEND else len(rows)}")
        if session.transaction:
            self._later(session.transaction.idle_s, self._end_idle, session, session.arrived)
        if query in (_APPEND, COMMIT):
            self._grown.set_result(None)
            self._grown = self._loop.create_future()
        if "lose" in due:
            self.drop(session)
        if query == _ASK:
            self.confirmed[session.process.number] = self.statements.rows.last_global_position()
        return rows

    def _overtake(self, parameters: Mapping[str, str]) -> None:
        """Write a row of a stranger's where an append is about to stand."""
        self._strangers += 1
        stream = self.statements.stream_of(parameters)
        id = derived_id("stranger", str(self._strangers), "row")
        self.statements.write_row(stream, NewMessage(id, "SessionTitled", '{"title":"mine"}', None))

    def _hear(self, session: Session) -> None:
        self._later(self._trip_s(), self._loop.readable, session.number)

    def _trip_s(self) -> float:
        return 0.002 if self._random is None else 0.0005 + 0.0045 * self._random.random()

    def _later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        self._loop.call_later(delay_s, callback, *args, context=OUTSIDE)


@cache
def _name(query: str) -> str:
    return " ".join(query.split())[:50]

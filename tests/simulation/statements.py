"""The statements of `MessageDbStore`, carried out on the rows of a memory store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from psycopg import errors
from psycopg.pq import DiagnosticField

from messagedb_agent.store.append import _APPEND, _STANDING
from messagedb_agent.store.directory import _NEWEST, _WITH_PREFIX
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import (
    _BY_ID,
    _CATEGORY,
    _CUT_CATEGORY,
    _LAST,
    _STREAM,
    _VERSION,
)
from messagedb_agent.store.notifications import _GONE, _LISTENING, _NOTIFY
from messagedb_agent.store.ownership import _ASK, OWNED, lock_keys
from messagedb_agent.store.pool import _CONFIGURE
from messagedb_agent.store.stream_name import category_of
from messagedb_agent.store.transaction import _END_OF_THEIRS, _HAS, _LOCK, _MARK, _NEWS
from tests.simulation.loop import Process
from tests.simulation.rows import Rows
from tests.simulation.transactions import BOOK, COMMIT, Open

Answer: TypeAlias = list[tuple[Any, ...]] | list[Message]
_Keys: TypeAlias = tuple[int, int]
_ALL = 1_000_000


class Session:
    """A session of the server, which belongs to a process.

    Attributes:
        process: whose it is.
        number: stands for its socket and for its process at the server.
        is_open: whether the server has not ended it.
        is_left: whether its client has closed it, or died.
        news: notifications on their way, channel and number of the session that sent each.
        is_gone: whether the server knows that.
        under_way: how many statements were sent on it and are not carried out yet.
        transaction: the one that is open on it.
        arrived: how many statements have arrived on it.
    """

    def __init__(self, process: Process, number: int) -> None:
        self.process = process
        self.number = number
        self.is_open = True
        self.is_left = False
        self.is_gone = False
        self.under_way = 0
        self.news: list[tuple[str, int]] = []
        self.transaction: Open | None = None
        self.arrived = 0


class Statements:
    """Carries statements out, each at one instant.

    Attributes:
        rows: what stands in the store.
        booked: what transactional tools have done: call and attempt.

    Args:
        hear: told of sessions that have news.
        freed: told when a category's lock is free again.
    """

    def __init__(self, hear: Callable[[Session], None], freed: Callable[[], None]) -> None:
        self.rows = Rows()
        self.booked: list[tuple[str, int]] = []
        self._hear = hear
        self._freed = freed
        self._holders: dict[str, Session] = {}  # of the locks of categories
        self._listening: dict[str, list[Session]] = {}  # by channel
        self._audience: dict[_Keys, list[Session]] = {}  # who holds a shared lock
        self._locks: dict[_Keys, list[Session]] = {}  # a session may have one more than once

    def carry_out(self, session: Session, query: str, parameters: Any) -> Answer:
        """Carry out a statement.

        Raises:
            psycopg.Error: as the server would refuse it.
            KeyError: the statement is not known here.
        """
        transaction = session.transaction
        if transaction is None:
            return _CARRIED_OUT[query](self, session, parameters)
        if transaction.is_broken:
            raise errors.InFailedSqlTransaction("current transaction is aborted")
        try:
            return _CARRIED_OUT[query](self, session, parameters)
        except errors.Error:
            transaction.is_broken = True
            raise

    def must_wait(self, session: Session, query: str, parameters: Any) -> bool:
        """Say whether a statement waits for a category's lock that another session holds."""
        if not self._holders or query not in (_APPEND, _LOCK):
            return False
        stream = parameters[0] if query == _LOCK else self.stream_of(parameters)
        return self._holders.get(category_of(stream), session) is not session

    def owner(self, stream: str) -> Session | None:
        return next(iter(self._locks.get(lock_keys(stream), ())), None)

    def let_go(self, session: Session) -> None:
        """Release the locks of a session that has ended."""
        self._end(session)
        for keys in [keys for keys, owners in self._locks.items() if session in owners]:
            del self._locks[keys]
        for heard in (self._audience, self._listening):
            for place in heard:
                _without(heard, place, session)

    def stream_of(self, parameters: Mapping[str, str]) -> str:
        """Return the stream that an append writes to first."""
        return str(_messages(parameters)[0][0])

    def write_row(self, stream: str, message: NewMessage) -> None:
        self.rows.write(stream, message)

    def _version(self, stream: str) -> int | None:
        version = self.rows.version(stream)
        return None if version < 0 else version

    def _of_category(
        self, category: str, start: int, size: int, correlation: None, member: Any, group: Any
    ) -> Answer:
        return self.rows.of_category(category, start, size, group and Member(member, group))

    def _heads(self, category: str, before: int, rows: int, limit: int) -> Answer:
        found = self.rows.heads(category, before, limit)
        heads: list[tuple[Any, ...]] = [
            (row.stream_name, row.position, row.global_position) for row in found
        ]
        return [(0, before, *head) for head in heads or [(None, None, None)]]

    def _owned(self, first: Sequence[int], second: Sequence[int]) -> Answer:
        return [keys for keys in zip(first, second, strict=True) if keys in self._locks]

    def _append(self, session: Session, parameters: Mapping[str, str]) -> Answer:
        new = _messages(parameters)
        versions: dict[str, int] = {}
        ids: set[str] = set()
        try:
            for stream, expected, message in new:
                actual = versions.get(stream, self.rows.version(stream))
                if expected not in (None, actual):
                    raise _wrong_version(stream, expected, actual)
                if message.id in ids or self.rows.with_id(message.id):
                    raise _taken(message.id)
                versions[stream] = actual + 1
                ids.add(message.id)
        except errors.Error:
            self.rows.skip()
            raise
        if session.transaction:
            session.transaction.messages += [(stream, message) for stream, _, message in new]
            ahead = self.rows.last_global_position() + 1
            return [(versions[new[0][0]], ahead)]
        written = [self.rows.write(stream, message) for stream, _, message in new]
        return [(row.position, row.global_position) for row in written]

    def _begin(self, session: Session, _: Any) -> Answer:
        session.transaction = Open()
        return []

    def _mark(self, session: Session, _: Any) -> Answer:
        if session.transaction is None:
            raise errors.NoActiveSqlTransaction("a mark that would be gone at once")
        session.transaction.mark = "ours"
        return []

    def _book(self, session: Session, booking: tuple[str, int]) -> Answer:
        if session.transaction is None:
            raise errors.NoActiveSqlTransaction("a tool whose rows would stand by themselves")
        session.transaction.booked.append(booking)
        return []

    def _acquire(self, session: Session, asked: tuple[str]) -> Answer:
        if session.transaction is None:
            raise errors.NoActiveSqlTransaction("a lock that would be gone at once")
        session.transaction.category = category_of(asked[0])
        self._holders[session.transaction.category] = session
        return [(session.transaction.mark, 0, "5s")]

    def _commit(self, session: Session, _: Any) -> Answer:
        if transaction := session.transaction:
            for stream, message in transaction.messages:
                self.rows.write(stream, message)
            self.booked += transaction.booked
        self._end(session)
        return []

    def _end(self, session: Session) -> None:
        """End a transaction: what it has not committed is gone."""
        if session.transaction and session.transaction.category:
            del self._holders[session.transaction.category]
            self._freed()
        session.transaction = None

    def _stands(self, _: Session, parameters: Mapping[str, Any]) -> Answer:
        new = [message for _, _, message in _messages(parameters)]
        found = self.rows.standing(parameters["stream"], new, parameters["expected"])
        return [(row.position, row.global_position) for row in found]

    def _ask(self, session: Session, asked: tuple[str]) -> Answer:
        rows: list[tuple[Any, ...]] = []
        for wish in orjson.loads(asked[0]):
            turn = self._lock if wish["takes"] else self._unlock
            done = turn(session, (wish["high"], wish["low"]))
            rows.append((wish["stream"], done, self._version(wish["stream"])))
        return rows

    def _lock(self, session: Session, keys: _Keys) -> bool:
        owners = self._locks.get(keys, [])
        if session.is_left or any(owner is not session for owner in owners):
            return False
        self._locks[keys] = [*owners, session]
        return True

    def _unlock(self, session: Session, keys: _Keys) -> bool:
        owners = self._locks.get(keys, [])
        if session not in owners:
            return False
        if len(owners) == 1:
            del self._locks[keys]
        else:
            self._locks[keys] = owners[1:]
        return True

    def _notify(self, sender: Session, asked: Sequence[str]) -> Answer:
        heard = []
        for category, channel, *keys in (line.values() for line in orjson.loads(asked[0])):
            if any(s is not sender for s in self._audience.get((keys[0], keys[1]), ())):
                heard.append((category, None))
                for session in self._listening.get(channel, ()):
                    session.news.append((channel, sender.number))
                    self._hear(session)
        return heard


_CARRIED_OUT: Mapping[str, Callable[[Statements, Session, Any], Answer]] = {
    _APPEND: Statements._append,
    _STANDING: Statements._stands,
    _STREAM: lambda its, _, place: its.rows.page(*place),
    _CATEGORY: lambda its, _, asked: its._of_category(*asked),
    # All that is written here is short enough to be sent whole.
    _CUT_CATEGORY: lambda its, _, asked: its._of_category(*asked[2:]),
    _NEWEST: lambda its, _, asked: its._heads(**asked),
    OWNED: lambda its, _, keys: its._owned(**keys),
    _LAST: lambda its, _, asked: its.rows.newest(*asked),
    _BY_ID: lambda its, _, asked: its.rows.with_id(*asked),
    _VERSION: lambda its, _, asked: [(its._version(*asked),)],
    _WITH_PREFIX: lambda its, _, asked: [(name,) for name in its.rows.names(**asked)],
    _ASK: Statements._ask,
    _LISTENING: lambda its, session, keys: _with(its._audience, keys, session),
    _GONE: lambda its, session, keys: _without(its._audience, keys, session),
    "LISTEN": lambda its, session, name: _with(its._listening, name.strip('"'), session),
    "UNLISTEN": lambda its, session, name: _without(its._listening, name.strip('"'), session),
    _NOTIFY: Statements._notify,
    "BEGIN": Statements._begin,
    COMMIT: Statements._commit,
    _MARK: Statements._mark,
    BOOK: Statements._book,
    _END_OF_THEIRS: lambda *_: [],
    _CONFIGURE: lambda *_: [],
    _LOCK: Statements._acquire,
    _NEWS: lambda its, _, place: its.rows.page(place[0], place[1], _ALL),
    _HAS: lambda its, _, asked: [(bool(its.rows.with_id(*asked)),)],
}


def _with(heard: "dict[Any, list[Session]]", place: Any, session: Session) -> Answer:
    heard.setdefault(place, []).append(session)
    return [(None,)]


def _without(heard: "dict[Any, list[Session]]", place: Any, session: Session) -> Answer:
    heard[place] = [one for one in heard.get(place, ()) if one is not session]
    return [(None,)]


def _messages(parameters: Mapping[str, str]) -> list[tuple[str, int | None, NewMessage]]:
    parsed: Any = orjson.loads(parameters["messages"])
    return [(one["stream"], one.get("expected"), _message(one)) for one in parsed]


def _message(one: Mapping[str, Any]) -> NewMessage:
    # Not as jsonb prints it, which costs much; what engines write reads back the same.
    data, metadata = (
        orjson.dumps(one[key]).decode() if key in one else None for key in ("data", "metadata")
    )
    return NewMessage(one["id"], one["type"], data, metadata)


def _wrong_version(stream: str, expected: int | None, actual: int) -> errors.Error:
    text = f"Wrong expected version: {expected} (Stream: {stream}, Stream Version: {actual})"
    return errors.RaiseException(text, info=_said(MESSAGE_PRIMARY=text))


def _taken(id: str) -> errors.Error:
    detail = f"Key (id)=({id}) already exists."
    return errors.UniqueViolation(
        detail, info=_said(MESSAGE_DETAIL=detail, CONSTRAINT_NAME="messages_id")
    )


def _said(**fields: str) -> dict[int, bytes | None]:
    return {DiagnosticField[name]: text.encode() for name, text in fields.items()}

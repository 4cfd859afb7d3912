"""The statements of `MessageDbStore`, carried out on the rows of a memory store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import orjson
from psycopg import errors
from psycopg.pq import DiagnosticField

from messagedb_agent.store.append import _APPEND, _STANDING
from messagedb_agent.store.directory import _WITH_PREFIX
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import _BY_ID, _LAST, _STREAM, _VERSION
from messagedb_agent.store.ownership import _ASK, lock_keys
from tests.simulation.loop import Process

Rows: TypeAlias = list[tuple[Any, ...]] | list[Message]
_Keys: TypeAlias = tuple[int, int]


class Session:
    """A session of the server, which belongs to a process.

    Attributes:
        process: whose it is.
        number: stands for its socket.
        is_open: whether the server has not ended it.
        is_left: whether its client has closed it, or died.
    """

    def __init__(self, process: Process, number: int) -> None:
        self.process = process
        self.number = number
        self.is_open = True
        self.is_left = False


class _Rows(MemoryStore):
    """The rows of a memory store, without its awaits."""

    def page(self, stream: str, position: int, size: int) -> list[Message]:
        return self._streams.get(stream, [])[position : position + size]

    def newest(self, stream: str, type: str | None) -> list[Message]:
        rows = reversed(self._streams.get(stream, []))
        return [row for row in rows if type in (None, row.type)][:1]

    def with_id(self, id: str) -> list[Message]:
        return [self._by_id[id]] if id in self._by_id else []

    def version(self, stream: str) -> int:
        return self._version(stream)

    def names(self, prefix: str, limit: int) -> list[str]:
        return [name for name in self._names if name.startswith(prefix)][:limit]

    def last_global_position(self) -> int:
        return self._global_position

    def types_written(self) -> frozenset[str]:
        return frozenset(row.type for row in self._by_id.values())

    def write(self, stream: str, message: NewMessage) -> Message:
        return self._write(stream, message)

    def standing(
        self, stream: str, messages: Sequence[NewMessage], expected: int | None
    ) -> list[Message]:
        return self._standing(stream, messages, expected)

    def skip(self) -> None:
        """Leave a gap, as a sequence does where a statement fails."""
        self._global_position += 1


class Statements:
    """Carries statements out, each at one instant.

    Attributes:
        rows: what stands in the store.
    """

    def __init__(self) -> None:
        self.rows = _Rows()
        self._locks: dict[_Keys, list[Session]] = {}  # a session may have one more than once
        self._known: Mapping[str, Callable[[Session, Any], Rows]] = {
            _APPEND: self._append,
            _STANDING: self._stands,
            _STREAM: lambda _, place: self.rows.page(*place),
            _LAST: lambda _, asked: self.rows.newest(*asked),
            _BY_ID: lambda _, asked: self.rows.with_id(*asked),
            _VERSION: lambda _, asked: [(self._version(*asked),)],
            _WITH_PREFIX: lambda _, asked: [(name,) for name in self.rows.names(**asked)],
            _ASK: self._ask,
        }

    def carry_out(self, session: Session, query: str, parameters: Any) -> Rows:
        """Carry out a statement.

        Raises:
            psycopg.Error: as the server would refuse it.
            KeyError: the statement is not known here.
        """
        return self._known[query](session, parameters)

    def owner(self, stream: str) -> Session | None:
        return next(iter(self._locks.get(lock_keys(stream), ())), None)

    def let_go(self, session: Session) -> None:
        """Release the locks of a session that has ended."""
        for keys in [keys for keys, owners in self._locks.items() if session in owners]:
            del self._locks[keys]

    def stream_of(self, parameters: Mapping[str, str]) -> str:
        """Return the stream that an append writes to first."""
        return str(_messages(parameters)[0][0])

    def write_row(self, stream: str, message: NewMessage) -> None:
        self.rows.write(stream, message)

    def _version(self, stream: str) -> int | None:
        version = self.rows.version(stream)
        return None if version < 0 else version

    def _append(self, _: Session, parameters: Mapping[str, str]) -> Rows:
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
        written = [self.rows.write(stream, message) for stream, _, message in new]
        return [(row.position, row.global_position) for row in written]

    def _stands(self, _: Session, parameters: Mapping[str, Any]) -> Rows:
        new = [message for _, _, message in _messages(parameters)]
        found = self.rows.standing(parameters["stream"], new, parameters["expected"])
        return [(row.position, row.global_position) for row in found]

    def _ask(self, session: Session, asked: tuple[str]) -> Rows:
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

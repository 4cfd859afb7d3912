"""PostgreSQL's errors in this package's words: the one place where a server's text is read."""

import re
from dataclasses import dataclass

import psycopg

from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    DuplicateMessage,
    NotMessageDb,
    RefusedName,
    RefusedPayload,
    StoreUnavailable,
)
from messagedb_agent.store.address import MASK, plain_name
from messagedb_agent.store.report import REMEDY

UNNAMED = "the default"
"""Stands for a database or a role that the address leaves to libpq."""

POOLER_REMEDY = "connect to the server itself, or use the pooler's session mode"

# Message DB's own errors have no codes of their own (all are P0001).
# Source: Message DB 1.3.0, `functions/write-message.sql`.
_WRONG_VERSION = re.compile(
    r"Wrong expected version: (-?\d+) \(Stream: (.*), Stream Version: (-?\d+)\)", re.S
)
_NO_NAME = ("Must be a stream name", "Must be a category", "Correlation must be a category")

# Worth another try at once or soon: nothing was decided against the statement itself.
# 40001 also comes from a replica that cancels a read; 23505 on `messages_stream` and 40P01 from
# writers that go round Message DB's lock; 57P05, 25P03 and 25P04 from a server that has ended a
# session for doing nothing for too long; 25006 from one that stayed with a server that another
# one has replaced.
_TRANSIENT = frozenset(
    {"25006", "25P03", "25P04", "40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05"}
)
_WAITED_TOO_LONG = frozenset({"55P03", "57014"})
_PAYLOAD = frozenset({"22P02", "22P05", "22003", "22021", "22023", "54000", "54001", "2200E"})
_ABSENT = frozenset({"42883", "42P01", "3F000", "42704"})
_LOST_STATEMENT = frozenset({"26000", "42P05"})

# A refused connection carries no code, only the server's text.
_REFUSED_CONNECTION = (
    (
        re.compile(r"no password supplied"),
        "no password given; set DB_PASSWORD, or put one into MESSAGE_DB_URL",
    ),
    (re.compile(r"password authentication failed"), "wrong password"),
    (re.compile(r'role ".*" does not exist'), "no such role"),
    (re.compile(r'database ".*" does not exist'), "no such database"),
    (
        re.compile(r"is not permitted to log in|permission denied for database"),
        "no right to log in",
    ),
    (re.compile(r"no pg_hba.conf entry|authentication failed"), "the server refuses this login"),
)
# Which host was tried: the one value that such a text may quote. libpq also quotes values that it
# cannot read, whatever they are.
_HOST_TRIED = re.compile(
    r"""(?:server at|on socket|resolve host|host:|port:|hostaddr:|option) (["'])[\w./:%,-]*\1"""
)
_QUOTE = re.compile(r""""|(?<!\w)'|'(?!\w)""")
_STARTING = re.compile(
    r"the database system is|too many (clients|connections)|remaining connection slots"
    r"|no more connections allowed"  # PgBouncer's word for it
)


@dataclass(frozen=True, slots=True)
class Where:
    """Which database was asked, and as whom: what a person needs to know, and no secret."""

    database: str
    role: str
    server: str

    def __str__(self) -> str:
        database, role = _named("database", self.database), _named("role", self.role)
        return f"{database} on {self.server} as {role}"


def _named(kind: str, name: str) -> str:
    """Return a name in quotes after what it names; only a name that somebody gave has quotes."""
    return f"{UNNAMED} {kind}" if name == UNNAMED else f"{kind} {plain_name(name)!r}"


def is_transient(error: psycopg.Error) -> bool:
    """Say whether the same statement may succeed on a fresh connection.

    A statement that ran into its own timeout has waited enough, and is not repeated.
    """
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _TRANSIENT or state.startswith("08") or constraint(error) == "messages_stream"


def is_transient_refusal(error: psycopg.Error) -> bool:
    """Say whether a refused connection may be granted soon: the server starts, or is full."""
    return error.sqlstate in _TRANSIENT or bool(_STARTING.search(str(error)))


def is_about_statement(error: psycopg.Error) -> bool:
    """Say whether the server refuses what a statement holds.

    Else it is the database that was not reached, or that let the statement wait for too long:
    another one would fare no better right now.
    """
    return error.sqlstate is not None and not (
        is_transient(error) or error.sqlstate in _WAITED_TOO_LONG
    )


@dataclass(frozen=True, slots=True)
class WrongVersion:
    """What `Wrong expected version` tells."""

    stream: str
    expected: int
    actual: int


def wrong_version(error: psycopg.Error) -> WrongVersion | None:
    """Return what a refusal of an expected version tells; None for other errors."""
    if error.sqlstate != "P0001":
        return None
    found = _WRONG_VERSION.match(error.diag.message_primary or "")
    return WrongVersion(found[2], int(found[1]), int(found[3])) if found else None


def is_duplicate_id(error: psycopg.Error) -> bool:
    """Say whether the id of a message is taken."""
    return constraint(error) == "messages_id"


def constraint(error: psycopg.Error) -> str | None:
    """Return the name of the unique index that refused a row; None for other errors."""
    return error.diag.constraint_name if error.sqlstate == "23505" else None


def taken_id(error: psycopg.Error) -> str | None:
    """Return the id that is taken, which the server names in the detail of its message."""
    found = re.search(r"\(id\)=\(([0-9a-f-]{36})\)", error.diag.message_detail or "")
    return found[1] if found else None


def duplicate(error: psycopg.Error, stream: str) -> DuplicateMessage:
    """Return the error for a taken id."""
    return DuplicateMessage(stream, taken_id(error))


def translated(error: psycopg.Error, where: Where) -> AgentError:
    """Return the error of this package that says what `error` says.

    Conflicts are not among them: what they mean depends on what stands in the stream.
    """
    state = error.sqlstate or ""
    text = (error.diag.message_primary or str(error)).strip()
    if state in _PAYLOAD or isinstance(error, psycopg.DataError):
        return RefusedPayload(f"PostgreSQL cannot hold this: {text}", field="data")
    if state in _ABSENT:
        return NotMessageDb(plain_name(where.database), (text,), REMEDY)
    if state in _LOST_STATEMENT:
        return ConfigurationError(
            f"{where}: {text}; a pooler that keeps no sessions loses it; {POOLER_REMEDY}",
            field="MESSAGE_DB_URL",
        )
    if state == "42501":
        return ConfigurationError(f"{where}: {text}", field="MESSAGE_DB_URL")
    if state == "P0001" and text.startswith(_NO_NAME):
        return RefusedName(text, field="stream")
    return StoreUnavailable(f"{where}: {text}")


def refused_connection(error: psycopg.Error, where: Where) -> AgentError:
    """Return the error of this package that says why a connection was refused."""
    text = _one_line(str(error))
    for pattern, why in _REFUSED_CONNECTION:
        if pattern.search(text):
            return ConfigurationError(f"{where}: {why}", field="MESSAGE_DB_URL")
    return StoreUnavailable(f"{where}: {_without_values(text)}")


def _one_line(text: str) -> str:
    """Join the lines of libpq's text; each but the last gets the full stop that it lacks."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    ended = (
        line if line.endswith((".", ":", ",", ";", "?", "!")) else f"{line}." for line in lines[:-1]
    )
    return " ".join([*ended, *lines[-1:]])


def _without_values(text: str) -> str:
    """Mask what a text quotes, but for the hosts that were tried.

    From the first such quote to the last: a value may hold quotes itself.
    """
    known = [found.span() for found in _HOST_TRIED.finditer(text)]
    quotes = [
        found.start()
        for found in _QUOTE.finditer(text)
        if not any(start <= found.start() < end for start, end in known)
    ]
    return f"{text[: quotes[0]]}{MASK}{text[quotes[-1] + 1 :]}" if quotes else text

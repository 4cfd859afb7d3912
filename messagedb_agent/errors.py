"""Every error that this package raises on purpose, in one tree.

    AgentError
    ├── NotFound                     a thread, an agent or an event that is not there
    │   └── AmbiguousName            a name that fits more than one thread or call
    ├── ValidationError              a value that is refused; `field` says which
    │   ├── RefusedName              a category, version, thread id or stream name
    │   ├── RefusedPayload           what JSON in PostgreSQL cannot hold, or what is too large
    │   └── ConfigurationError       a setting, a model's key, a tool module
    ├── Conflict                     somebody else was first
    │   ├── WrongExpectedVersion     the stream has moved on
    │   ├── DuplicateMessage         the id is taken by another message
    │   └── Refused                  the thread does not allow this now
    │       └── TurnUnderWay         a message that was to be said at rest alone
    ├── StoreError                   the database
    │   ├── StoreUnavailable         not reached; the outcome of a write is unknown
    │   ├── TransactionRefused       reached, but it rolled back what a tool wrote
    │   ├── NotMessageDb             reached, but Message DB is not (wholly) in it
    │   └── UnsupportedMessageDb     reached, but another version of Message DB
    ├── ModelError                   a model call that failed for good
    ├── ToolError                    a tool that says plainly why it failed
    ├── LimitReached                 the thread stopped at one of its limits
    ├── HandlerFailed                a message that a consumer cannot handle, nor put aside
    └── IntegrityError               the log does not say what it must

Callers branch on the class and its attributes, never on the text.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a name for a type; nothing is imported at run time
    from messagedb_agent.agents.agent import Agent


class AgentError(Exception):
    """Base of all errors of this package."""


class NotFound(AgentError):
    """What was asked for is not there.

    Args:
        what: kind of the thing, such as `thread`.
        name: what it was looked up by.
        others: what else was looked up with it, and is not there either.

    Attributes:
        names: all that is missing.
    """

    def __init__(self, what: str, name: str, *others: str) -> None:
        self.names = (name, *others)
        super().__init__(f"no {what} {', '.join(map(repr, self.names))}")
        self.what = what
        self.name = name


class AmbiguousName(NotFound):
    """A part of an id fits more than one; `candidates` holds some of their ids."""

    def __init__(self, what: str, name: str, candidates: tuple[str, ...]) -> None:
        super().__init__(what, name)
        self.args = (f"{name!r} fits more than one {what}: {', '.join(candidates)}",)
        self.candidates = candidates


class ValidationError(AgentError):
    """A value is refused before anything was read or written.

    Args:
        message: why, in one line.
        field: name of the argument, setting or key at fault.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class RefusedName(ValidationError):
    """A category, version, thread id or stream name that Message DB's readers would misread."""


class RefusedPayload(ValidationError):
    """A message that PostgreSQL's jsonb cannot hold, or that is larger or deeper than allowed."""


class ConfigurationError(ValidationError):
    """A setting is missing or wrong; trying again without a change cannot help."""


class Conflict(AgentError):
    """Somebody else was first; read on and decide anew."""


class WrongExpectedVersion(Conflict):
    """The stream has moved on; nothing was written.

    Args:
        stream: full name of the stream.
        expected: position that the writer had seen last; -1 for an empty stream.
        actual: position of the last message; -1 for an empty stream; None where unknown.
    """

    def __init__(self, stream: str, expected: int, actual: int | None) -> None:
        super().__init__(f"{stream} stands at {actual}, expected {expected}")
        self.stream = stream
        self.expected = expected
        self.actual = actual


class DuplicateMessage(Conflict):
    """The id of a message is taken, by another message or in another stream; nothing was written.

    Args:
        stream: full name of the stream written to.
        message_id: the id, a UUID as text; None where the server did not name it.
    """

    def __init__(self, stream: str, message_id: str | None) -> None:
        super().__init__(f"message id {message_id} is taken (writing to {stream})")
        self.stream = stream
        self.message_id = message_id


class Refused(Conflict):
    """What was asked is not allowed in the state the thread is in."""


class TurnUnderWay(Refused):
    """A message that was not to be said during a turn came during one; nothing was written."""


class StoreError(AgentError):
    """The database did not do what was asked."""


class StoreUnavailable(StoreError):
    """The database was not reached, or went away; the outcome of a write is unknown.

    Writing again with the same ids is safe.
    """


class TransactionRefused(StoreError):
    """What was written in a transaction is refused and rolled back; again will not help."""


class NotMessageDb(StoreError):
    """The database was reached, but Message DB is not, or not wholly, in it.

    Args:
        database: name of the database.
        missing: names of what is missing, such as `function write_message`.
        remedy: the command that installs it.
    """

    def __init__(self, database: str, missing: tuple[str, ...], remedy: str) -> None:
        super().__init__(
            f"database {database!r} is not a Message DB (missing: {', '.join(missing)}); {remedy}"
        )
        self.database = database
        self.missing = missing
        self.remedy = remedy


class UnsupportedMessageDb(StoreError):
    """The database holds a version of Message DB that this package cannot work with.

    Args:
        found: what `message_store_version()` says.
        needed: the lowest version that serves.
    """

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(f"Message DB {found} is installed, {needed} or a later 1.x is needed")
        self.found = found
        self.needed = needed


class ModelError(AgentError):
    """A model call failed for good; the thread records it and waits.

    Args:
        message: what went wrong, in one line.
        kind: the recorded kind of failure, such as `rate_limited`.
        agent: the recorded state after the failure; its `resume` tries again.
    """

    def __init__(self, message: str, *, kind: str, agent: "Agent") -> None:
        super().__init__(message)
        self.kind = kind
        self.agent = agent


class ToolError(AgentError):
    """Raised by a tool to tell the model why it failed; the text is shown to it as it is."""


class LimitReached(AgentError):
    """The thread stopped at a limit.

    Args:
        limits: name of each limit reached, as the log has it, such as `roundsPerTurn`.
        agent: the recorded state; its `resume` goes on, with raised limits.
    """

    def __init__(self, limits: tuple[str, ...], *, agent: "Agent") -> None:
        reached = (
            f"{limit.name} ({limit.reached} of {limit.limit})"
            for limit in agent.view.outcome.limits
        )
        told = "; ".join(reached) or ", ".join(limits)
        super().__init__(f"limit reached: {told}; its `agent` can `resume`")
        self.limits = limits
        self.agent = agent


class HandlerFailed(AgentError):
    """A handler kept failing at a message, and the consumer has no store to park it in.

    Args:
        stream: full name of the message's stream.
        position: its position there.
        reason: what went wrong the last time.
    """

    def __init__(self, stream: str, position: int, reason: str) -> None:
        super().__init__(f"{stream}/{position} is not handled: {reason}")
        self.stream = stream
        self.position = position


class IntegrityError(AgentError):
    """The log does not say what it must: a broken chain, a gap, an undecodable event of ours."""

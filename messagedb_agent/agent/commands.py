"""What may be asked of a thread from outside."""

from dataclasses import dataclass, field
from typing import Literal

from messagedb_agent.events.values import Definition, ForkPoint, JsonText, Limits

During = Literal["queue", "interrupt", "reject"]
"""What becomes of a message that comes while a turn is under way.

- `queue`: it is answered after what is under way.
- `interrupt`: the turn is cancelled, and the message said in the same append.
- `reject`: it is refused.
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Begin the thread with this agent; a fork, `for_turn`, for what is said in the same breath."""

    thread_id: str
    definition: Definition
    user: str | None = None
    metadata: JsonText | None = None
    forked_from: ForkPoint | None = None
    for_turn: bool = False


@dataclass(frozen=True, slots=True)
class Redefine:
    """Let another agent go on, `for_turn` until the next message alone."""

    definition: Definition
    for_turn: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """Say something as a user.

    `during` says what becomes of it while a turn is under way; `output` is the JSON Schema of the
    one JSON value that the answer must be.
    """

    text: str
    user: str | None = None
    during: During = "queue"
    output: JsonText | None = None


@dataclass(frozen=True, slots=True)
class Continue:
    """Let a stopped or failed thread go on, with other limits if need be."""

    limits: Limits = field(default_factory=Limits)
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ApproveTool:
    """Allow a call; `arguments`, where given, replace the model's."""

    call_id: str
    by: str | None = None
    reason: str | None = None
    arguments: str | None = None


@dataclass(frozen=True, slots=True)
class DenyTool:
    """Refuse a call."""

    call_id: str
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ResolveOutcome:
    """Say what really happened to a call of unknown outcome."""

    call_id: str
    status: Literal["completed", "failed"]
    text: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the run."""

    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class End:
    """End the session."""

    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Title:
    """Give the thread a title, which lists show."""

    title: str
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """Put tags on the thread, and take tags off."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """Put the thread away: lists leave it out, and nothing else changes."""

    by: str | None = None


@dataclass(frozen=True, slots=True)
class Unarchive:
    """Fetch the thread back."""

    by: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Hide the thread for good; its history is kept."""

    by: str | None = None
    reason: str | None = None


Command = (
    Start
    | Redefine
    | Say
    | Continue
    | ApproveTool
    | DenyTool
    | ResolveOutcome
    | Cancel
    | End
    | Title
    | Tag
    | Archive
    | Unarchive
    | Delete
)

"""What a transcript is made of: things to show, as plain values."""

from dataclasses import dataclass
from typing import Literal

ItemKind = Literal[
    "user",
    "assistant",
    "reasoning",
    "tool",
    "approval_asked",
    "approved",
    "denied",
    "note",
    "summary",
    "limit",
    "continued",
    "failure",
    "rejected",
    "cancelled",
    "ending",
    "ended",
    "fork",
    "defined",
    "redefined",
    "title",
    "tags",
    "archived",
    "unarchived",
    "deleted",
    "foreign",
    "unreadable",
]
"""What an item is. `rejected`: why an answer is not the output that was asked for; `note`: what
really happened to a call of unknown outcome; `summary`: what stands for the conversation so far;
`defined`: the named definition that the agent is of; `ending`: somebody asked that the session end;
`foreign`: a message of a type that is not ours; `unreadable`: one of our types whose data cannot be
read."""

CallOutcome = Literal[
    "requested",
    "asked",
    "allowed",
    "running",
    "completed",
    "failed",
    "denied",
    "unknown",
    "not_run",
]
"""How far a tool call has come. The first four may change; `asked` waits for a person; of an
`unknown` one nobody knows whether it has taken effect."""


OutcomeSource = Literal["tool", "record", "given"]
"""What a call's outcome came from."""


@dataclass(frozen=True)
class ShownCall:
    """A tool call, and what came of it by now.

    Attributes:
        call_id: our id of the call.
        tool: the tool's name, as the model wrote it.
        arguments: the arguments it runs with: the model's, or those a person put in their place.
        outcome: how far it has come.
        result: what the tool gave, why it failed, or why it was denied; empty before that.
        elapsed_ms: milliseconds it ran; None before its end, and where it never ran.
        source: what its outcome came from: the tool; in a fork, the record of another thread, or
            whoever gave a result in the tool's place.
    """

    call_id: str
    tool: str
    arguments: str
    outcome: CallOutcome = "requested"
    result: str = ""
    elapsed_ms: int | None = None
    source: OutcomeSource = "tool"


@dataclass(frozen=True)
class Item:
    """One thing to show.

    Attributes:
        stream: full name of the stream that the event stands in; an ancestor's for what a fork
            shares with it.
        position: the event's position there.
        time_ms: when, in milliseconds since 1970-01-01 UTC.
        kind: what it is.
        text: what there is to read; may be empty.
        call: the tool call, for items of kind `tool`.
        call_id: the call that an approval or a note is about.
        by: who said or did it, where that is recorded.
        arguments: what a person has put in the place of the model's arguments, for items of kind
            `approved`; None where it was allowed as it was asked about.
    """

    stream: str
    position: int
    time_ms: int
    kind: ItemKind
    text: str = ""
    call: ShownCall | None = None
    call_id: str | None = None
    by: str | None = None
    arguments: str | None = None

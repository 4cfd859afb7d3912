"""Messages: the rows of a message store, before and after they are written."""

from dataclasses import dataclass, replace
from datetime import datetime

from messagedb_agent.records import record


@record
class NewMessage:
    """A message to be written.

    Attributes:
        id: UUID as text, lower case with dashes; chosen by the writer before the first attempt
            and kept on every retry.
        type: name of what happened, in PascalCase, such as `UserMessageAdded`.
        data: a JSON object as text; None is stored as SQL NULL.
        metadata: a JSON object as text; None is stored as SQL NULL.
    """

    id: str
    type: str
    data: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands in the store.

    `data` and `metadata` are kept as the text that the store gives back (PostgreSQL's jsonb
    output: keys unique, ordered by length and then bytes; numbers in full), because Python
    cannot parse all that jsonb can hold, and because hashes need the exact digits.

    Attributes:
        id: UUID as text, lower case with dashes.
        stream_name: full name of the stream.
        type: name of what happened.
        position: position in the stream, from 0, without gaps.
        global_position: position in the store, from 1, with gaps.
        data: any JSON value as text; None for SQL NULL.
        metadata: any JSON value as text; None for SQL NULL.
        time: when the writing transaction began, UTC, without a zone; not ordered.
    """

    id: str
    stream_name: str
    type: str
    position: int
    global_position: int
    data: str | None
    metadata: str | None
    time: datetime

    def cut(self, longest: int | None) -> "Message":
        """Return the message without data, or metadata, of more characters than that."""
        if longest is None or all(len(t or "") <= longest for t in (self.data, self.metadata)):
            return self
        data, metadata = (
            None if text is not None and len(text) > longest else text
            for text in (self.data, self.metadata)
        )
        return replace(self, data=data, metadata=metadata)


@record
class Appended:
    """Where messages of one append stand.

    Attributes:
        position: position of the last message written (from 0, without gaps).
        global_positions: global position of each message, in the order written.
    """

    position: int
    global_positions: tuple[int, ...]

"""A definition that is kept under a name: the event that says so, and how it is read."""

from dataclasses import dataclass

from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.codec import understood
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.recorded import UnknownEvent
from messagedb_agent.events.values import Revision, Value
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import id_of


class DefinitionSaved(Value):
    """Under a name, an agent is from here on defined so.

    Attributes:
        definition: what its author wrote.
        system_prompt: what was made of it when it was saved: what threads are begun with, whatever
            later code would make of it.
        by: who saved it.
    """

    definition: AgentDefinition
    system_prompt: str
    by: str | None = None


SAVED = DefinitionSaved.__name__
DEFINITION_TYPES = {SAVED: DefinitionSaved}
"""The classes of these events by their types."""


@dataclass(frozen=True, slots=True)
class SavedDefinition:
    """A revision of a named definition.

    Attributes:
        name: the name.
        revision: which revision it is: its position in the name's stream, from 0.
        definition: what its author wrote.
        system_prompt: what threads are begun with.
        place: where it stands, as threads record it.
        time_ms: when it was saved, in milliseconds since 1970-01-01 UTC; None where the writer did
            not say.
        by: who saved it; None where nobody said.
    """

    name: str
    revision: int
    definition: AgentDefinition
    system_prompt: str
    place: Revision
    time_ms: int | None
    by: str | None


def read_saved(row: Message) -> SavedDefinition:
    """Return the revision that a row of a name's stream holds.

    Raises:
        IntegrityError: it is of another type, or cannot be read.
    """
    metadata = read_metadata(row.metadata)
    said = understood(row, metadata, DEFINITION_TYPES)
    if isinstance(said, UnknownEvent):
        where = f"{row.stream_name}/{row.position}"
        raise IntegrityError(f"{where} is no definition that can be read: {said.reason}")
    return SavedDefinition(
        name=id_of(row.stream_name) or "",
        revision=row.position,
        definition=said.definition,
        system_prompt=said.system_prompt,
        place=Revision(stream_name=row.stream_name, position=row.position, event_id=row.id),
        time_ms=metadata.occurred_at_ms,
        by=said.by,
    )

"""A definition that is kept under a name: the event that says so, and how it is read."""

from dataclasses import dataclass

import pydantic

from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.errors import IntegrityError, ValidationError
from messagedb_agent.events.canonical import read
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.values import Revision, Value
from messagedb_agent.events.words import READING
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import id_of

DEFINITION_SCHEMA_VERSION = 1
"""Version of the shape below."""

SAVED = "DefinitionSaved"


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
    try:
        if row.type != SAVED:
            raise ValueError(f"it is a {row.type}")
        if metadata.critical and metadata.schema_version > DEFINITION_SCHEMA_VERSION:
            raise ValueError("it takes newer code")
        data = read(row.data) if row.data is not None else {}
        said = DefinitionSaved.model_validate(data, extra="ignore", context=READING)
    except (ValueError, ValidationError) as error:
        where = f"{row.stream_name}/{row.position}"
        raise IntegrityError(f"{where} is no definition that can be read: {_why(error)}") from error
    return SavedDefinition(
        name=id_of(row.stream_name) or "",
        revision=row.position,
        definition=said.definition,
        system_prompt=said.system_prompt,
        place=Revision(stream_name=row.stream_name, position=row.position, event_id=row.id),
        time_ms=metadata.occurred_at_ms,
        by=said.by,
    )


def _why(error: Exception) -> str:
    if not isinstance(error, pydantic.ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"

"""Definitions under names: a stream each, a revision a message, nothing ever changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from messagedb_agent.clock import Clock
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.saved import (
    SAVED,
    DefinitionSaved,
    SavedDefinition,
    read_saved,
)
from messagedb_agent.definitions.shelf import Shelf
from messagedb_agent.definitions.template import Template
from messagedb_agent.errors import IntegrityError, NotFound, ValidationError, WrongExpectedVersion
from messagedb_agent.events.chain import GENESIS, chained
from messagedb_agent.events.codec import Envelope, encoded_value, sealed_metadata
from messagedb_agent.events.metadata import Travelling, read_metadata
from messagedb_agent.ids import Ids
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Directory, Reader, Writer
from messagedb_agent.store.stream_name import definition_stream, definitions_category

_MOST = 10_000  # names that are listed


class Kept(Reader, Writer, Directory, Protocol):
    """A store as definitions use it."""


@dataclass(frozen=True, slots=True)
class Definitions:
    """The named definitions beside a category of threads, and the templates that there are.

    Attributes:
        store: where they are kept.
        category: category of the threads, normalised; definitions stand beside it, as
            `agentDefinition` does beside `agent`.
        clock: tells when one is saved.
        ids: makes ids of messages.
        writer: random name of this process.
        shelf: where templates are found.
    """

    store: Kept
    category: str
    clock: Clock
    ids: Ids
    writer: str
    shelf: Shelf = field(default_factory=Shelf)

    async def save(
        self,
        name: str,
        definition: AgentDefinition,
        *,
        by: str | None = None,
        expected: int | None = None,
    ) -> SavedDefinition:
        """Save a definition as the next revision of its name.

        Args:
            name: 1 to 100 letters, digits, `_` and `-`; the first is no `_` or `-`.
            definition: what its author wrote.
            by: who saves it.
            expected: the revision that it is to follow; -1 for none. Without it, it follows the
                newest one that is there now.

        Returns:
            The new revision; the newest one where it says the same, and then nothing is written.

        Raises:
            ValidationError: it is no `AgentDefinition`.
            RefusedName: no definition can have this name.
            WrongExpectedVersion: another revision is the newest, or became it just now; nothing was
                written.
            RefusedPayload: it is larger than the store takes (1 MiB by default).
            StoreUnavailable: the store was not reached; saving it again is safe.
        """
        if not isinstance(definition, AgentDefinition):
            raise ValidationError(
                f"definition: a {type(definition).__name__} is no AgentDefinition",
                field="definition",
            )
        stream = definition_stream(self.category, name)
        rows = [row async for row in self.store.read(stream)]
        last = rows[-1].position if rows else -1
        if expected is not None and expected != last:
            raise WrongExpectedVersion(stream, expected, last)
        newest = next((row for row in reversed(rows) if row.type == SAVED), None)
        if newest and (known := _readable(newest)) and _says(known, definition):
            return known
        said = DefinitionSaved(definition=definition, system_prompt=definition.system_prompt, by=by)
        message = self._sealed(stream, rows, said)
        appended = await self.store.append(stream, message, expected_version=last)
        return await self.get(name, appended.position)

    async def get(self, name: str, revision: int | None = None) -> SavedDefinition:
        """Return a named definition.

        Args:
            name: its name.
            revision: which of its revisions, from 0; None for the newest.

        Raises:
            NotFound: there is no such definition, or no such revision of it.
            RefusedName: no definition can have this name.
            IntegrityError: what stands there cannot be read as one.
            StoreUnavailable: the store was not reached.
        """
        stream = definition_stream(self.category, name)
        if revision is None:
            row = await self.store.last(stream, type=SAVED)
        else:
            row = await self._row(stream, revision)
        if row is None:
            which = "definition" if revision is None else "revision of a definition"
            raise NotFound(which, name if revision is None else f"{name}/{revision}")
        return read_saved(row)

    async def list(self) -> Sequence[SavedDefinition]:
        """Return the newest revision of each name, by name; what cannot be read is left out.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        prefix = f"{definitions_category(self.category)}-"
        streams = await self.store.streams_with_prefix(prefix, limit=_MOST)
        rows = [await self.store.last(stream, type=SAVED) for stream in sorted(streams)]
        return [found for row in rows if row is not None and (found := _readable(row))]

    async def revisions(self, name: str) -> Sequence[SavedDefinition]:
        """Return the revisions of a name, oldest first; what cannot be read is left out.

        Raises:
            NotFound: there is no such definition.
            RefusedName: no definition can have this name.
            StoreUnavailable: the store was not reached.
        """
        stream = definition_stream(self.category, name)
        found = [one async for row in self.store.read(stream) if (one := _readable(row))]
        if not found:
            raise NotFound("definition", name)
        return found

    def templates(self) -> Sequence[Template]:
        """Return the templates that there are, by name.

        Raises:
            ValidationError: a file of the user's folder is none.
        """
        return self.shelf.all()

    def template(self, name: str, /, **variables: str) -> AgentDefinition:
        """Return a template filled in.

        Args:
            name: its name.
            variables: a value for each of its variables, one line of text.

        Raises:
            NotFound: there is no such template.
            ValidationError: its file is none, or a variable is missing, unknown, or no line of
                text; `field` names it.
        """
        return self.shelf.get(name).fill(variables)

    async def _row(self, stream: str, position: int) -> Message | None:
        if position < 0:
            raise ValidationError("a revision is a whole number from 0", field="revision")
        rows = self.store.read(stream, position=position, until=position)
        return await anext(aiter(rows), None)

    def _sealed(self, stream: str, rows: Sequence[Message], said: DefinitionSaved) -> NewMessage:
        """Return the message that follows some rows, chained to them."""
        previous = GENESIS
        for row in rows:
            previous = chained(previous, row, read_metadata(row.metadata).hash)
        id, now_ms = self.ids.new(), self.clock.now_ms()
        envelope = Envelope(None, Travelling(), now_ms, self.writer)
        _, data, cleaned = encoded_value(said)
        metadata, _ = sealed_metadata(
            id, stream, len(rows), SAVED, data, envelope, previous, sanitised=cleaned
        )
        return NewMessage(id, SAVED, data.decode(), metadata)


def _readable(row: Message) -> SavedDefinition | None:
    try:
        return read_saved(row)
    except IntegrityError:
        return None


def _says(saved: SavedDefinition, definition: AgentDefinition) -> bool:
    return (saved.definition, saved.system_prompt) == (definition, definition.system_prompt)

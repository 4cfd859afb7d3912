"""A notebook: the streams of users, read on from where they were left, and appended to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from messagedb_agent.engine.journal import Writing
from messagedb_agent.errors import Conflict
from messagedb_agent.events.chain import GENESIS, chained
from messagedb_agent.events.codec import Envelope, encoded_value, sealed_metadata
from messagedb_agent.events.memory import FactRemembered, MemoryEvent, Noted, decode_noted
from messagedb_agent.events.metadata import Cause, Travelling, read_metadata
from messagedb_agent.events.recorded import Place
from messagedb_agent.projections.memory import EMPTY, Memory, recalled
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.store import Store

Wanted = Callable[[Memory], Sequence[MemoryEvent]]
"""Returns what is to be noted, once it is known what is known."""

_MOST_KEPT = 256  # users whose fold is kept, to be read on


@dataclass(frozen=True, slots=True)
class _Known:
    """A user's stream, as far as it was read."""

    memory: Memory = EMPTY
    hash: bytes = GENESIS


class Notebook:
    """The streams of users, of which those read lately are kept as they were folded.

    Args:
        store: where they are kept.
        writing: clock, ids and writer.
    """

    def __init__(self, store: Store, writing: Writing) -> None:
        self._store = store
        self._writing = writing
        self._kept: dict[str, _Known] = {}
        self._lock = Lock()

    def clear(self) -> None:
        """Drop what was folded; any thread of the process may."""
        with self._lock:
            self._kept.clear()

    async def read(self, stream: str) -> Memory:
        """Return the fold of a user's stream.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        return (await self._known(stream)).memory

    async def note(self, stream: str, wanted: Wanted, *, id: str | None = None) -> Memory:
        """Append what is wanted of what is known, all or none, and return what is known then.

        Where another writer was first, it is asked again.

        Args:
            stream: full name of a user's stream.
            wanted: returns the events that are to be appended; none where there is nothing to say.
            id: id of the last one of them; a new one by default.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        while True:
            known = await self._known(stream)
            events = wanted(known.memory)
            if not events:
                return known.memory
            messages, after = self._sealed(stream, known, events, id)
            try:
                await self._store.append(stream, *messages, expected_version=known.memory.position)
            except Conflict:
                if (await self._known(stream)).memory.position != known.memory.position:
                    continue
                self._forget(stream)  # it may be shorter than it was, as after a restore
                if (await self._known(stream)).memory.position == known.memory.position:
                    raise
                continue
            self._keep(stream, after)
            return after.memory

    async def _known(self, stream: str) -> _Known:
        """Read a stream on from where it was left."""
        known = self._kept.get(stream, _Known())
        memory, digest = known.memory, known.hash
        async for message in self._store.read(stream, position=memory.position + 1):
            memory = recalled(memory, decode_noted(message))
            digest = chained(digest, message, read_metadata(message.metadata).hash)
        known = _Known(memory, digest)
        self._keep(stream, known)
        return known

    def _forget(self, stream: str) -> None:
        with self._lock:
            self._kept.pop(stream, None)

    def _keep(self, stream: str, known: _Known) -> None:
        with self._lock:
            self._kept.pop(stream, None)
            self._kept[stream] = known
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]

    def _sealed(
        self, stream: str, known: _Known, events: Sequence[MemoryEvent], last_id: str | None
    ) -> tuple[Sequence[NewMessage], _Known]:
        """Return events as they will stand, chained to what was read, and what is known then."""
        messages, memory, digest = [], known.memory, known.hash
        now_ms, writer = self._writing.clock.now_ms(), self._writing.writer
        for index, event in enumerate(events):
            is_last = index == len(events) - 1
            id = last_id if is_last and last_id else self._writing.ids.new()
            place, kind = Place(stream, memory.position + 1), type(event).__name__
            said, data, cleaned = encoded_value(event)
            envelope = Envelope(_cause(said), Travelling(), now_ms, writer)
            metadata, digest = sealed_metadata(
                id, *place, kind, data, envelope, digest, sanitised=cleaned
            )
            messages.append(NewMessage(id, kind, data.decode(), metadata))
            memory = recalled(memory, Noted(id, place, said, now_ms))
        return messages, _Known(memory, digest)


def _cause(event: MemoryEvent) -> Cause | None:
    """Return the message that taught a fact, as what its event follows."""
    taught = event.taught_by if isinstance(event, FactRemembered) else None
    return Cause(taught.stream_name, taught.position) if taught else None

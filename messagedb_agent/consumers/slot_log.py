"""What befell a slot: who took it, whether they ended in order, what they had begun before.

A worker that dies at once when it takes a certain thread up leaves no trace in that thread. So who
takes a slot after somebody who did not end in order is careful: before a thread is taken up that
may have been the cause, the slot's stream is told. What stands there last, when the next one takes
the slot, has killed its worker if its thread has not moved since. A thread that moves is cleared of
all deaths: workers may also be killed from outside, one after the other.

    SlotTaken        {worker, careful?, deaths?}           by whoever owns it from now on
    SuspectsBegun    {worker, careful, begun, deaths?}     these threads are taken up now
    SuspectsCleared  {worker}                              the careful part is over
    SlotReleased     {worker, careful?, deaths?}           given up in order

Each is written behind what its writer knows to stand there: who was paused, and has lost the slot
without having heard of it, writes nothing over what the next one has noted since.

`careful` is true as long as anything is under suspicion: who has the slot next is careful too,
though nobody has died meanwhile. `begun` is [{streamName, position}], where
each stream ended then; `deaths` is [{streamName, position, deaths}], how many workers have died at
a thread since its stream ended there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from messagedb_agent.consumers.fields import fields_of, whole_number
from messagedb_agent.consumers.names import Group
from messagedb_agent.errors import StoreUnavailable, WrongExpectedVersion
from messagedb_agent.ids import Ids
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader, Writer

_MOST_ENTRIES = 1_000  # of a list in a message; who works on a slot has fewer threads in hand
_MOST_RACES = 10  # with strangers who write into the stream of a slot that is ours


class SlotStore(Reader, Writer, Protocol):
    """A store as slots are kept in it."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """How many workers have died at a thread.

    Attributes:
        position: position of the thread's last event, all the while.
        count: how many.
    """

    position: int
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """How a slot was found by whoever takes it.

    Attributes:
        is_clean: nobody has died that had it, or all was taken up since.
        deaths: how many workers have died at a thread, by its stream.
        is_new: nobody had it before.
    """

    is_clean: bool = True
    deaths: Mapping[str, Deaths] = field(default_factory=dict)
    is_new: bool = False


class SlotLog:
    """The stream of a slot; who writes to it owns the slot.

    Args:
        store: where it is kept.
        group: whose slot it is.
        stream: full name of the slot's stream.
        hold: how it is owned.
        worker: name of this process, which no other one has.
        ids: makes ids of messages.
    """

    def __init__(
        self, store: SlotStore, group: Group, stream: str, hold: Hold, worker: str, ids: Ids
    ) -> None:
        self._store = store
        self._group = group
        self._stream = stream
        self._hold = hold
        self._version: int | None = None  # where it ended when this was told last; None before
        self._worker = worker
        self._ids = ids

    async def take(self) -> Found:
        """Note that the slot is this worker's, and return how it was found.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        for _ in range(_MOST_RACES):
            last = await self._store.last(self._stream)
            self._version = last.position if last else -1
            found = await self._found(last)
            try:
                await self._write("SlotTaken", not found.is_clean, found.deaths)
            except WrongExpectedVersion:  # who had it last has only been paused
                continue
            return found
        raise self._lost_races()

    async def begin(self, begun: Mapping[str, int], deaths: Mapping[str, Deaths]) -> bool:
        """Note that threads are taken up now; say whether the slot is still owned.

        Args:
            begun: where their streams end, by stream.
            deaths: how many workers have died at threads, by stream.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        places = [{"streamName": name, "position": end} for name, end in begun.items()]
        return await self._note("SuspectsBegun", True, deaths, begun=places)

    async def clear(self) -> bool:
        """Note that nothing is under suspicion any more; say whether the slot is still owned.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        return await self._note("SuspectsCleared", False, {})

    async def release(self, *, careful: bool, deaths: Mapping[str, Deaths]) -> bool:
        """Note that this worker gives the slot up in order; say whether it was still owned.

        Args:
            careful: whether anything is still under suspicion.
            deaths: how many workers have died at threads, by stream.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        return await self._note("SlotReleased", careful, deaths)

    async def _found(self, last: Message | None) -> Found:
        if last is None:
            return Found(is_new=True)
        data = fields_of(last.data)
        known = {
            stream: Deaths(whole_number(entry, "position", -1), whole_number(entry, "deaths", 0))
            for stream, entry in self._entries(data, "deaths")
        }
        # Who had it gave it up, or has lost it and lives: it is this worker.
        if last.type == "SlotReleased" or data.get("worker") == self._worker:
            if data.get("careful") is not True:
                return Found()
        else:
            self._count(known, data)
        return Found(is_clean=False, deaths=await self._unmoved(known))

    def _count(self, known: dict[str, Deaths], data: Mapping[str, Any]) -> None:
        """Count a death at each thread that was begun last."""
        for stream, entry in self._entries(data, "begun"):
            position = whole_number(entry, "position", -1)
            before = known.get(stream)
            count = before.count if before and before.position == position else 0
            known[stream] = Deaths(position, count + 1)

    async def _unmoved(self, known: Mapping[str, Deaths]) -> Mapping[str, Deaths]:
        ends = {stream: await self._store.stream_version(stream) for stream in known}
        return {s: deaths for s, deaths in known.items() if deaths.position == ends[s]}

    async def _note(
        self, type: str, careful: bool, deaths: Mapping[str, Deaths], **data: Any
    ) -> bool:
        """Note something if the slot is still owned, and say whether it is."""
        for _ in range(_MOST_RACES):
            try:
                await self._write(type, careful, deaths, **data)
            except WrongExpectedVersion:
                await self._hold.confirm()
                if self._hold.lost.is_set():
                    return False
                self._version = await self._store.stream_version(self._stream)  # a stranger's
            else:
                return True
        raise self._lost_races()

    def _lost_races(self) -> StoreUnavailable:
        return StoreUnavailable(f"others keep writing into {self._stream}")

    async def _write(
        self, type: str, careful: bool, deaths: Mapping[str, Deaths], **data: Any
    ) -> None:
        said: dict[str, Any] = {"worker": self._worker, **data}
        if careful:
            said["careful"] = True
        if deaths:
            said["deaths"] = [
                {"streamName": name, "position": its.position, "deaths": its.count}
                for name, its in deaths.items()
            ]
        message = NewMessage(self._ids.new(), type, orjson.dumps(said).decode())
        appended = await self._store.append(self._stream, message, expected_version=self._version)
        self._version = appended.position

    def _entries(self, data: Mapping[str, Any], key: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the entries of a list that name a thread of the group."""
        entries = data.get(key)
        return [
            (stream, entry)
            for entry in (entries[:_MOST_ENTRIES] if isinstance(entries, list) else [])
            if isinstance(entry, dict)
            and isinstance(stream := entry.get("streamName"), str)
            and self._group.is_thread(stream)
        ]

"""Threads that are put aside: those that keep failing, so that the others go on."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from messagedb_agent.agents.engine import Engine
from messagedb_agent.consumers.fields import fields_of, whole_number
from messagedb_agent.consumers.names import Group
from messagedb_agent.errors import RefusedName
from messagedb_agent.events.codec import clean_text
from messagedb_agent.events.values import MAX_FAILURE_CHARS
from messagedb_agent.ids import Ids
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader, Writer
from messagedb_agent.store.stream_name import (
    beside,
    category_of,
    check_category,
    id_of,
    thread_category,
)

_MOST_TOGETHER = 100  # of the threads that are noted in one append
_MOST_GROUPS = 100  # that are asked what they have put aside


class ParkingStore(Reader, Writer, Protocol):
    """A store as threads are parked in it."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A thread that was put aside.

    Attributes:
        stream: its stream.
        position: position, there, of the last message that was known of when it was put aside.
        global_position: its global position.
        reason: what went wrong.
        tries: how often it was tried.
    """

    stream: str
    position: int
    global_position: int
    reason: str
    tries: int

    @property
    def thread_id(self) -> str:
        """The thread's id."""
        return id_of(self.stream) or ""


class Parking:
    """The threads that a group has put aside: a fold of a stream of its own.

    Its messages are `ThreadParked`, and `ThreadReplayed` or `ThreadDropped` for those that are
    parked no more. `ThreadRested` says of one that was replayed that it has come to rest since.

    Where the group handles messages, one by one, a thread is parked from the message on that
    failed: replayed, it goes on with that; dropped, with the one behind it. `ThreadAdvanced` says
    how far that has come.

    Args:
        store: where it is kept.
        group: whose it is.
        ids: makes ids of messages.
        of_messages: whether the group handles messages, of any streams of its category.
    """

    def __init__(
        self, store: ParkingStore, group: Group, ids: Ids, *, of_messages: bool = False
    ) -> None:
        self.stream = beside(group.category, "parked", group.name)
        self._group = group
        self._store = store
        self._ids = ids
        self._of_messages = of_messages
        self._resumes: dict[str, int] = {}  # of those that are replayed, the position to go on at
        self._version = -1
        self._parked: dict[str, Parked] = {}
        self._replayed: dict[str, int] = {}  # at which position of the stream here that stands
        self._news: dict[str, bool] = {}  # read, and told to nobody: the store may fail in between
        self._rested: dict[str, int] = {}  # those of them that rest, and nobody was told

    @property
    def group(self) -> str:
        """Name of the group."""
        return self._group.name

    def __contains__(self, stream: str) -> bool:
        return stream in self._parked

    @property
    def parked(self) -> tuple[Parked, ...]:
        """What is parked, the longest first, as far as it was read."""
        return tuple(self._parked.values())

    @property
    def replayed(self) -> tuple[str, ...]:
        """The streams of threads that are to be tried again, and have not come to rest since.

        Who takes a slot tries them all: whoever had it may have died before.
        """
        return tuple(self._replayed)

    @property
    def version(self) -> int:
        """Position, in the stream here, of the last message that was read."""
        return self._version

    def resumes_at(self, stream: str) -> int:
        """Return the position that a thread which is replayed goes on at, message by message."""
        return self._resumes.get(stream, 0)

    async def catch_up(self) -> Mapping[str, bool]:
        """Read on.

        Returns:
            The streams of threads that were put aside, False, or are to be tried again, True.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self.read_on()
        news, self._news = self._news, {}
        return news

    async def read_on(self) -> None:
        """Read on, and leave the news to who catches up.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        async for message in self._store.read(self.stream, position=self._version + 1):
            if message.position <= self._version:
                continue  # it was read beside this
            self._version = message.position
            parked = _parked(message)
            if parked is not None and self._is_ours(parked.stream):
                self._fold(message, parked)

    def _is_ours(self, stream: str) -> bool:
        if self._of_messages:
            return category_of(stream) == self._group.category and bool(id_of(stream))
        return self._group.is_thread(stream)

    def _fold(self, message: Message, parked: Parked) -> None:
        stream = parked.stream
        match message.type:
            case "ThreadParked":
                self._parked[stream] = parked
                self._replayed.pop(stream, None)
                self._news[stream] = False
            case "ThreadReplayed" | "ThreadDropped" if self._of_messages:
                if aside := self._parked.pop(stream, None):  # once: else it is under way already
                    skipped = int(message.type == "ThreadDropped")
                    self._resumes[stream] = aside.position + skipped
                    self._replayed[stream] = message.position
                    self._news[stream] = True
            case "ThreadReplayed":
                self._parked.pop(stream, None)
                self._replayed[stream] = message.position
                self._news[stream] = True
            case "ThreadDropped":
                self._parked.pop(stream, None)
            case "ThreadAdvanced" if stream in self._replayed:
                self._resumes[stream] = max(self.resumes_at(stream), parked.position + 1)
            case "ThreadRested":
                self._tried(stream, whole_number(fields_of(message.data), "replayed", -1))

    def rests(self, stream: str) -> None:
        """Hear that a thread rests: if it was replayed, who takes its slot need not try it."""
        if (replayed := self._replayed.get(stream)) is not None:
            self._rested[stream] = replayed

    async def note_rested(self) -> None:
        """Note for good which threads have come to rest since they were replayed.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        rested = list(self._rested.items())[:_MOST_TOGETHER]
        if not rested:
            return
        notes = [{"streamName": stream, "replayed": position} for stream, position in rested]
        await self._write("ThreadRested", *notes)
        for stream, position in rested:
            self._tried(stream, position)

    def _tried(self, stream: str, replayed: int) -> None:
        """Forget that a thread was replayed at a position; later it may have been once more."""
        for known in (self._replayed, self._rested):
            if known.get(stream) == replayed:
                del known[stream]

    async def park(self, parked: Parked) -> None:
        """Put a thread aside.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        if await self._note("ThreadParked", parked) <= self._version:
            return  # it was read on meanwhile, and what stands behind it counts
        self._parked[parked.stream] = parked
        self._replayed.pop(parked.stream, None)

    async def replay(self, parked: Parked) -> None:
        """Let a thread be tried again, by whichever worker has it."""
        await self._note("ThreadReplayed", parked)

    async def drop(self, parked: Parked) -> None:
        """Forget that a thread is parked; it is tried again when it has news."""
        await self._note("ThreadDropped", parked)

    def advanced(self, stream: str, position: int) -> NewMessage:
        """Return the message that says how far a thread has come since it was replayed."""
        data = {"streamName": stream, "position": position}
        return NewMessage(self._ids.new(), "ThreadAdvanced", orjson.dumps(data).decode())

    async def _note(self, type: str, parked: Parked) -> int:
        """Return the position of what was noted."""
        data = {
            "streamName": parked.stream,
            "position": parked.position,
            "globalPosition": parked.global_position,
            "reason": clean_text(parked.reason[:MAX_FAILURE_CHARS]),  # it is anybody's text
            "tries": parked.tries,
        }
        return await self._write(type, data)

    async def _write(self, type: str, *notes: Mapping[str, Any]) -> int:
        """Return the position of the last one."""
        messages = (NewMessage(self._ids.new(), type, orjson.dumps(n).decode()) for n in notes)
        return (await self._store.append(self.stream, *messages)).position


def parking_of(engine: Engine, group: str) -> Parking:
    """Return what a group of workers has put aside of an engine's threads; `catch_up` reads it.

    Raises:
        RefusedName: no group can have this name.
    """
    category = thread_category(engine.category, engine.version)
    return Parking(engine.store, Group(category, group), engine._workings.writing.ids)


def parking_in(engine: Engine, category: str | None, group: str) -> Parking:
    """Return what a group, of workers or of consumers, has put aside; `catch_up` reads it.

    Args:
        engine: whose store it is in.
        category: of what is consumed; None for the engine's threads.
        group: name of the group.

    Raises:
        RefusedName: no group can have this name, or no category that.
    """
    category = category or thread_category(engine.category, engine.version)
    check_category(category)
    ids = engine._workings.writing.ids
    return Parking(engine.store, Group(category, group), ids, of_messages=True)


async def all_parkings(engine: Engine) -> Sequence[Parking]:
    """Return what each group of workers has put aside of an engine's threads, read.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    category = thread_category(engine.category, engine.version)
    prefix = beside(category, "parked", "")
    found = []
    for stream in await engine.store.streams_with_prefix(prefix, limit=_MOST_GROUPS):
        with suppress(RefusedName):  # anybody may have written there
            parking = parking_of(engine, stream.removeprefix(prefix))
            await parking.catch_up()
            found.append(parking)
    return found


def _parked(message: Message) -> Parked | None:
    """Return which thread a message is about; None for a foreign message."""
    fields = fields_of(message.data)
    stream = fields.get("streamName")
    if not isinstance(stream, str):
        return None
    return Parked(
        stream,
        whole_number(fields, "position", -1),
        whole_number(fields, "globalPosition", 0),
        str(fields.get("reason", "")),
        whole_number(fields, "tries", 0),
    )

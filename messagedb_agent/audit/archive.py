"""Archives: threads as JSON Lines, to be kept, sent, and imported elsewhere.

A header with format, version, category and time; a line for each row, the rows of a stream together
and in order, users' memory and definitions first, a fork behind its parent; and an end with the
numbers of streams and messages and the SHA-256 of all lines before it. Data and metadata stand as
texts, byte for byte as jsonb prints them, so that no JSON reader on the way can round a number. All
is ASCII. A file of threads alone is of version 1, which is all that earlier code reads.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit.kinds import Kinds
from messagedb_agent.engine.history import Ancestry
from messagedb_agent.errors import IntegrityError, RefusedName, ValidationError
from messagedb_agent.events.chain import hash_text
from messagedb_agent.events.recorded import utc_time
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import thread_category, thread_stream

FORMAT = "messagedb-agent threads"
VERSION = 2
_OF_THREADS = 1  # version of a file of threads alone

_TEXTS = ("id", "streamName", "type", "time")
_TEXTS_OR_NULL = ("data", "metadata")
_NUMBERS = ("position", "globalPosition")


@dataclass(frozen=True, slots=True)
class Part:
    """Where a stream stands in a file.

    Attributes:
        offset: where its first line begins, in bytes.
        count: how many rows it has.
    """

    offset: int
    count: int


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of threads that was found whole; its rows are read when they are needed.

    Attributes:
        file: the file, which can be sought in.
        parts: the threads, and what stands beside them, by their streams' names, in the order of
            the file.
        kinds: which stream is what.
    """

    file: IO[bytes]
    parts: Mapping[str, Part]
    kinds: Kinds

    @property
    def of_threads(self) -> bool:
        """Whether nothing is in it but threads."""
        return all(self.kinds.of(stream) == "thread" for stream in self.parts)

    def rows(self, stream: str, until: int | None = None) -> Iterator[Message]:
        """Return the rows of a stream in order, up to a position."""
        part = self.parts[stream]
        offset = part.offset
        for _ in range(part.count if until is None else min(part.count, until + 1)):
            self.file.seek(offset)  # others may read in between
            line = self.file.readline()
            offset += len(line)
            yield _message(json.loads(line))


async def archive_lines(
    engine: Engine, thread_ids: Sequence[str], beside: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Yield the lines of an archive, without line ends.

    Args:
        engine: where the threads are kept.
        thread_ids: their ids, in full; each is written once, behind its parent if that is named.
        beside: streams beside threads that are carried, by their full names. They come first: what
            taught a fact is in a thread that is read later.

    Raises:
        StoreUnavailable: the store was not reached; what was written is cut off, and says so.
    """
    digest, messages = hashlib.sha256(), 0
    made_at = utc_time(engine._workings.writing.clock.now_ms())
    header = {
        "category": thread_category(engine.category, engine.version),
        "format": FORMAT,
        "formatVersion": VERSION if beside else _OF_THREADS,
        "madeAt": made_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    yield _line(header, digest)
    threads = await _ordered(engine, thread_ids)
    for stream in (*beside, *threads):
        version = await engine.store.stream_version(stream)
        async for message in engine.store.read(stream, until=version):
            messages += 1
            yield _line(_values(message), digest)
    carried = {"beside": len(beside)} if beside else {}
    sums = {"messages": messages, "sha256": hash_text(digest.digest()), "threads": len(threads)}
    yield _line({**carried, **sums}, digest)


def _line(values: Mapping[str, Any], digest: "hashlib._Hash") -> str:
    line = json.dumps(values, separators=(",", ":"))
    digest.update(f"{line}\n".encode())
    return line


async def _ordered(engine: Engine, thread_ids: Sequence[str]) -> Sequence[str]:
    """Return the streams of threads, those that others were forked from first."""
    named = [thread_stream(engine.category, engine.version, one) for one in thread_ids]
    wanted, ordered, ancestry = set(named), dict[str, None](), Ancestry(engine.store)
    for stream in named:
        for part in await _history(ancestry, stream):
            if part in wanted:
                ordered[part] = None
    return tuple(ordered)


async def _history(ancestry: Ancestry, stream: str) -> Sequence[str]:
    """Return a thread's stream behind those of its ancestors, as far as they are there."""
    try:
        return [part.stream for part in await ancestry.segments(stream)]
    except (IntegrityError, RefusedName):
        return [stream]


async def missing_parents(engine: Engine, thread_ids: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Return the threads, with their parents, whose parents are not among them.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    missing, named, ancestry = list[tuple[str, str]](), set(thread_ids), Ancestry(engine.store)
    for thread_id in thread_ids:
        stream = thread_stream(engine.category, engine.version, thread_id)
        parents = (await _history(ancestry, stream))[:-1]
        if parents and (parent_id := parents[-1].partition("-")[2]) not in named:
            missing.append((thread_id, parent_id))
    return missing


def _values(message: Message) -> Mapping[str, Any]:
    return {
        "streamName": message.stream_name,
        "position": message.position,
        "id": message.id,
        "type": message.type,
        "data": message.data,
        "metadata": message.metadata,
        "globalPosition": message.global_position,
        "time": f"{message.time.isoformat(timespec='microseconds')}Z",
    }


def _message(values: Mapping[str, Any]) -> Message:
    return Message(
        id=values["id"],
        stream_name=values["streamName"],
        type=values["type"],
        position=values["position"],
        global_position=values["globalPosition"],
        data=values["data"],
        metadata=values["metadata"],
        time=datetime.fromisoformat(values["time"].removesuffix("Z")),
    )


def open_archive(file: IO[bytes], category: str) -> Archive:
    """Read an archive once, and check that it is whole and well formed.

    What its rows say is not looked at: that is the business of whoever imports them.

    Args:
        file: the file, at its beginning; it can be sought in.
        category: the category that its threads must be of, such as `agent:v0`.

    Raises:
        ValidationError: it is no archive, of another version or category, cut off or changed.
    """
    index = _Index(category)
    last = b""
    for line in file:
        if last:
            index.add(last)
        last = line
    index.end(last)
    return Archive(file, index.parts, index.kinds)


class _Index:
    """Where streams stand in a file, as it is read line by line."""

    def __init__(self, category: str) -> None:
        self.parts: dict[str, Part] = {}
        self.kinds = Kinds(category)
        self._of_threads = True
        self._digest = hashlib.sha256()
        self._number = 0
        self._offset = 0
        self._stream = ""

    def add(self, line: bytes) -> None:
        """Take in a line that is not the last one."""
        self._number += 1
        values = self._read(line)
        if self._number == 1:
            self._check_header(values)
        else:
            self._row(values)
        self._digest.update(line)
        self._offset += len(line)

    def end(self, line: bytes) -> None:
        """Take in the last line, which says what all before it must be."""
        if not line:
            raise _refused("it is empty")
        self._number += 1
        values = self._read(line) if line.endswith(b"\n") else {}
        if self._number == 1:
            self._check_header(values)
        if "sha256" not in values:
            raise _refused("it is cut off: its last line is missing")
        if values["sha256"] != hash_text(self._digest.digest()):
            raise _refused("it was changed since it was written: its SHA-256 is another")
        messages = sum(part.count for part in self.parts.values())
        threads = sum(self.kinds.of(stream) == "thread" for stream in self.parts)
        said = (values.get("threads"), values.get("beside", 0), values.get("messages"))
        if said != (threads, len(self.parts) - threads, messages):
            raise _refused("it has other numbers of threads and messages than its last line says")

    def _read(self, line: bytes) -> Mapping[str, Any]:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _refused(f"line {self._number} is no JSON") from error
        if not isinstance(values, dict):
            raise _refused(f"line {self._number} is no JSON object")
        return values

    def _check_header(self, values: Mapping[str, Any]) -> None:
        if values.get("format") != FORMAT:
            raise _refused("it is no export of threads")
        if (version := values.get("formatVersion")) not in (_OF_THREADS, VERSION):
            reads = f"{_OF_THREADS} and {VERSION}"
            raise _refused(f"it is of version {version!r}; this program reads {reads}")
        self._of_threads = version == _OF_THREADS
        if (category := values.get("category")) != self.kinds.category:
            raise _refused(f"it is of the category {category!r}, not {self.kinds.category!r}")

    def _row(self, values: Mapping[str, Any]) -> None:
        if not _is_row(values):
            raise _refused(f"line {self._number} is no message")
        stream, position = values["streamName"], values["position"]
        if stream != self._stream:
            if stream in self.parts:
                raise _refused(f"line {self._number}: the rows of {stream} do not stand together")
            self._check_stream(stream)
            self._stream, self.parts[stream] = stream, Part(self._offset, 0)
        part = self.parts[stream]
        if position != part.count:
            raise _refused(
                f"line {self._number}: {stream} has position {position} where {part.count} must be"
            )
        self.parts[stream] = Part(part.offset, part.count + 1)

    def _check_stream(self, stream: str) -> None:
        kind = self.kinds.of(stream)
        if self._of_threads and kind != "thread":
            raise _refused(f"line {self._number}: {stream!a} is no thread of this category")
        if kind is None:
            what = "no thread of this category, no user's memory and no definition beside it"
            raise _refused(f"line {self._number}: {stream!a} is {what}")


def _is_row(values: Mapping[str, Any]) -> bool:
    try:
        texts = all(isinstance(values[key], str) for key in _TEXTS)
        json_texts = all(isinstance(values[key], str | None) for key in _TEXTS_OR_NULL)
        numbers = all(type(values[key]) is int for key in _NUMBERS)
        return texts and json_texts and numbers and bool(_message(values))
    except (KeyError, ValueError):
        return False


def _refused(why: str) -> ValidationError:
    return ValidationError(f"the file cannot be imported: {why}", field="file")

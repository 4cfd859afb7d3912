"""What befell a consumer: whether it ended in order, and what it had begun before.

A handler that kills its process leaves no trace by itself. So who finds that the last one did not
end in order notes ahead what it hands on, in a stream beside the category's:

    ConsumerStarted  {process, suspects?}
    SuspectsBegun    {process, suspects}   these are handed on now
    SuspectsCleared  {process}             they were, and the process lives
    ConsumerEnded    {process, suspects?}  in order

`suspects` is {deaths, through, count?, first?, replayed?}: so many processes have died in a row at
something up to this global position. Where it is known how many messages it is among, there is
`count`, and `first`, which is {streamName, position, globalPosition}; and `replayed` where it may
be what threads have missed that were parked, and go on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from messagedb_agent.consumers.fields import fields_of, whole_number
from messagedb_agent.ids import Ids
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader, Writer

_MOST_NAMES = 1_000


class RunStore(Reader, Writer, Protocol):
    """A store as it is kept in."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message stands.

    Attributes:
        stream: its stream.
        position: its position there.
        global_position: its global position.
    """

    stream: str
    position: int
    global_position: int

    @classmethod
    def of(cls, message: Message) -> "Place":
        """Return where a message stands."""
        return cls(message.stream_name, message.position, message.global_position)


@dataclass(frozen=True, slots=True)
class Suspects:
    """What processes may have died at.

    Attributes:
        deaths: how many have, in a row.
        through: global position of the last message that it may be; None for any there is.
        count: among how many messages it is; 0 where that is not known.
        first: the first of them; None where that is not known.
        replayed: threads that were parked, and go on.
    """

    deaths: int
    through: int | None = None
    count: int = 0
    first: Place | None = None
    replayed: tuple[str, ...] = ()


class RunLog:
    """The stream of a consumer's starts and ends; who writes to it has the consumer's name.

    Args:
        store: where it is kept.
        stream: its full name.
        ids: makes ids of messages.
    """

    def __init__(self, store: RunStore, stream: str, ids: Ids) -> None:
        self._store = store
        self._stream = stream
        self._ids = ids
        self._process = ids.new()  # a name that no other one has

    async def found(self) -> Suspects | None:
        """Return what the processes before this one may have died at; None where none has.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        last = await self._store.last(self._stream)
        if last is None:
            return None
        data = fields_of(last.data)
        suspects = _read(_object(data.get("suspects")))
        if data.get("process") == self._process:  # it has lost the consumer's name, and lives
            return suspects
        match last.type:
            case "SuspectsBegun" if suspects:
                return Suspects(
                    *(suspects.deaths + 1, suspects.through, suspects.count, suspects.first),
                    suspects.replayed,
                )
            case "ConsumerEnded":
                return suspects
            case "ConsumerStarted" | "SuspectsCleared":
                return suspects or Suspects(1)
        return None  # a stranger's

    async def started(self, suspects: Suspects | None) -> None:
        """Note that a process begins.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self._write("ConsumerStarted", suspects)

    async def begun(self, suspects: Suspects) -> None:
        """Note what is handed on now.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self._write("SuspectsBegun", suspects)

    async def cleared(self) -> None:
        """Note that nothing is under suspicion any more.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self._write("SuspectsCleared", None)

    async def ended(self, suspects: Suspects | None) -> None:
        """Note that the process ends in order.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        await self._write("ConsumerEnded", suspects)

    async def _write(self, type: str, suspects: Suspects | None) -> None:
        data: dict[str, Any] = {"process": self._process}
        if suspects:
            data["suspects"] = _said(suspects)
        message = NewMessage(self._ids.new(), type, orjson.dumps(data).decode())
        await self._store.append(self._stream, message)


def _said(suspects: Suspects) -> Mapping[str, Any]:
    said: dict[str, Any] = {"deaths": suspects.deaths}
    if suspects.through is not None:
        said["through"] = suspects.through
    if suspects.count:
        said["count"] = suspects.count
    if place := suspects.first:
        said["first"] = {
            "streamName": place.stream,
            "position": place.position,
            "globalPosition": place.global_position,
        }
    if suspects.replayed:
        said["replayed"] = list(suspects.replayed[:_MOST_NAMES])
    return said


def _read(said: Mapping[str, Any]) -> Suspects | None:
    deaths = whole_number(said, "deaths", 0)
    if deaths < 1:
        return None
    through = whole_number(said, "through", -1)
    first, replayed = _object(said.get("first")), said.get("replayed")
    stream, place = first.get("streamName"), None
    if isinstance(stream, str):
        positions = (whole_number(first, key, 0) for key in ("position", "globalPosition"))
        place = Place(stream, *positions)
    names = replayed[:_MOST_NAMES] if isinstance(replayed, list) else []
    return Suspects(
        deaths,
        through if through > 0 else None,
        whole_number(said, "count", 0) if place else 0,
        place,
        tuple(name for name in names if isinstance(name, str)),
    )


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""Where the events of a stream stand in the store, and what travels with them to their effects."""

from array import array
from collections.abc import Collection, Iterable

from messagedb_agent.engine.batch import NOTHING
from messagedb_agent.errors import IntegrityError
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.records import record

MAX_MISSING = 1_000_000
"""How many rows may be missing in a row; a position that is forged may leave out any number."""


@record
class Noted:
    """An event of a stream, as a cause of others.

    Attributes:
        position: its position in the stream.
        global_position: its position in the store; None where it is not known.
        travelling: what its effects take over.
    """

    position: int
    global_position: int | None
    travelling: Travelling


class Places:
    """The events of one stream, from its first on or from behind a snapshot.

    Args:
        stream: full name of the stream.
        first: position of the first event that is noted one by one.
        earlier: events before it that may be causes of later ones.
    """

    def __init__(self, stream: str, first: int = 0, earlier: Iterable[Noted] = ()) -> None:
        self._stream = stream
        self._first = first
        self._earlier = {noted.position: noted.global_position for noted in earlier}
        self._global_positions = array("q")
        self._travelling = {noted.position: noted.travelling for noted in earlier}
        self._same: dict[Travelling, Travelling] = {}  # one value for all events that carry it

    def at(self, position: int) -> Noted:
        """Return an event that was noted."""
        own = position - self._first
        found = self._global_positions[own] if own >= 0 else self._earlier.get(position)
        return Noted(position, found, self.travelling(position))

    def travelling(self, position: int) -> Travelling:
        """Return what the effects of an event take over."""
        return self._travelling.get(position, NOTHING)

    def some(self, positions: Collection[int]) -> tuple[Noted, ...]:
        """Return those of some events that were noted, in order."""
        end = self._first + len(self._global_positions)
        return tuple(self.at(position) for position in sorted(positions) if 0 <= position < end)

    def note(self, position: int, global_position: int, travelling: Travelling) -> None:
        """Note an event, behind all that were noted.

        Raises:
            IntegrityError: too many rows are missing before it.
        """
        missing = position - self._first - len(self._global_positions)  # somebody deleted them
        if missing > MAX_MISSING:
            raise IntegrityError(f"{self._stream} lacks {missing} rows before position {position}")
        self._global_positions.extend([0] * missing)
        self._global_positions.append(global_position)
        if travelling is not NOTHING and travelling != NOTHING:
            self._travelling[position] = self._same.setdefault(travelling, travelling)

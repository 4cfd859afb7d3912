"""Suspicion: at which threads of a slot workers have died, or may have, until they are cleared."""

from collections.abc import Mapping, Sequence

from messagedb_agent.consumers.slot_log import Deaths, Found


class Suspicion:
    """What a dead worker of a slot may have taken up, and how many have died at which thread.

    Args:
        tries: how many workers may die at a thread until it is put aside.
    """

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._reach: int | None = None  # what a dead worker may have taken up ends here
        self._deaths: dict[str, Deaths] = {}
        self._told: dict[str, int] = {}  # deaths that threads themselves tell of
        self._condemned: set[str] = set()

    @property
    def is_careful(self) -> bool:
        """Whether somebody may have died at what is still to be taken up."""
        return self._reach is not None

    @property
    def deaths(self) -> Mapping[str, Deaths]:
        """How many workers have died at threads that have told nothing of it, by stream."""
        return self._deaths

    @property
    def condemned(self) -> Sequence[str]:
        """The threads at which enough workers have died, as their streams are called."""
        return tuple(self._condemned)

    def begin(self, found: Found, newest: int) -> None:
        """Begin with a slot as it was found.

        Args:
            found: how it was found.
            newest: global position of the newest message of the category.
        """
        self._deaths = dict(found.deaths)
        self._reach = None if found.is_clean else newest

    def clear(self) -> None:
        """Suspect nothing any more: all was taken up."""
        self._reach = None
        self._deaths = {}
        self._told = {}

    def covers(self, stream: str, global_position: int) -> bool:
        """Say whether somebody may have died at a thread that has news at a position."""
        if self._reach is None:
            return False
        return stream in self._deaths or global_position <= self._reach

    def has_more(self, read_through: int) -> bool:
        """Say whether anything is condemned, or behind what was read, of what is suspected."""
        return bool(self._condemned) or (self._reach is not None and read_through < self._reach)

    def hear(self, stream: str, deaths: int) -> None:
        """Hear how many deaths a thread itself tells of."""
        self._told[stream] = max(self._told.get(stream, 0), deaths)

    def deaths_at(self, stream: str) -> int:
        """Return how many workers have died at a thread, or in its calls."""
        return max(self.died_silently(stream), self._told.get(stream, 0))

    def died_silently(self, stream: str) -> int:
        """Return how many workers have died at a thread that has told nothing of it."""
        deaths = self._deaths.get(stream)
        return deaths.count if deaths else 0

    def condemns(self, stream: str) -> bool:
        """Say whether enough workers have died at a thread; it is to be put aside then."""
        if self.died_silently(stream) < self._tries:
            return False
        self._condemned.add(stream)
        return True

    def acquit(self, stream: str) -> None:
        """Have a thread not put aside, or no more: it is by now."""
        self._condemned.discard(stream)

    def forget(self, stream: str) -> None:
        """Forget who has died at a thread: it was taken up, and this process lives."""
        self._deaths.pop(stream, None)
        self._told.pop(stream, None)

    def begin_anew(self, stream: str) -> None:
        """Count the deaths at a thread from none, as it is put aside."""
        self._deaths.pop(stream, None)

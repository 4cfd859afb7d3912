"""A line that says how far a long work has come: on a terminal alone, and gone at its end."""

from time import monotonic

from messagedb_agent.cli.streams import notes
from messagedb_agent.cli.terminal import is_terminal, tell

_EVERY_S = 0.1
_ERASED = "\r\x1b[K"


class Counter:
    """Shows a count on standard error, in one line that it writes over."""

    def __init__(self) -> None:
        self._is_watched = is_terminal(notes())
        self._is_shown = False
        self._next = 0.0

    def show(self, text: str) -> None:
        """Show a text in the place of the last one, if that one has stood for a moment."""
        if self._is_watched and monotonic() >= self._next:
            tell(f"{_ERASED}{text}")
            self._is_shown = True
            self._next = monotonic() + _EVERY_S

    def clear(self) -> None:
        """Take the line away, before something else is written and at the end."""
        if self._is_shown:
            tell(_ERASED)
        self._is_shown = False
        self._next = 0.0

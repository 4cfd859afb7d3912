"""A person walks among the moments of a replay, by single keys."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from messagedb_agent.cli.commands.viewing import print_state
from messagedb_agent.cli.prompting import ask, interrupting
from messagedb_agent.cli.rendering.events import event_line
from messagedb_agent.cli.rendering.moment import moment_lines
from messagedb_agent.cli.rendering.plain import conversation_values
from messagedb_agent.cli.rendering.text import conversation_lines
from messagedb_agent.cli.terminal import note, tell, write

if TYPE_CHECKING:
    from messagedb_agent.audit import Moment

HELP = """\
n, Enter, space, right, down   the next event
b, left, up                    the one before
0, home    $, end              the first, the last
j                              jump to a position
/                              search in types and data; with nothing said, the same again
c, s                           the whole conversation, the whole state
q, Ctrl-D                      the end
"""
_KEYS = "n next, b back, j jump, / search, q quit, ? help"
_NEXT = frozenset({"n", "\r", "\n", " ", "\x1b[C", "\x1b[B", "\x1bOC", "\x1bOB"})
_BACK = frozenset({"b", "\x7f", "\x1b[D", "\x1b[A", "\x1bOD", "\x1bOA"})
_FIRST = frozenset({"0", "\x1b[H", "\x1bOH", "\x1b[1~"})
_LAST = frozenset({"$", "\x1b[F", "\x1bOF", "\x1b[4~"})
_QUIT = frozenset({"q", "\x04"})


def walk(moments: Sequence["Moment"], position: int, *, full: bool) -> None:
    """Show one moment after another, as the person says, until that is enough.

    Args:
        moments: all there are, a fork's ancestors' first; at least one.
        position: where to begin, in the thread's own stream.
        full: cut nothing short.
    """
    Walk(moments, position, full=full).go(_key)


class Walk:
    """Where a person is in a replay.

    Args:
        moments: see `walk`.
        position: see `walk`.
        full: see `walk`.
    """

    def __init__(self, moments: Sequence["Moment"], position: int, *, full: bool) -> None:
        self._moments = moments
        self._index = 0
        self._full = full
        self._sought = ""
        self._own = {m.message.position: i for i, m in enumerate(moments) if m.is_own}
        self._move(self._own.get(position, 0), "there is no such event")

    def go(self, key: Callable[[], str]) -> None:
        """Show where the person is, and do what they press, until they have enough."""
        self._show()
        while (pressed := self._pressed(key)) not in _QUIT:
            before = self._index
            self._do(pressed)
            if self._index != before:
                self._show()

    def _pressed(self, key: Callable[[], str]) -> str:
        tell(f"[{self._index + 1} of {len(self._moments)}] {_KEYS}: ")
        try:
            return key()
        except EOFError:
            return "q"
        finally:
            tell("\n")

    def _do(self, pressed: str) -> None:
        last = len(self._moments) - 1
        moment = self._moments[self._index]
        if pressed in _NEXT:
            self._move(self._index + 1, "that was the last event")
        elif pressed in _BACK:
            self._move(self._index - 1, "that was the first event")
        elif pressed in _FIRST:
            self._index = 0
        elif pressed in _LAST:
            self._index = last
        elif pressed == "j":
            self._jump(ask(f"position (0 to {max(self._own, default=0)}):") or "")
        elif pressed == "/":
            self._sought = (ask("search:") or "").strip() or self._sought
            self._search()
        elif pressed == "c":
            for line in conversation_lines(conversation_values(moment.shown)):
                write(line)
        elif pressed == "s":
            print_state(moment.shown)
        else:
            tell(HELP)

    def _show(self) -> None:
        for line in moment_lines(self._moments[self._index], full=self._full):
            write(line, flush=True)

    def _move(self, index: int, refusal: str) -> None:
        if 0 <= index < len(self._moments):
            self._index = index
        else:
            note(refusal)

    def _jump(self, said: str) -> None:
        position = said.strip()
        if position.isdecimal() and int(position) in self._own:
            self._index = self._own[int(position)]
        else:
            note(f"no event {position!r} in this thread")

    def _search(self) -> None:
        """Go on to the next event that holds what is sought, round the end."""
        count, sought = len(self._moments), self._sought.casefold()
        for index in (i % count for i in range(self._index + 1, self._index + count + 1)):
            message = self._moments[index].message
            text = f"{event_line(message)} {message.data or ''}"
            if sought and sought in text.casefold():
                self._index = index
                return
        note(f"nothing holds {self._sought!r}" if sought else "nothing to search for")


def _key() -> str:
    with interrupting():
        return click.getchar()

"""Arguments that a person changes before a call runs."""

import json
from collections.abc import Callable
from typing import Protocol

from messagedb_agent.cli.editing import edited
from messagedb_agent.cli.rendering.exact import compact
from messagedb_agent.cli.terminal import note


class Complaint(Protocol):
    """Why a call cannot run."""

    @property
    def message(self) -> str: ...


class Draft:
    """What a person makes of the arguments of a call.

    Args:
        asked: the arguments that were asked about.

    Attributes:
        changed: other arguments, which the tool takes; None while they are those asked about.
    """

    def __init__(self, asked: str) -> None:
        self.changed: str | None = None
        self._asked = asked
        self._text = _indented(asked)

    def edit(self, problem: Callable[[str], Complaint | None]) -> None:
        """Let a person edit; what the tool does not take is kept for the next time.

        Args:
            problem: says why the tool does not take arguments.
        """
        text = edited(self._text)
        if text is None:
            return
        if text in (_indented(self._asked), self._asked):
            self.changed = None
        elif complaint := problem(text):
            note(f"not changed: {complaint.message}")
        else:
            self.changed = compact(text)
        self._text = text


def _indented(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except ValueError:
        return arguments

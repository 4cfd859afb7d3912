"""What checking streams beside threads has found so far: users' memory and named definitions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.rendering.verified import beside_json, finding_line, named_lines
from messagedb_agent.cli.terminal import one_line, write

if TYPE_CHECKING:
    from messagedb_agent.audit import CheckedStream, Kind


@dataclass(slots=True)
class BesideTally:
    """What was found so far; what is wrong is printed as it is found.

    Attributes:
        is_quiet: nothing is printed on the way; for output that a program reads.
        names_others: what could not be checked is named too.
        checked: what was found in each stream.
    """

    is_quiet: bool = False
    names_others: bool = True
    checked: list["CheckedStream"] = field(default_factory=list)

    def add(self, checked: "CheckedStream") -> None:
        """Take in what was found in a stream."""
        self.checked.append(checked)
        if self.is_quiet:
            return
        if self.names_others:
            for line in named_lines(checked.found, brief=True):
                write(one_line(line))
        if finding := checked.found.finding:
            write(one_line(finding_line(finding)), flush=True)

    @property
    def wrong(self) -> int:
        """How many streams do not verify."""
        return sum(one.found.finding is not None for one in self.checked)

    @property
    def summary(self) -> str:
        """All in one line, behind what was found in threads; empty where there is nothing."""
        wrong = [one.kind for one in self.checked if one.found.finding]
        every = [one.kind for one in self.checked]
        return beside_text(every, wrong)

    def names(self, *, wrong: bool) -> str:
        """Return how many streams do not verify, or how many do; see `beside_text`."""
        return beside_text(
            [one.kind for one in self.checked if (one.found.finding is not None) is wrong]
        )

    @property
    def json(self) -> dict[str, Any]:
        """All for a program; of the streams those alone in which there is something to name."""
        return {
            "users": sum(one.kind == "user" for one in self.checked),
            "definitions": sum(one.kind == "definition" for one in self.checked),
            "events": sum(one.found.events - len(one.found.foreign) for one in self.checked),
            "wrong": self.wrong,
            "named": [
                beside_json(one.stream, found)
                for one in self.checked
                if (found := one.found).finding or found.foreign or found.absent_sources
            ],
        }


def beside_text(kinds: "Sequence[Kind]", wrong: "Sequence[Kind]" = ()) -> str:
    """Return how many streams there are beside threads, and how many of them are wrong.

    It goes on from what is said of threads, with a comma; empty where there are none.
    """
    users, definitions = kinds.count("user"), kinds.count("definition")
    of_users = f", memory of {_counted(users, 'user', wrong.count('user'))}"
    of_definitions = f", {_counted(definitions, 'definition', wrong.count('definition'))}"
    return (of_users if users else "") + (of_definitions if definitions else "")


def _counted(count: int, what: str, wrong: int) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}" + (f" ({wrong:,} wrong)" if wrong else "")

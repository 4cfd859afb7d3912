"""What checking many threads has found so far: printed on the way, and summed up."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.beside_tally import BesideTally
from messagedb_agent.cli.rendering.counter import Counter
from messagedb_agent.cli.rendering.verified import finding_line, named_lines, verification_json
from messagedb_agent.cli.terminal import one_line, write

if TYPE_CHECKING:
    from messagedb_agent.audit import Checked


@dataclass(slots=True)
class Tally:
    """What was found so far in many threads; what is wrong is printed as it is found.

    Attributes:
        is_quiet: nothing is printed on the way; for output that a program reads.
        names_others: what could not be checked is named too.
        of: how many threads there are to check.
        threads: how many were checked.
        events: their events, without those of other writers; those of a fork's ancestors each time.
        requests: model requests folded again and found the same.
        wrong: how many threads do not verify.
        named: the threads in which there was something to name, where nothing is printed.
        counter: shows how far it has come.
        beside: what was found beside threads.
    """

    is_quiet: bool = False
    names_others: bool = True
    of: int = 0
    threads: int = 0
    events: int = 0
    requests: int = 0
    wrong: int = 0
    named: list["Checked"] = field(default_factory=list)
    counter: Counter = field(default_factory=Counter)
    beside: BesideTally = field(init=False)

    def __post_init__(self) -> None:
        self.beside = BesideTally(self.is_quiet, self.names_others)

    def add(self, checked: "Checked") -> None:
        """Take in what was found in a thread."""
        found = checked.found
        self.threads += 1
        self.events += found.events - len(found.foreign)
        self.requests += found.requests
        self.wrong += found.finding is not None
        if found.finding or found.foreign or found.unchecked:
            self._name(checked)
        self.counter.show(f"{self.threads:,} of {threads_text(self.of)}, {self.events:,} events")

    def _name(self, checked: "Checked") -> None:
        if self.is_quiet:
            self.named.append(checked)
            return
        self.counter.clear()
        if self.names_others:
            for line in named_lines(checked.found, brief=True):
                write(one_line(line))
        if finding := checked.found.finding:
            is_own = finding.stream.endswith(f"-{checked.thread_id}")
            fork = "" if is_own else f"; thread {checked.thread_id}, a fork, shares it"
            write(one_line(finding_line(finding) + fork), flush=True)

    @property
    def summary(self) -> str:
        """All in one line."""
        checked = f"{threads_text(self.threads)}, {checked_text(self.events, self.requests)}"
        checked += self.beside.summary
        return (
            f"not verified: {self.wrong} of {checked}" if self.is_wrong else f"verified: {checked}"
        )

    @property
    def is_wrong(self) -> bool:
        """Whether anything does not verify."""
        return bool(self.wrong or self.beside.wrong)

    @property
    def json(self) -> dict[str, Any]:
        """All for a program; of the threads those alone in which there is something to name."""
        return {
            "threads": self.threads,
            "events": self.events,
            "requests": self.requests,
            "wrong": self.wrong,
            "named": [verification_json(one.thread_id, one.found) for one in self.named],
            "beside": self.beside.json,
        }


def checked_text(events: int, requests: int) -> str:
    """Return how much was checked."""
    return (
        f"{events} event{'' if events == 1 else 's'}, "
        f"{requests} model request{'' if requests == 1 else 's'}"
    )


def threads_text(count: int) -> str:
    """Return how many threads there are."""
    return "1 thread" if count == 1 else f"{count:,} threads"

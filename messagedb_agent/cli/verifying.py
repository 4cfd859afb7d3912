"""`verify`: whether a thread's log, or every thread's, is what was written."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.checking import ProcessEnded, check_all
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.counter import Counter
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import begin
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.render_json import text_of
from messagedb_agent.cli.render_verified import finding_line, named_lines, verification_json
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, one_line, out, write
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent.audit import Checked, Verification


@dataclass(frozen=True, slots=True)
class Verifying:
    """What is to be verified.

    Attributes:
        thread: the thread; None with `take_all`.
        take_all: every thread of the category.
        form: `text` or `json`.
        processes: how many processes check all threads; None for as many as pay.
    """

    thread: str | None
    take_all: bool
    form: str
    processes: int | None = None


def verify(common: Common, asked: Verifying) -> int:
    """Check a thread, or all, and print what was found."""
    if (asked.thread is None) is not asked.take_all:
        raise ValidationError("name a thread, or say --all", field="thread")
    setup = set_up(common)
    return _verify_all(setup, asked) if asked.thread is None else _verify_one(setup, asked)


def _verify_one(setup: Setup, asked: Verifying) -> int:
    thread = asked.thread or ""

    async def check() -> tuple[str, "Verification"]:
        async with opened(setup) as engine:
            thread_id = await engine.find_thread(thread)
            return thread_id, await engine.verify(thread_id)

    thread_id, found = run(check())
    if asked.form == "json":
        out(text_of(verification_json(thread_id, found)))
    else:
        _print_one(thread_id, found)
    return ExitCode.OK if found.finding is None else ExitCode.FINDING


def _print_one(thread_id: str, found: "Verification") -> None:
    checked = f"{found.events - len(found.foreign)} events, {found.requests} model requests"
    for line in named_lines(found):
        write(one_line(line))
    if found.finding is None:
        write(f"verified: {checked}")
    else:
        write(one_line(finding_line(found.finding)))
        write(f"not verified: thread {thread_id}, {checked}")


def _verify_all(setup: Setup, asked: Verifying) -> int:
    tally = Tally(is_quiet=asked.form == "json")

    async def check() -> None:
        from messagedb_agent.audit import thread_ids

        async with opened(setup) as engine:
            ids = await thread_ids(engine)
            tally.of = len(ids)
            await check_all(setup, engine, ids, tally.add, processes=asked.processes)

    try:
        run(check())
    except ProcessEnded as ended:
        return ended.code
    finally:
        tally.counter.clear()
    if asked.form == "json":
        out(text_of(tally.json))
    else:
        write(tally.summary)
        if not tally.of:
            note(f"no threads yet; {begin(setup.common)}")
    return ExitCode.FINDING if tally.wrong else ExitCode.OK


@dataclass(slots=True)
class Tally:
    """What was found so far in many threads; what is wrong is printed as it is found.

    Attributes:
        is_quiet: nothing is printed on the way; for output that a program reads.
        of: how many threads there are to check.
        threads: how many were checked.
        events: their events, without those of other writers; those of a fork's ancestors each time.
        requests: model requests folded again and found the same.
        wrong: how many threads do not verify.
        named: the threads in which there was something to name.
        counter: shows how far it has come.
    """

    is_quiet: bool
    of: int = 0
    threads: int = 0
    events: int = 0
    requests: int = 0
    wrong: int = 0
    named: list["Checked"] = field(default_factory=list)
    counter: Counter = field(default_factory=Counter)

    def add(self, checked: "Checked") -> None:
        """Take in what was found in a thread."""
        found = checked.found
        self.threads += 1
        self.events += found.events - len(found.foreign)
        self.requests += found.requests
        self.wrong += found.finding is not None
        if found.finding or found.foreign or found.unchecked:
            self._name(checked)
        self.counter.show(f"{self.threads:,} of {_threads(self.of)}, {self.events:,} events")

    def _name(self, checked: "Checked") -> None:
        if self.is_quiet:
            self.named.append(checked)
            return
        self.counter.clear()
        for line in named_lines(checked.found, brief=True):
            write(one_line(line))
        if checked.found.finding:
            write(one_line(finding_line(checked.found.finding)), flush=True)

    @property
    def summary(self) -> str:
        """All in one line."""
        checked = f"{_threads(self.threads)}, {self.events} events, {self.requests} model requests"
        if self.wrong:
            return f"not verified: {self.wrong} of {checked}"
        return f"verified: {checked}"

    @property
    def json(self) -> dict[str, Any]:
        """All for a program; of the threads those alone in which there is something to name."""
        return {
            "threads": self.threads,
            "events": self.events,
            "requests": self.requests,
            "wrong": self.wrong,
            "named": [verification_json(one.thread_id, one.found) for one in self.named],
        }


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count:,} threads"

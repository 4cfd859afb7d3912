"""What a run of faults came to: what was done, what was seen, what must not have happened."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import format_exception

from tests.promises import PROMISES

_SHOWN = 40  # lines of a schedule, or violations, in a report


@dataclass
class Report:
    """One run.

    Attributes:
        name: which kind of faults.
        seed: what its chances were drawn from.
        again: one command that repeats it.
        trials: the count that says how many independent trials there were.
        counts: what was done and seen.
        schedule: what was done, in order.
        violations: what must not be.
    """

    name: str
    seed: int
    again: str
    trials: str
    counts: Counter[str] = field(default_factory=Counter)
    schedule: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """Note what is raised as a violation, so that the report says how to see it again."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a run tells of it in its report
            self.violations.append("".join(format_exception(error)))

    def done(self, what: str, detail: str = "") -> None:
        """Count something that was done, and note it in the schedule."""
        self.counts[what] += 1
        self.schedule.append(f"{what} {detail}".rstrip())

    def require(self, holds: object, otherwise: str) -> None:
        """Note a violation where something does not hold."""
        if not holds:
            self.violations.append(otherwise)

    def void_unless(self, seen: str, least: int) -> None:
        """Condemn a run in which something was not seen often enough to have been tried."""
        found = self.counts[seen]
        self.require(found >= least, f"void: {found} {seen}, and {least} are needed")

    @property
    def text(self) -> str:
        """What a person reads; of a run that failed, also how it went and how to repeat it."""
        trials = self.counts[self.trials]
        head = f"{self.name}, seed {self.seed}: {len(self.violations)} violations"
        if trials and not self.violations:
            bound = f"{min(1.0, 3 / trials):.2%}"
            head += f" in {trials:,} {self.trials} (95 % upper bound 3/n: {bound})"
        lines = [
            head,
            *(() if self.violations else self._kept()),
            *(f"  {what}: {count:,}" for what, count in sorted(self.counts.items())),
        ]
        if self.violations:
            lines += ["schedule:", *_some(self.schedule), "violations:", *_some(self.violations)]
            lines += [f"again: {self.again}"]
        return "\n".join(lines)

    def _kept(self) -> Iterator[str]:
        """Yield the promises that were kept, each with what was looked at."""
        for promise, counted in PROMISES.items():
            if number := self.counts[counted]:
                yield f"  {promise}: {number:,} {counted}"

    def check(self) -> None:
        """Raise what is wrong with the run."""
        assert not self.violations, self.text


def _some(lines: list[str]) -> list[str]:
    left = len(lines) - _SHOWN
    return [f"  {line}" for line in lines[-_SHOWN:]] + (
        [f"  and {left} before"] if left > 0 else []
    )

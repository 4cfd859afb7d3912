"""How often a snapshot of a thread is written."""

import re
from dataclasses import dataclass

from messagedb_agent.errors import ValidationError

LONG = 256
"""A thread of fewer events is folded as fast as a snapshot of it is looked for and read."""

DEFAULT_SNAPSHOTS = "every 500"

_POLICY = re.compile(r"\s*(?:(never)|once|every\s+([1-9][0-9]{0,9}))\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """How often a snapshot of a thread is written.

    Attributes:
        every: behind how many events the next one is due; None for no second one.
        is_on: whether there are any; else none is read either.
    """

    every: int | None = 500
    is_on: bool = True

    @property
    def least(self) -> int:
        """Position up to which none is looked for."""
        return min(LONG, self.every or LONG) - 1

    def is_due(self, events: int, kept: int) -> bool:
        """Say whether one is due.

        Args:
            events: how many events were folded.
            kept: of these, how many are in the newest snapshot that may be used.
        """
        if not self.is_on:
            return False
        return events - kept >= self.every if self.every else not kept and events >= LONG


def snapshot_policy(text: str) -> SnapshotPolicy:
    """Return the policy that a setting names: `never`, `once` or `every N`, in events.

    Raises:
        ValidationError: it is none of these; `field` is `snapshots`.
    """
    found = _POLICY.fullmatch(text)
    if found is None:
        raise ValidationError(
            f"snapshots {text!a} is none of: never, once, every N (a number of events)",
            field="snapshots",
        )
    never, every = found.groups()
    return SnapshotPolicy(int(every) if every else None, is_on=not never)

"""The faults that are known, as `faults.toml` lists them."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that somebody might make.

    Attributes:
        name: its name, and that of its patch.
        sentence: what the package does wrong with it.
        tests: arguments for pytest, the narrowest that must catch it.
    """

    name: str
    sentence: str
    tests: tuple[str, ...]

    @property
    def patch(self) -> Path:
        """The file with its patch."""
        return FOLDER / f"{self.name}.patch"


def faults() -> tuple[Fault, ...]:
    """Return all faults, in the order of the list.

    Raises:
        TypeError: an entry has other keys than a fault has.
    """
    listed = tomllib.loads((FOLDER / "faults.toml").read_text())["fault"]
    return tuple(Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed)

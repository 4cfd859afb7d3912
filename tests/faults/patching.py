"""Patches that are found by their text, not by their line: the code around them may move."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class DoesNotApply(Exception):
    """A patch does not fit the code."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines of a file that are to be replaced."""

    path: str
    old: str
    new: str


def hunks(patch: str) -> tuple[Hunk, ...]:
    """Return what a unified diff replaces; its line numbers mean nothing."""
    found: list[Hunk] = []
    path, old, new = "", "", ""
    for line in [*patch.splitlines(), "@@"]:
        if line.startswith(("@@", "--- ")):
            if old or new:
                found.append(Hunk(path, old, new))
            old = new = ""
        elif line.startswith("+++ "):
            path = line.removeprefix("+++ ").removeprefix("b/")
        elif line.startswith((" ", "-", "+")) or not line:
            if not line.startswith("+"):
                old += line[1:] + "\n"
            if not line.startswith("-"):
                new += line[1:] + "\n"
    return tuple(found)


def patched(root: Path, patch: str) -> Mapping[Path, str]:
    """Return the files that a patch changes, as they are afterwards.

    Args:
        root: folder that its paths begin in.
        patch: a unified diff.

    Raises:
        DoesNotApply: what a hunk replaces is not there, or more than once; or it has no hunk.
    """
    files: dict[Path, str] = {}
    for hunk in hunks(patch):
        path = root / hunk.path
        text = files.get(path) or path.read_text()
        places = [found.start() for found in re.finditer(f"^(?={re.escape(hunk.old)})", text, re.M)]
        if len(places) != 1:
            raise DoesNotApply(f"{hunk.path} has this {len(places)} times:\n{hunk.old}")
        files[path] = text[: places[0]] + hunk.new + text[places[0] + len(hunk.old) :]
    if not files:
        raise DoesNotApply("nothing is to be replaced")
    return files

"""A ledger outside of the log: what tools really did, whatever became of their processes."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Ledger:
    """Files in a folder, one a kind of line, which processes of all sorts add to.

    Attributes:
        folder: where they are.
    """

    folder: Path

    def add(self, kind: str, *, sync: bool = True, **said: Any) -> None:
        """Add a line, whole or not at all.

        Args:
            kind: what happened; the file's name.
            sync: wait until the disk has it; else it outlives the process, and not the machine.
            said: what there is to say of it, as JSON; the time and the process are added.
        """
        line = json.dumps({**said, "at_s": time.time(), "pid": os.getpid()}) + "\n"
        file = os.open(self.folder / kind, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, line.encode())
            if sync:
                os.fsync(file)
        finally:
            os.close(file)

    def lines(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of a kind, in order; none where nobody wrote any."""
        path = self.folder / kind
        if path.exists():
            with path.open(encoding="utf-8") as file:
                yield from (json.loads(line) for line in file)

    def once(self, key: str, value: str) -> str:
        """Keep a value under a key, and return the value that stands there: the first one."""
        folder = self.folder / "keys"
        folder.mkdir(exist_ok=True)
        draft = folder / f"{key}.{os.getpid()}.{value}"
        draft.write_text(value)
        try:
            os.link(draft, folder / key)  # which fails where somebody was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return (folder / key).read_text()

    def kept(self, key: str) -> str | None:
        """Return the value that stands under a key; None where there is none."""
        path = self.folder / "keys" / key
        return path.read_text() if path.exists() else None

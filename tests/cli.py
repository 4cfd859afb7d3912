"""Running the command line: within the test's process for breadth, as a process where it counts."""

import io
import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.cli.app import main
from tests.forked import Piped

PATIENCE_S = 60.0  # how long a process may take; it is never measured
PROGRAM = (sys.executable, "-m", "messagedb_agent")


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def notes(self) -> list[str]:
        """The lines on standard error, without the log's."""
        return [line for line in self.err.splitlines() if not line.startswith('{"event"')]


class CommandLine:
    """The program, with the settings of a test."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, category: str
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self._category = category

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Ended:
        """Run a command in this process."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capsys.readouterr()
        code = main(["--category", self._category, *arguments])
        out, err = self._capsys.readouterr()
        return Ended(code, out, err)

    def refused(self, *arguments: str, code: int, stdin: bytes = b"") -> str:
        """Run a command that must end with `code` and one line; return the line."""
        ended = self(*arguments, stdin=stdin)
        assert (ended.code, ended.out) == (code, "")
        *before, line = ended.notes
        assert all(note.startswith(("no model is set", "category ")) for note in before)
        assert line.startswith("error: ")
        assert "Traceback" not in ended.err
        return line

    def line(self, name: str, *words: str) -> str:
        """Return a command line as the program prints it, to be typed."""
        return shlex.join(["messagedb-agent", name, "--category", self._category, *words])

    def program(self, *arguments: str) -> list[str]:
        """Return what starts a command anew."""
        return [*PROGRAM, "--category", self._category, *arguments]

    def process(
        self, *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Piped:
        """Run a command as a process of its own."""
        given = ["--category", self._category, *arguments]
        return Piped(given, {**os.environ, **(environment or {})}, cwd=cwd)


def finished(process: Piped, stdin: bytes = b"") -> Ended:
    out, err = process.communicate(stdin, timeout=PATIENCE_S)
    return Ended(process.wait(), out.decode(), err.decode())

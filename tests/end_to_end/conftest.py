"""Fixtures of the command line's tests."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import CommandLine
from tests.terminal import Opens, Terminal


@pytest.fixture
def cli(
    store_url: str,
    category: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CommandLine]:
    """The command line on the tests' store, in an empty folder and a category of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MESSAGE_DB_URL", store_url)
    monkeypatch.setattr(sys, "path", list(sys.path))
    logger = logging.getLogger("messagedb_agent")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield CommandLine(capsys, monkeypatch, category)
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def terminal(cli: CommandLine, category: str) -> Iterator[Opens]:
    """The program on pseudo-terminals, which end with the test."""
    opened: list[Terminal] = []

    def opens(*arguments: str, **environment: str) -> Terminal:
        opened.append(Terminal(*arguments, "--category", category, **environment))
        return opened[-1]

    yield opens
    for one in opened:
        one.kill()

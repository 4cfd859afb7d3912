"""Exit codes: every error of the package has one, and every one is documented."""

from collections.abc import Iterator

import pytest

from messagedb_agent import errors
from messagedb_agent.cli.exits import MEANINGS, ExitCode, exit_code_of
from messagedb_agent.cli.guard import guarded

CODES = {
    errors.NotFound: ExitCode.NOT_FOUND,
    errors.AmbiguousName: ExitCode.NOT_FOUND,
    errors.ValidationError: ExitCode.USAGE,
    errors.RefusedName: ExitCode.USAGE,
    errors.RefusedPayload: ExitCode.USAGE,
    errors.ConfigurationError: ExitCode.CONFIGURATION,
    errors.Conflict: ExitCode.REFUSED,
    errors.WrongExpectedVersion: ExitCode.REFUSED,
    errors.DuplicateMessage: ExitCode.REFUSED,
    errors.Refused: ExitCode.REFUSED,
    errors.TurnUnderWay: ExitCode.REFUSED,
    errors.HandlerFailed: ExitCode.INTERNAL,
    errors.StoreError: ExitCode.DATABASE,
    errors.StoreUnavailable: ExitCode.DATABASE,
    errors.TransactionRefused: ExitCode.DATABASE,
    errors.NotMessageDb: ExitCode.DATABASE,
    errors.UnsupportedMessageDb: ExitCode.DATABASE,
    errors.ModelError: ExitCode.MODEL,
    errors.LimitReached: ExitCode.LIMIT,
    errors.IntegrityError: ExitCode.FINDING,
    errors.ToolError: ExitCode.INTERNAL,
    errors.HandlerFailed: ExitCode.INTERNAL,
    errors.AgentError: ExitCode.INTERNAL,
}


def kinds(kind: type[errors.AgentError]) -> Iterator[type[errors.AgentError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def test_every_error_of_the_package_has_its_code() -> None:
    ours = {kind for kind in kinds(errors.AgentError) if kind.__module__ == errors.__name__}
    assert ours == set(CODES)
    assert {kind: exit_code_of(kind.__new__(kind)) for kind in ours} == CODES


def test_every_code_is_documented() -> None:
    assert set(MEANINGS) == set(ExitCode)


def test_an_error_of_many_lines_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def failing() -> int:
        raise errors.StoreUnavailable("first\n\tsecond \x1b[31m")

    assert guarded(failing) == ExitCode.DATABASE
    assert capsys.readouterr().err == "error: first second \\x1b[31m\n"


def test_ctrl_c_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded(interrupted) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"

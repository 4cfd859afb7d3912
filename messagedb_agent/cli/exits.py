"""Exit codes: one table, shown by `--help` and followed by every command."""

from enum import IntEnum

from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    Conflict,
    IntegrityError,
    LimitReached,
    ModelError,
    NotFound,
    StoreError,
    ValidationError,
)


class ExitCode(IntEnum):
    """What a command ends with."""

    OK = 0
    FINDING = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFIGURATION = 4
    DATABASE = 5
    MODEL = 6
    LIMIT = 7
    APPROVAL = 8
    REFUSED = 9
    INTERNAL = 10
    OUTPUT = 11
    CANCELLED = 12
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.FINDING: "a check found something wrong in the log; diff: not the same",
    ExitCode.USAGE: "wrong usage, or a value that is refused",
    ExitCode.NOT_FOUND: "no such thread or call, or more than one fits",
    ExitCode.CONFIGURATION: "a setting, a key or a tool module is missing or wrong",
    ExitCode.DATABASE: "the database cannot be reached or is no Message DB",
    ExitCode.MODEL: "the model gave no answer; continue asks it again",
    ExitCode.LIMIT: "a limit stopped the turn; continue or message goes on",
    ExitCode.APPROVAL: "a tool call waits for approval",
    ExitCode.REFUSED: "the thread or the server does not allow this now",
    ExitCode.INTERNAL: "an error in the program",
    ExitCode.OUTPUT: "standard output, a file or an endpoint cannot be written to",
    ExitCode.CANCELLED: "the turn was cancelled; the thread takes the next message",
    ExitCode.INTERRUPTED: "interrupted; continue takes the thread up",
    ExitCode.TERMINATED: "interrupted by SIGTERM; continue takes the thread up",
}

# The first that fits counts.
_BY_ERROR: tuple[tuple[type[AgentError], ExitCode], ...] = (
    (NotFound, ExitCode.NOT_FOUND),
    (ConfigurationError, ExitCode.CONFIGURATION),
    (ValidationError, ExitCode.USAGE),
    (Conflict, ExitCode.REFUSED),
    (StoreError, ExitCode.DATABASE),
    (ModelError, ExitCode.MODEL),
    (LimitReached, ExitCode.LIMIT),
    (IntegrityError, ExitCode.FINDING),
)


def exit_code_of(error: AgentError) -> ExitCode:
    """Return the code that stands for an error."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.INTERNAL

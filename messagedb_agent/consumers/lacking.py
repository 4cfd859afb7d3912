"""What no message is to blame for: its handler lacks a table, a column, a right or a module.

Parked, every thread would be, one after the other, for what one look at the handler's set-up mends.
Only errors that say so by themselves are taken for that. All else may be a message's fault, and is.
"""

from messagedb_agent.errors import ConfigurationError

# Source: PostgreSQL 17, appendix A: undefined_table, undefined_column, invalid_schema_name and
# insufficient_privilege. Not undefined_function or undefined_object: what a message holds decides
# which function or operator is looked for, and names types.
_STATES = frozenset({"42P01", "42703", "3F000", "42501"})
# A row that a policy refuses has the state of a right that is missing, and is about the row.
# Source: PostgreSQL 17, `src/backend/executor/execMain.c`.
_POLICY = "ExecWithCheckOptions"


def lacks_something(error: BaseException) -> bool:
    """Say whether what a handler has raised is about its set-up, and not about a message.

    Args:
        error: of any driver of PostgreSQL's that names states (`sqlstate`), or of an import.
    """
    if isinstance(error, ModuleNotFoundError):
        return True
    is_about_row = getattr(getattr(error, "diag", None), "source_function", None) == _POLICY
    return getattr(error, "sqlstate", None) in _STATES and not is_about_row


def lacking(stream: str, position: int, reason: str) -> ConfigurationError:
    """Return what a consumer ends with whose handler lacks something, here for a message."""
    return ConfigurationError(
        f"the handler lacks what it needs, and no message is parked for that: {reason}; "
        f"the next run goes on with {stream}/{position}",
        field="handler",
    )

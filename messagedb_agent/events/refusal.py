"""What pydantic refuses, as this package's own error."""

import pydantic

from messagedb_agent.errors import ValidationError


def refusal(error: pydantic.ValidationError, whole: str = "") -> ValidationError:
    """Return the error that names the first field at fault, and why it is.

    Args:
        error: what pydantic raised.
        whole: what to name where it is no field, but all of them together.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(map(str, first["loc"])) or whole
    why = first["msg"].removeprefix("Value error, ")
    return ValidationError(f"{field}: {why}", field=field)

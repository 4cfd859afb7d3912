"""What pydantic refuses, as this package's own error."""

import pydantic

from messagedb_agent.errors import ValidationError


def refusal(error: pydantic.ValidationError, whole: str = "") -> ValidationError:
    """Return the error that names the first field at fault, an unknown one before others, and why.

    Args:
        error: what pydantic raised.
        whole: what to name where it is no field, but all of them together.
    """
    errors = error.errors(include_url=False, include_input=False)
    unknown = [one for one in errors if one["type"] == "extra_forbidden"]
    # What is misspelt is missing too, by its right name: the wrong one says more.
    first = (unknown or errors)[0]
    field = ".".join(map(str, first["loc"])) or whole
    why = "there is no such field" if unknown else first["msg"].removeprefix("Value error, ")
    return ValidationError(f"{field}: {why}", field=field)

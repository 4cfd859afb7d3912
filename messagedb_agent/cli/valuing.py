"""`--output`: an answer that must be a value of a JSON Schema, and the value as it is printed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.rendering.exact import escaped
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent

_ANY = {"type": "object"}  # what every output is, as it is recorded
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Output:
    """What an answer must be.

    Attributes:
        file: file with its JSON Schema, in UTF-8.
        schema: what it holds.

    Raises:
        ValidationError: the file cannot be read, or holds no JSON object.
    """

    file: Path
    schema: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", _read(self.file))


def _read(file: Path) -> Mapping[str, Any]:
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _refused(file, f"it cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _refused(file, "it holds no JSON in UTF-8") from error
    if not isinstance(schema, dict):
        raise _refused(file, "a JSON Schema is an object")
    return schema


def _refused(file: Path, why: str) -> ValidationError:
    return ValidationError(f"{file}: {why}", field="--output")


def value_line(agent: "Agent", output: Output | None = None) -> str | None:
    """Return the value that a thread's answer is, as one line of JSON; None where it is none.

    Args:
        agent: the state.
        output: what was asked for, where that is known; else the value is what is recorded.

    Raises:
        ModelError: the answer is recorded as an output, and is none.
    """
    if agent.view.outcome.output is None:
        return None
    value = agent.output_as(output.schema if output else _ANY)
    text = json.dumps(value, ensure_ascii=False)
    return _HALVES.sub(lambda half: escaped(half[0]), text)  # UTF-8 has none

"""A definition in a file, with places in it that are filled in: TOML, read by the standard library.

    description = "Answers questions from documents of one field."
    role = "You answer questions about {{domain}}."
    constraints = ["Say where in the documents it stands."]

    [variables]
    domain = "What the documents are about."

`description` and `variables` are the file's own; all else are fields of `AgentDefinition`. A
variable is named in double braces, anywhere in a text, and says what it is for. Each that is named
must be there, and each that is there must be named. A file without variables is a definition.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.errors import ValidationError

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OWN = ("description", "variables")


@dataclass(frozen=True, slots=True)
class Template:
    """A definition with places to fill in.

    Attributes:
        name: what it is called: its file's name, without the ending.
        description: what it is for; may be empty.
        variables: what is filled in, by name, and what each is for.
        fields: fields of the definition, as the file has them.
    """

    name: str
    description: str
    variables: Mapping[str, str]
    fields: Mapping[str, Any]

    def fill(self, variables: Mapping[str, object] = MappingProxyType({})) -> AgentDefinition:
        """Return the definition with its places filled in.

        Args:
            variables: a value for each of its variables, one line of text.

        Raises:
            ValidationError: a variable is missing, unknown, empty or no line of text, or what
                comes of it is no definition; `field` is the name of what is at fault.
        """
        for name, told in self.variables.items():
            if name not in variables:
                raise ValidationError(f"template {self.name} needs {name}: {told}", field=name)
        for name in variables:
            if name not in self.variables:
                known = ", ".join(self.variables) or "none"
                raise ValidationError(
                    f"template {self.name} has no variable {name!r}; it has: {known}", field=name
                )
        lines = {name: _line(name, value) for name, value in variables.items()}
        return AgentDefinition(
            **_mapped(self.fields, lambda text: _PLACE.sub(lambda found: lines[found[1]], text))
        )


def read_template(path: Path) -> Template:
    """Read a file, and check all of it that can be checked before it is filled in.

    Raises:
        ValidationError: it cannot be read, is no TOML in UTF-8, or is no template; `field` is the
            name of what is at fault in it, or `file`.
    """
    try:
        found = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise _refused(path, "file", f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _refused(path, "file", "it is not text in UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refused(path, "file", f"it is no TOML: {error}") from error
    description, variables = found.get("description", ""), found.get("variables", {})
    if not isinstance(description, str):
        raise _refused(path, "description", "it is no text")
    if not isinstance(variables, dict):
        raise _refused(path, "variables", "it is no table")
    for name, told in variables.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(told, str) or not told.strip():
            why = f"{name!r} is no name of small letters, digits and _, with a text that tells it"
            raise _refused(path, "variables", why)
    fields = {name: value for name, value in found.items() if name not in _OWN}
    named = {name for text in _texts(fields) for name in _PLACE.findall(text)}
    for name in sorted(named ^ variables.keys()):
        what = "is filled in nowhere" if name in variables else "is no variable of it"
        raise _refused(path, name or "variables", f"{{{{{name}}}}} {what}")
    template = Template(path.stem, description.strip(), MappingProxyType(variables), fields)
    try:
        template.fill(dict.fromkeys(variables, "x"))
    except ValidationError as error:
        raise _refused(path, error.field, str(error)) from error
    return template


def _line(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValidationError(f"{name} is no line of text", field=name)
    return value.strip()


def _refused(path: Path, field: str, why: str) -> ValidationError:
    return ValidationError(f"{path}: {why}", field=field)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """Return a value of TOML with its texts changed; keys stay."""
    match value:
        case str():
            return change(value)
        case list():
            return [_mapped(one, change) for one in value]
        case Mapping():
            return {key: _mapped(one, change) for key, one in value.items()}
        case _:
            return value


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one)
        case Mapping():
            for one in value.values():
                yield from _texts(one)

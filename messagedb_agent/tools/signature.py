"""From a function's signature and docstring to the schema of its arguments."""

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaError, to_jsonable_python

from messagedb_agent.errors import ValidationError
from messagedb_agent.tools.tool import ToolContext

_REFUSED_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional only; models give arguments by name",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments; declare each one",
    inspect.Parameter.VAR_KEYWORD: "takes arguments of any name; declare each one",
}

# What pydantic raises for a type that it, or JSON Schema, does not know.
_UNSUITABLE = (
    PydanticUserError,
    PydanticUndefinedAnnotation,
    SchemaError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes.

    Attributes:
        model: validates arguments; its fields have the parameters' names as aliases.
        parameters: JSON Schema of the arguments.
        contexts: names of the parameters that take the `ToolContext`.
    """

    model: type[BaseModel]
    parameters: Mapping[str, Any]
    contexts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Docs:
    """What a docstring says: its first paragraph, and each argument of its `Args:` section."""

    summary: str
    arguments: Mapping[str, str]


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out titles made from names: they tell a model nothing and cost tokens."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def read_signature(function: Callable[..., Any], docs: Docs, *, name: str) -> Signature:
    """Return what `function` takes.

    Raises:
        ValidationError: a parameter has no type, one that JSON cannot carry, or a kind that
            cannot be given by name; `field` is the parameter's name.
    """
    hints = _type_hints(function, name)
    given: list[inspect.Parameter] = []
    contexts: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in _REFUSED_KINDS:
            raise _refused(name, parameter.name, _REFUSED_KINDS[parameter.kind])
        if parameter.name not in hints:
            raise _refused(name, parameter.name, "has no type annotation")
        if _is_context(hints[parameter.name]):
            contexts.append(parameter.name)
            continue
        if isinstance(parameter.default, FieldInfo):
            raise _refused(
                name, parameter.name, "has a Field as its default; write Annotated[type, Field()]"
            )
        given.append(parameter)
    model = _model(given, hints, name)
    return Signature(model, _schema(model, given, docs), tuple(contexts))


def _type_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # evaluating an annotation runs whatever stands in it
        raise ValidationError(
            f"tool {name!r}: an annotation cannot be resolved: {error}", field=name
        ) from error


def _is_context(hint: object) -> bool:
    return hint is ToolContext or ToolContext in typing.get_args(hint)


def _model(
    given: Iterable[inspect.Parameter], hints: Mapping[str, Any], name: str
) -> type[BaseModel]:
    # Fields are numbered, since a parameter may be called what a model's field may not be:
    # `schema`, `_private`, `model_config`. A default is the function's own business: an argument
    # that was not given is not passed.
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(given):
        required = parameter.default is inspect.Parameter.empty
        info = (
            Field(alias=parameter.name)
            if required
            else Field(alias=parameter.name, default_factory=lambda: None)
        )
        fields[f"p{index}"] = (hints[parameter.name], info)
    try:
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
        model.model_json_schema(schema_generator=_WithoutTitles)
    except _UNSUITABLE as error:
        raise _blamed(given, hints, name, error) from error
    return model


def _blamed(
    given: Iterable[inspect.Parameter], hints: Mapping[str, Any], name: str, error: Exception
) -> ValidationError:
    for parameter in given:
        try:
            TypeAdapter(hints[parameter.name]).json_schema()
        except _UNSUITABLE as own:
            why = str(own).splitlines()[0]
            return _refused(name, parameter.name, f"has a type that JSON cannot carry: {why}")
    return ValidationError(f"tool {name!r}: {str(error).splitlines()[0]}", field=name)


def _schema(
    model: type[BaseModel], given: Iterable[inspect.Parameter], docs: Docs
) -> Mapping[str, Any]:
    schema = model.model_json_schema(schema_generator=_WithoutTitles)
    schema.pop("title", None)
    properties: dict[str, Any] = schema.setdefault("properties", {})
    for parameter in given:
        entry = properties[parameter.name]
        if parameter.name in docs.arguments:
            entry.setdefault("description", docs.arguments[parameter.name])
        if parameter.default is not inspect.Parameter.empty:
            _put_default(entry, parameter.default)
    return schema


def _put_default(entry: dict[str, Any], default: object) -> None:
    try:
        entry["default"] = to_jsonable_python(default)
    except ValueError:  # a value without JSON is still the default, and still the function's
        entry.pop("default", None)


_SECTION = re.compile(r"^(?:args|arguments|parameters):\s*$", re.IGNORECASE)
_ENTRY = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


def read_docs(function: Callable[..., Any]) -> Docs:
    """Return what the docstring of `function` says; nothing where there is none."""
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.split("\n\n", 1)[0].split())
    return Docs(summary, _argument_docs(text.splitlines()))


def _argument_docs(lines: list[str]) -> dict[str, str]:
    start = next((i for i, line in enumerate(lines) if _SECTION.match(line)), None)
    if start is None:
        return {}
    found: dict[str, str] = {}
    current = ""
    depth: int | None = None
    for line in lines[start + 1 :]:
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if text and indent == 0:
            break  # the next section
        depth = indent if depth is None and text else depth
        entry = _ENTRY.match(text) if indent == depth else None
        if entry:
            current = entry[1]
            found[current] = entry[2]
        elif current and text:
            found[current] = f"{found[current]} {text}".strip()
    return found


def _refused(tool: str, parameter: str, why: str) -> ValidationError:
    return ValidationError(f"tool {tool!r}: parameter {parameter!r} {why}", field=parameter)

"""What a public name offers, as the README's table of the API writes it."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import MISSING, fields, is_dataclass
from inspect import Parameter, Signature
from typing import Any, get_origin

from pydantic import BaseModel

import messagedb_agent
from messagedb_agent import Agent, Engine, ToolContext
from tests.docs.public import names

GIVEN = frozenset({Agent, Engine, ToolContext})
"""Callers are given these, so they read what a constructor elsewhere is called with."""


def offered(name: str) -> list[str]:
    """Return the signatures and attributes of a public name, sorted.

    What it inherits from another public name is not among them.
    """
    value = getattr(messagedb_agent, name)
    return sorted(_of_class(value) if inspect.isclass(value) else [_function(name, value)])


def _of_class(cls: type) -> Iterator[str]:
    taken = _constructor(cls)
    if cls in GIVEN:
        yield from (name for name in taken if not name.startswith("_"))
    elif taken:
        yield cls.__name__ + _text(taken)
    inherited = {base for public in _public() & {*cls.__mro__[1:]} for base in public.__mro__}
    offers: dict[str, object] = {}
    for base in reversed(cls.__mro__):
        offers |= vars(base) if _is_ours(base) and base not in inherited else {}
    for name, value in offers.items():
        if not name.startswith("_") and name not in taken and name not in vars(BaseModel):
            yield _function(name, value) if inspect.isfunction(value) else name


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith(messagedb_agent.__name__)


def _public() -> frozenset[type]:
    values = (getattr(messagedb_agent, name) for name in names())
    return frozenset(filter(inspect.isclass, values))


def _constructor(cls: type) -> Mapping[str, Parameter]:
    """Return what a class is called with; nothing where it has no constructor of ours."""
    if issubclass(cls, BaseModel):  # its signature has the names in JSON
        return {
            name: Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if field.is_required() else field.get_default(),
            )
            for name, field in cls.model_fields.items()
        }
    if _is_port(cls) or not any("__init__" in vars(base) for base in filter(_is_ours, cls.__mro__)):
        return {}
    made = {field.name: field.default_factory for field in fields(cls)} if is_dataclass(cls) else {}
    return {
        name: parameter.replace(default=_Call(made[name]))
        if made.get(name, MISSING) is not MISSING
        else parameter
        for name, parameter in inspect.signature(cls).parameters.items()
    }


def _is_port(cls: type) -> bool:
    return getattr(cls, "_is_protocol", False)


def _function(name: str, function: Callable[..., Any]) -> str:
    parameters = inspect.signature(function).parameters
    return _how(function) + name + _text({k: p for k, p in parameters.items() if k != "self"})


def _how(function: Callable[..., Any]) -> str:
    """Return what stands before a call: what has to be done with what it gives."""
    given = function.__annotations__.get("return")
    kind = get_origin(given) or given
    if inspect.iscoroutinefunction(function):
        return "await "
    if kind is AbstractAsyncContextManager or hasattr(function, "__wrapped__"):
        return "async with "
    return "async for " if kind in (AsyncIterator, AsyncGenerator) else ""


def _text(parameters: Mapping[str, Parameter]) -> str:
    shown = [
        parameter.replace(annotation=Parameter.empty, default=_shown(parameter.default))
        for parameter in parameters.values()
    ]
    return str(Signature(shown))


def _shown(default: object) -> object:
    if default is Parameter.empty or isinstance(default, _Call):
        return default
    return _Written(default)


class _Call:
    """The default that a function makes anew each time."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __repr__(self) -> str:
        return f"{self._make.__name__}()"


class _Written:
    """A default as a person writes it: text in double quotes, and no field that is not said."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        value = self._value
        if isinstance(value, str):
            return f'"{value}"'
        said = is_dataclass(value) or isinstance(value, BaseModel)
        return f"{type(value).__name__}()" if said and value == type(value)() else repr(value)

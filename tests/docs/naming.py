"""Names of this package as its pages write them, and whether there is such a thing.

`agent.advance(text, max_retries=)` is a method of `Agent` with these parameters,
`messagedb-agent show THREAD --full` a command with this option, `LOG_LEVEL` a setting,
`docs/consumers.md` a file.
"""

import ast
import inspect
import re
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import typer
from pydantic import BaseModel

import messagedb_agent
from messagedb_agent.cli.app import PROGRAM  # which puts the groups together
from messagedb_agent.cli.work import group
from messagedb_agent.config import Settings
from messagedb_agent.events import schema
from messagedb_agent.events.values import Definition
from messagedb_agent.llm.providers import PROVIDERS
from messagedb_agent.projections.messages import ChatMessage
from messagedb_agent.projections.stats import ThreadStats
from messagedb_agent.projections.usage import ThreadUsage
from tests.docs.blocks import ROOT
from tests.docs.public import modules, names

# What pages call a value of each kind.
VALUES: Mapping[str, type] = {
    "agent": messagedb_agent.Agent,
    "chat": messagedb_agent.Chat,
    "engine": messagedb_agent.Engine,
    "message": ChatMessage,
    "stats": ThreadStats,
    "usage": ThreadUsage,
}
DEFINED = {*Definition.model_fields, "context", "definition"}
_ADVANCE = {*inspect.signature(messagedb_agent.Agent.advance).parameters, *DEFINED}
# What `**` takes, by the name of that parameter.
FURTHER: Mapping[str, Collection[str]] = {
    "changes": DEFINED,
    "fields": DEFINED,
    "options": _ADVANCE,
    "variables": {"domain", "property"},
}
VARIABLES = {name.upper() for name in Settings.model_fields} | {
    key for provider in PROVIDERS for key in provider.keys
}

_IN_MODULE = re.compile(rf"({messagedb_agent.__name__}(?:\.[a-z_]+)*)\.(\w+)\b")
_WITH = re.compile(r"async with (.+) as \w+")
_BY_PLACE = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
)
_BY_NAME = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OPEN_KEYWORD = re.compile(r"=(?=[,)])")


def problem(span: str) -> str | None:
    """Say why there is nothing of this name; None where there is."""
    if span.startswith(PROGRAM):
        return _no_command(span)
    if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", span):
        return None if span in VARIABLES else "no such setting"
    if re.fullmatch(r"[\w.-]*/[\w./-]+|\.[\w.]+|[\w-]+\.(md|yml)", span):
        return None if (ROOT / span).exists() else "no such file"
    if match := _IN_MODULE.match(span):
        home, name = match.groups()
        if name not in _modules().get(home, ()):
            return f"{home} has no public {name}"
    if match := _WITH.fullmatch(span):
        span = match[1]
    try:
        _found(ast.parse(_OPEN_KEYWORD.sub("=...", span), mode="eval").body)
    except (LookupError, SyntaxError) as error:
        return str(error)
    return None


_modules = cache(modules)


@cache
def _program() -> Any:
    return typer.main.get_command(group)


def _no_command(span: str) -> str | None:
    command = _program()
    options = set[str]()
    for word in span.split()[1:]:
        if word.startswith("--"):
            options.add(word)
        elif word in getattr(command, "commands", {}):
            command = command.commands[word]
    if hasattr(command, "commands"):
        return "no such command"
    there = {option for parameter in command.params for option in parameter.opts}
    return f"{command.name} has no {', '.join(options - there)}" if options - there else None


def _found(node: ast.expr) -> Any:
    """Return what an expression names: a value of ours, or the type of one."""
    match node:
        case ast.Name(id=name):
            return _root(name)
        case ast.Attribute(value=value, attr=name):
            return _attribute(_found(value), name)
        case ast.Call(func=function):
            called = _found(function)
            _check_arguments(node, called)
            return called if isinstance(called, type) else _result(called)
    raise LookupError(f"{ast.unparse(node)} is no name")


def _root(name: str) -> Any:
    if name in names():
        return getattr(messagedb_agent, name)
    known = {**vars(schema), **VALUES, messagedb_agent.__name__: messagedb_agent}
    if name == "asyncio":
        return import_module(name)
    if name not in known:
        raise LookupError(f"{name} is no public name")
    return known[name]


def _attribute(value: Any, name: str) -> Any:
    """Return what an attribute is: a module's member, a function, or the type of a value."""
    if isinstance(value, types.ModuleType):
        return _member(value, name)
    for kind in getattr(value, "__mro__", ()):
        if name in (fields := _hints(kind)):
            return _plain(fields[name])
    found = inspect.getattr_static(value, name, None)
    if found is None:
        raise LookupError(f"{getattr(value, '__name__', value)} has no {name}")
    getter = getattr(found, "fget", None) or getattr(found, "func", None)  # of a property
    return _plain(_hints(getter).get("return")) if getter else getattr(value, name)


def _member(module: types.ModuleType, name: str) -> Any:
    if hasattr(module, name):
        return getattr(module, name)
    try:
        return import_module(f"{module.__name__}.{name}")
    except ModuleNotFoundError as error:
        raise LookupError(f"{module.__name__} has no {name}") from error


def _hints(of: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(of)
    except (NameError, TypeError):  # names for type checkers alone
        return dict(getattr(of, "__annotations__", {}))


def _plain(hint: Any) -> Any:
    """Return the one type that an optional one means."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    return kinds[0] if isinstance(hint, types.UnionType) and len(kinds) == 1 else hint


def _result(function: Any) -> Any:
    return _plain(_hints(function).get("return"))


def _check_arguments(node: ast.Call, called: Any) -> None:
    places, names = _parameters(called)
    given = [argument.id for argument in node.args if isinstance(argument, ast.Name)]
    if given != places[: len(given)]:
        raise LookupError(f"it takes {', '.join(places)}")
    for keyword in node.keywords:
        if keyword.arg not in names:
            raise LookupError(f"it takes no {keyword.arg}")


def _parameters(called: Any) -> tuple[Sequence[str], Collection[str]]:
    """Return the parameters that may be given by place, in order, and those by name."""
    if isinstance(called, type) and issubclass(called, BaseModel):
        return [], set(called.model_fields)
    found = [p for p in inspect.signature(called).parameters.values() if p.name != "self"]
    places = [p.name for p in found if p.kind in _BY_PLACE]
    names = {p.name for p in found if p.kind in _BY_NAME}
    rest = (FURTHER.get(p.name, ()) for p in found if p.kind is p.VAR_KEYWORD)
    return places, names.union(*rest)

"""Finding the tools that `module[:attribute]` names."""

import os
import sys
from collections.abc import Iterable
from copy import copy
from importlib import import_module
from operator import attrgetter
from types import ModuleType

from messagedb_agent.errors import ConfigurationError, ValidationError
from messagedb_agent.tools.function_tool import FunctionTool
from messagedb_agent.tools.object_tool import AnyTool, adapt
from messagedb_agent.tools.running import first_line
from messagedb_agent.tools.toolbox import Toolbox

_USUAL_NAMES = ("TOOLS", "tools")
_PACKAGE = __name__.partition(".")[0]


def load_tools(reference: str) -> tuple[AnyTool, ...]:
    """Import a module and return the tools in it.

    Modules are looked for in the current directory too, which is put on the import path for good,
    since a tool may import its neighbours when it runs; not for modules of this package. What is
    recorded of such tools names the reference, so that whoever lacks one later knows where it is.

    Args:
        reference: `module` or `module:attribute`. The attribute is a toolbox, a tool, or several
            tools; without it, `TOOLS` or `tools` is taken, else every `@tool` in the module.

    Raises:
        ConfigurationError: no such module or attribute, the import fails, or no tools are there.
    """
    module_name, colon, attribute = reference.partition(":")
    if colon and not attribute.strip():
        raise _refused(f"{reference!r} names nothing after the colon: write module or module:name")
    module = imported(module_name.strip(), field="tools")
    found = attribute_of(module, attribute, field="tools") if attribute else _usual(module)
    tools = _as_tools(found)
    if not tools:
        raise _refused(f"{reference!r} holds no tools: mark functions with @tool")
    try:
        return tuple(_sourced(tool, reference) for tool in Toolbox(*tools).tools)
    except ValidationError as error:
        raise _refused(f"{reference!r}: {error}") from error


def _sourced(tool: AnyTool, reference: str) -> AnyTool:
    """Return a copy of a tool whose spec says by which reference it was loaded."""
    sourced = copy(adapt(tool))
    sourced.spec = sourced.spec.model_copy(update={"source": reference})
    return sourced


def imported(name: str, *, field: str) -> ModuleType:
    """Import a module that a person names, from the current directory too.

    Args:
        name: its dotted name.
        field: what it was named by, for the error.

    Raises:
        ConfigurationError: there is no such module, or its import fails.
    """
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise _refused(
            f"{name!r} is no module: write package.module or package.module:attribute", field
        )
    here = os.getcwd()
    if here not in sys.path and name.partition(".")[0] != _PACKAGE:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise _refused(f"there is no module {name!r}, here or installed", field) from error
        raise _not_importable(name, error, field) from error
    except (Exception, SystemExit) as error:  # importing runs whatever stands in the module
        raise _not_importable(name, error, field) from error


def _not_importable(name: str, error: BaseException, field: str) -> ConfigurationError:
    why = f"{type(error).__name__}: {first_line(error)}"
    return _refused(f"module {name!r} does not import: {why}", field)


def attribute_of(module: ModuleType, name: str, *, field: str) -> object:
    """Return what stands in a module under a name, which may have dots.

    Raises:
        ConfigurationError: nothing does.
    """
    try:
        found: object = attrgetter(name)(module)
    except AttributeError as error:
        raise _refused(f"module {module.__name__!r} has no {name!r}", field) from error
    return found


def _usual(module: ModuleType) -> object:
    for name in _USUAL_NAMES:
        found = getattr(module, name, None)
        if found is not None and not isinstance(found, ModuleType):
            return found
    decorated = [value for value in vars(module).values() if isinstance(value, FunctionTool)]
    return list(dict.fromkeys(decorated))


def _as_tools(found: object) -> tuple[AnyTool, ...]:
    if isinstance(found, Toolbox):
        return found.tools
    if isinstance(found, Iterable) and not isinstance(found, str | bytes | dict):
        return tuple(found)
    return (found,)  # type: ignore[return-value]  # the toolbox says so where it is none


def _refused(message: str, field: str = "tools") -> ConfigurationError:
    return ConfigurationError(message, field=field)

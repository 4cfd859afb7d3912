"""An object with `name`, `description`, `parameters` and `execute` as a tool."""

import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.tools.arguments import joined
from messagedb_agent.tools.function_tool import FunctionTool
from messagedb_agent.tools.reconciling import Reconcile
from messagedb_agent.tools.running import failure_text, in_thread
from messagedb_agent.tools.schema import faults, validator_of
from messagedb_agent.tools.spec import make_spec
from messagedb_agent.tools.tool import Bound, ToolContext

_Bind = Callable[[Mapping[str, Any], ToolContext], Callable[[], Any]]

_FORMS = "execute(arguments, context), execute(arguments) or execute(**arguments)"


@runtime_checkable
class AnyTool(Protocol):
    """What a toolbox takes: a `Tool`, or an object that takes its arguments in another way.

    `description`, `parameters`, `needs_approval`, `effect`, `timeout_s`, `reconcile` and
    `transactional` are used where they are there.
    """

    @property
    def name(self) -> str: ...
    @property
    def execute(self) -> Callable[..., Any]: ...


class ObjectTool:
    """Runs an object's `execute`, whichever way it takes its arguments.

    Arguments are checked against the object's JSON Schema, without ever fetching what the schema
    refers to.

    Attributes:
        tool: the object.
        name: its name.
        spec: what is offered to the model and recorded.
    """

    def __init__(self, tool: AnyTool, parameters: Mapping[str, Any]) -> None:
        self.tool = tool
        self.name = tool.name
        self.spec = make_spec(
            name=tool.name,
            description=getattr(tool, "description", ""),
            parameters=parameters,
            needs_approval=getattr(tool, "needs_approval", False),
            effect=getattr(tool, "effect", None),
            timeout_s=getattr(tool, "timeout_s", None),
            reconcile=getattr(tool, "reconcile", None),
            transactional=getattr(tool, "transactional", False),
        )
        execute = tool.execute
        self._is_async = inspect.iscoroutinefunction(execute)
        self.reconcile: Reconcile | None = getattr(tool, "reconcile", None)
        self.transactional: bool = getattr(tool, "transactional", False)
        if self.transactional and not self._is_async:
            raise ValidationError(
                f"tool {self.spec.name!r}: execute of a transactional tool must be a coroutine"
                " function, as its connection is asynchronous",
                field="transactional",
            )
        self._bind = _binding(execute, self.spec.name, frozenset(parameters.get("properties", ())))

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Do nothing if the schema allows these arguments.

        Raises:
            ToolError: it does not, or cannot be used itself.
        """
        try:
            found = faults(self._validator, dict(arguments))
        except Exception as error:  # the schema is somebody else's, and may be no schema at all
            raise ToolError(f"the tool's schema cannot be used: {failure_text(error)}") from error
        if found:
            raise ToolError(joined(found))

    def bind(self, arguments: Mapping[str, Any]) -> Bound:
        """Return the call that these arguments make.

        Raises:
            ToolError: the schema refuses the arguments, or cannot be used itself.
        """
        self.check(arguments)
        return functools.partial(self.execute, arguments)

    async def execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Call the object's `execute`: a coroutine in this task, any other in a thread."""
        called = self._bind(arguments, context)
        if self._is_async:
            awaited: Awaitable[Any] = called()
            return await awaited
        result = await in_thread(called, name=f"tool-{self.spec.name}")
        return await result if inspect.isawaitable(result) else result

    @functools.cached_property
    def _validator(self) -> Any:
        return validator_of(json.loads(self.spec.parameters_schema))


def adapt(tool: object) -> FunctionTool[..., Any] | ObjectTool:
    """Return `tool` as something that checks and runs calls.

    An object without `parameters` gets them from the signature of its `execute`.

    Raises:
        ValidationError: it is no tool; the text says what is missing.
    """
    if isinstance(tool, FunctionTool | ObjectTool):
        return tool
    if inspect.isfunction(tool) or inspect.ismethod(tool):
        raise ValidationError(f"{tool.__name__!r} is a plain function: use @tool", field="tools")
    if isinstance(tool, type):
        raise ValidationError(f"{tool.__name__!r} is a class: give an instance", field="tools")
    what = f"an object of class {type(tool).__name__!r}"
    if not isinstance(tool, AnyTool):
        raise ValidationError(f"{what} is no tool: it needs name and execute", field="tools")
    parameters = getattr(tool, "parameters", None)
    if parameters is None:
        return FunctionTool(
            tool.execute,
            name=tool.name,
            description=getattr(tool, "description", None),
            needs_approval=getattr(tool, "needs_approval", False),
            effect=getattr(tool, "effect", None),
            timeout_s=getattr(tool, "timeout_s", None),
            reconcile=getattr(tool, "reconcile", None),
            transactional=getattr(tool, "transactional", False),
        )
    if not isinstance(parameters, Mapping):
        raise ValidationError(f"{what}: its parameters are no mapping", field="parameters")
    return ObjectTool(tool, parameters)


def _binding(execute: Callable[..., Any], name: str, properties: frozenset[str]) -> _Bind:
    """Return how to call `execute` with arguments and context, by what it is able to take."""
    taken = list(inspect.signature(execute).parameters.values())
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken):
        named = [parameter.name for parameter in taken if _is_context(parameter, properties)]
        return lambda arguments, context: functools.partial(
            execute, **{**arguments, **dict.fromkeys(named, context)}
        )
    own = [parameter for parameter in taken if not _is_context(parameter, properties)]
    contexts = [parameter.name for parameter in taken if _is_context(parameter, properties)]
    required = [parameter for parameter in own if parameter.default is inspect.Parameter.empty]
    names = [parameter.name for parameter in own]
    if set(names) <= properties and not (contexts and names == ["arguments"]):
        return lambda arguments, context: functools.partial(
            execute, **{**arguments, **dict.fromkeys(contexts, context)}
        )
    if own and len(required) <= 1 and _by_position(own[0]):
        return lambda arguments, context: functools.partial(
            execute, arguments, **dict.fromkeys(contexts, context)
        )
    if not contexts and len(required) == 2 and all(map(_by_position, required)):
        return lambda arguments, context: functools.partial(execute, arguments, context)
    raise ValidationError(f"tool {name!r}: execute must be {_FORMS}", field="execute")


def _is_context(parameter: inspect.Parameter, properties: frozenset[str]) -> bool:
    if parameter.annotation in (ToolContext, "ToolContext"):
        return True
    return parameter.name == "context" and "context" not in properties


def _by_position(parameter: inspect.Parameter) -> bool:
    return parameter.kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )

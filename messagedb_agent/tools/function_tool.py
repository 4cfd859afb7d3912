"""`@tool`: a typed function as a tool."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

import pydantic

from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.tools.arguments import complaint
from messagedb_agent.tools.reconciling import Reconcile
from messagedb_agent.tools.running import failure_text, in_thread
from messagedb_agent.tools.signature import read_docs, read_signature
from messagedb_agent.tools.spec import make_spec
from messagedb_agent.tools.tool import Bound, ToolContext

P = ParamSpec("P")
R = TypeVar("R")


class FunctionTool(Generic[P, R]):
    """A function that a model may call; calling it as the function it is still works.

    Arguments are validated by pydantic's strict rules for JSON: text is not taken for a number,
    dates and enums are read from text. An argument that is not given is not passed, so that the
    function's own default holds.

    Attributes:
        spec: what is offered to the model and recorded.

    Raises:
        ValidationError: the function cannot be a tool, or a property is not what it must be.
    """

    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[P, R],
        *,
        description: str | None = None,
        name: str | None = None,
        needs_approval: bool = False,
        effect: EffectPolicy | None = None,
        timeout_s: float | None = None,
        reconcile: Reconcile | None = None,
        transactional: bool = False,
    ) -> None:
        if not (inspect.isfunction(function) or inspect.ismethod(function)):
            raise ValidationError(f"a tool is made of a function, not {function!r}", field="tool")
        self.name = function.__name__ if name is None else name
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ValidationError(
                f"tool {self.name!r}: a generator gives no single result", field=self.name
            )
        docs = read_docs(function)
        self.description = docs.summary if description is None else description
        self.needs_approval = needs_approval
        self.timeout_s = timeout_s
        self.reconcile = reconcile
        self.transactional = transactional
        self.__wrapped__: Callable[P, R] = function
        self._is_async = inspect.iscoroutinefunction(function)
        self._signature = read_signature(function, docs, name=self.name)
        self._names = {key: str(f.alias) for key, f in self._signature.model.model_fields.items()}
        self.parameters = self._signature.parameters
        self.spec = make_spec(
            name=self.name,
            description=self.description,
            parameters=self.parameters,
            needs_approval=needs_approval,
            effect=effect,
            timeout_s=timeout_s,
            reconcile=reconcile,
            transactional=transactional,
        )
        self.effect: EffectPolicy = self.spec.effect
        if transactional:
            _check_transactional(function, self.name, self._signature.contexts)
        functools.update_wrapper(self, function, updated=())

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, nothing checked."""
        return self.__wrapped__(*args, **kwargs)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Do nothing if the function takes these arguments.

        Raises:
            ToolError: it does not; the text says which argument and why.
        """
        self._bound(arguments)

    def bind(self, arguments: Mapping[str, Any]) -> Bound:
        """Return the call that these arguments make: a coroutine, any other function in a thread.

        Raises:
            ToolError: the arguments are refused.
        """
        values = self._bound(arguments)

        async def call(context: ToolContext) -> Any:
            given = values | dict.fromkeys(self._signature.contexts, context)
            if self._is_async:
                return await self.__wrapped__(**given)  # type: ignore[call-arg, misc]  # P is gone
            called = functools.partial(self.__wrapped__, **given)
            result = await in_thread(called, name=f"tool-{self.name}")
            return await result if inspect.isawaitable(result) else result

        return call

    async def execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        """Call the function with arguments as a model gives them.

        Raises:
            ToolError: the arguments are refused.
        """
        return await self.bind(arguments)(context)

    def _bound(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        model = self._signature.model
        try:
            read = model.model_validate_json(json.dumps(dict(arguments)), strict=True)
        except pydantic.ValidationError as error:
            raise ToolError(complaint(error)) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a validator of the tool's own may raise anything
            raise ToolError(failure_text(error)) from error
        given = read.model_fields_set
        return {name: getattr(read, key) for key, name in self._names.items() if key in given}


@overload
def tool(function: Callable[P, R], /) -> FunctionTool[P, R]: ...
@overload
def tool(
    *,
    description: str | None = None,
    name: str | None = None,
    needs_approval: bool = False,
    effect: EffectPolicy | None = None,
    timeout_s: float | None = None,
    reconcile: Reconcile | None = None,
    transactional: bool = False,
) -> Callable[[Callable[P, R]], FunctionTool[P, R]]: ...
def tool(
    function: Callable[P, R] | None = None,
    /,
    *,
    description: str | None = None,
    name: str | None = None,
    needs_approval: bool = False,
    effect: EffectPolicy | None = None,
    timeout_s: float | None = None,
    reconcile: Reconcile | None = None,
    transactional: bool = False,
) -> FunctionTool[P, R] | Callable[[Callable[P, R]], FunctionTool[P, R]]:
    """Make a tool of a typed function, synchronous or not; with or without parentheses.

    The schema comes from the signature; descriptions of parameters from `Annotated[..., Field()]`
    or the docstring's `Args:` section. A parameter annotated `ToolContext` is filled in and not
    shown to the model. A synchronous function runs in a thread of its own. A thread cannot be
    stopped: after a timeout or a cancellation it runs on, and what it returns is dropped.

    Args:
        function: the function.
        description: for the model; the docstring's first paragraph where it is None.
        name: 1 to 64 letters, digits, `_` or `-`; the function's name where it is None.
        needs_approval: whether a person must allow each call.
        effect: what to do with a call whose worker died: run it again (`retry`: harmless;
            `keyed`: the target honours `ToolContext.idempotency_key`), ask `reconcile` what became
            of it (`check`), or record its outcome as *unknown* (`never`, where it is None). See
            `Tool`.
        timeout_s: seconds that one call may take; None for no bound. A call that ran out of time
            may have taken effect: its outcome is unknown, unless `effect` is `retry`.
        reconcile: for `check`: is given a call's idempotency key and returns a `Reconciled`. It
            may be a coroutine function, and has 30 s.
        transactional: whether a coroutine function writes to the log's own database, on
            `ToolContext.connection`, in the transaction that its result is appended in. Recorded
            as `retry`; an engine whose store has no transactions refuses it.

    Raises:
        ValidationError: the function cannot be a tool; the text names the parameter.
    """

    def decorate(decorated: Callable[P, R]) -> FunctionTool[P, R]:
        return FunctionTool(
            decorated,
            description=description,
            name=name,
            needs_approval=needs_approval,
            effect=effect,
            timeout_s=timeout_s,
            reconcile=reconcile,
            transactional=transactional,
        )

    return decorate if function is None else decorate(function)


def _check_transactional(
    function: Callable[..., Any], name: str, contexts: tuple[str, ...]
) -> None:
    if not inspect.iscoroutinefunction(function):
        why = "must be a coroutine function, as its connection is asynchronous"
    elif not contexts:
        why = "has no parameter of type ToolContext, which brings its connection"
    else:
        return
    raise ValidationError(f"tool {name!r}: a transactional tool {why}", field="transactional")

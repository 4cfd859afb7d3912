"""What may be other for one turn alone: how its model is asked, and how many rounds it may have."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast

import pydantic

from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import Definition, Limits, ModelParameters

V = TypeVar("V", ModelParameters, Limits)
Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])

_OPTIONS = {"timeout_ms": "timeout", "rounds_per_turn": "max_tool_rounds"}
"""What callers call a recorded field that has another name."""


_LONGEST_S = 1e9  # what milliseconds still count


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """Settings of one turn; None leaves what is recorded.

    Attributes:
        temperature: decimal number, usually 0 to 2.
        max_tokens: most tokens of one answer.
        top_p: decimal number, 0 to 1.
        max_retries: most attempts of a model call after the first.
        timeout: most seconds that one attempt may take.
        max_tool_rounds: most rounds of tool calls.
    """

    temperature: float | Decimal | None = None
    max_tokens: int | None = None
    top_p: float | Decimal | None = None
    max_retries: int | None = None
    timeout: float | None = None
    max_tool_rounds: int | None = None

    @property
    def are_given(self) -> bool:
        """Whether any is other than recorded."""
        return self != NO_OPTIONS

    def checked(self) -> "TurnOptions":
        """Return them if they can be meant.

        Raises:
            ValidationError: one is wrong; `field` is its name.
        """
        if self.are_given:
            _with(ModelParameters(), self._parameters)
            _with(Limits(), self._limits)
        return self

    def applied(self, definition: Definition) -> Definition:
        """Return an agent as it is in the turn.

        Args:
            definition: the agent as it is recorded.
        """
        return definition.model_copy(
            update={
                "parameters": _with(definition.parameters, self._parameters),
                "limits": _with(definition.limits, self._limits),
            }
        )

    @property
    def _parameters(self) -> Mapping[str, Any]:
        return {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "top_p": self.top_p,
            "max_retries": self.max_retries,
            "timeout_ms": None if self.timeout is None else _milliseconds(self.timeout),
        }

    @property
    def _limits(self) -> Mapping[str, Any]:
        return {"rounds_per_turn": self.max_tool_rounds}


NO_OPTIONS = TurnOptions()
"""All as it is recorded."""


def recorded_first(*names: str) -> Callable[[Method], Method]:
    """Have options of a method that its caller leaves out be None: as recorded.

    Their defaults in its signature are what is in force where nothing else is recorded, and so
    override nothing; one that is given does, also where it equals its default.

    Args:
        names: the options, all by keyword alone.
    """

    def made(method: Method) -> Method:
        @wraps(method)
        async def called(*args: Any, **given: Any) -> Any:
            return await method(*args, **{**dict.fromkeys(names), **given})

        return cast("Method", called)  # what it takes and gives is the method's

    return made


def _with(value: V, given: Mapping[str, Any]) -> V:
    fields = {name: v for name, v in given.items() if v is not None}
    try:
        return type(value)(**{**dict(value), **fields})
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        name = _OPTIONS.get(name, name)
        raise ValidationError(f"{name}: {first['msg']}", field=name) from error


def _milliseconds(seconds: object) -> int:
    if (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0.001 <= seconds <= _LONGEST_S
    ):
        return round(seconds * 1000)
    raise ValidationError("timeout: it is no number of seconds above 0", field="timeout")

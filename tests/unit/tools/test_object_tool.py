"""Objects as tools: whichever way `execute` takes its arguments, decided once, when it is given."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.tools.function_tool import FunctionTool
from messagedb_agent.tools.object_tool import ObjectTool, adapt
from messagedb_agent.tools.tool import ToolContext

CONTEXT = ToolContext(thread_id="t", call_id="c", attempt=2, idempotency_key="k")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
ARGUMENTS = {"city": "Paris", "days": 2}


class Base:
    name = "weather"
    description = "Tell the weather."
    parameters: ClassVar[Any] = SCHEMA


class Protocol(Base):
    async def execute(self, arguments: Mapping[str, Any], context: ToolContext) -> Any:
        return [dict(arguments), context.attempt]


class OtherNames(Base):
    async def execute(self, args: dict[str, Any], ctx: "ToolContext") -> Any:
        return [dict(args), ctx.attempt]


class Unannotated(Base):
    async def execute(self, a, b):  # type: ignore[no-untyped-def]  # what is tested
        return [dict(a), b.attempt]


class ByKeywordWithContext(Base):
    async def execute(self, city: str, context: ToolContext, days: int = 1) -> Any:
        return [{"city": city, "days": days}, context.attempt]


class AnyKeywordWithContext(Base):
    def execute(self, context: ToolContext, **arguments: Any) -> Any:
        return [arguments, context.attempt]


class ArgumentsAlone(Base):
    async def execute(self, arguments: dict[str, Any]) -> Any:
        return [dict(arguments), 2]


class Synchronous(Base):
    def execute(self, arguments: dict[str, Any]) -> Any:
        return [dict(arguments), 2]


class ByKeyword(Base):
    async def execute(self, city: str, days: int = 1) -> Any:
        return [{"city": city, "days": days}, 2]


class AnyKeyword(Base):
    async def execute(self, **arguments: Any) -> Any:
        return [arguments, 2]


class WithOption(Base):
    async def execute(self, arguments: dict[str, Any], verbose: bool = False) -> Any:
        return [dict(arguments), 2]


@pytest.mark.parametrize(
    "form",
    [
        Protocol,
        OtherNames,
        Unannotated,
        ByKeywordWithContext,
        AnyKeywordWithContext,
        ArgumentsAlone,
        Synchronous,
        ByKeyword,
        AnyKeyword,
        WithOption,
    ],
)
async def test_execute_is_called_the_way_it_is_written(form: type[Any]) -> None:
    assert await adapt(form()).execute(ARGUMENTS, CONTEXT) == [ARGUMENTS, 2]


async def test_arguments_called_context_and_arguments_are_arguments_where_declared() -> None:
    class Shell(Base):
        parameters: ClassVar[Any] = {
            "type": "object",
            "properties": {"arguments": {"type": "string"}, "context": {"type": "string"}},
        }

        async def execute(self, arguments: str, context: str) -> str:
            return f"{arguments} in {context}"

    given = {"arguments": "ls", "context": "here"}
    assert await adapt(Shell()).execute(given, CONTEXT) == "ls in here"


async def test_execute_without_parameters_is_called_without() -> None:
    class Ping(Base):
        parameters: ClassVar[Any] = {}

        async def execute(self) -> str:
            return "pong"

    ping = adapt(Ping())
    assert await ping.execute({}, CONTEXT) == "pong"
    assert ping.spec.parameters_schema == '{"properties":{},"type":"object"}'


async def test_an_object_without_a_schema_gets_it_from_its_signature() -> None:
    class Add:
        name = "sum"
        description = "Add."
        needs_approval = True

        async def execute(self, a: int, b: int = 1) -> int:
            return a + b

    add = adapt(Add())
    assert isinstance(add, FunctionTool)
    assert (add.spec.name, add.spec.description, add.spec.needs_approval) == ("sum", "Add.", True)
    assert add.parameters["required"] == ["a"]
    assert await add.execute({"a": 1}, CONTEXT) == 2


def test_rules_of_an_object_are_taken_over() -> None:
    class Careful(Protocol):
        needs_approval = True
        effect = "keyed"
        timeout_s = 2

    spec = adapt(Careful()).spec
    assert (spec.needs_approval, spec.effect, spec.timeout_ms) == (True, "keyed", 2000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "'city' is a required property"),
        ({"city": 5}, "city: 5 is not of type 'string'"),
        ({"city": "x", "days": 0}, "days: 0 is less than the minimum of 1"),
        ({"city": "x", "extra": 1}, "Additional properties are not allowed"),
    ],
)
def test_arguments_are_checked_against_the_schema(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        adapt(Protocol()).check(arguments)
    assert said in str(caught.value)


def test_a_refusal_is_short_however_long_the_arguments_are() -> None:
    with pytest.raises(ToolError) as caught:
        adapt(Protocol()).check({"city": ["x" * 1_000_000], "d" * 1_000_000: 1})
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
    ],
)
def test_a_schema_that_cannot_be_used_is_said_and_nothing_is_fetched(schema: Any) -> None:
    class Broken(Protocol):
        parameters = schema

    with pytest.raises(ToolError, match="the tool's schema cannot be used"):
        adapt(Broken()).check({"a": "x"})


class NoName:
    async def execute(self) -> None:
        pass


class NoExecute:
    name = "x"
    description = "x"
    parameters: ClassVar[Any] = SCHEMA


class Listed(Protocol):
    parameters: ClassVar[Any] = [1]


class ArrayOf(Protocol):
    parameters: ClassVar[Any] = {"type": "array"}


class Unwritable(Protocol):
    parameters: ClassVar[Any] = {"default": object()}


class TooMany(Base):
    async def execute(self, a: int, b: int, c: int) -> None:
        pass


class KeywordOnly(Base):
    async def execute(self, *, other: int) -> None:
        pass


class Numbered(Protocol):
    name: Any = 5


class Spaced(Protocol):
    name = "a b"


def plain() -> None:
    pass


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (NoName(), "needs name and execute"),
        (NoExecute(), "needs name and execute"),
        (5, "needs name and execute"),
        (None, "needs name and execute"),
        (Listed(), "parameters are no mapping"),
        (ArrayOf(), "must be the schema of a JSON object"),
        (Unwritable(), "parameters is no JSON"),
        (TooMany(), "execute must be"),
        (KeywordOnly(), "execute must be"),
        (Numbered(), "5 is no name for a tool"),
        (Spaced(), "'a b' is no name for a tool"),
        (Protocol, "'Protocol' is a class: give an instance"),
        (plain, "'plain' is a plain function: use @tool"),
    ],
)
def test_what_is_no_tool_is_refused_with_the_reason(thing: object, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        adapt(thing)
    assert reason in str(caught.value)


def test_an_object_with_a_schema_stays_an_object() -> None:
    assert isinstance(adapt(Protocol()), ObjectTool)

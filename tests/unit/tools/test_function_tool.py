"""`@tool`: the schema is what the signature and the docstring say, and calls follow it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import AfterValidator, BaseModel, Field

from messagedb_agent.errors import ToolError, ValidationError
from messagedb_agent.tools.function_tool import FunctionTool, tool
from messagedb_agent.tools.tool import Tool, ToolContext

CONTEXT = ToolContext(thread_id="t", call_id="c", attempt=2, idempotency_key="k")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    x: int
    y: float = 0.5


@dataclass
class Size:
    width: int


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers,
    whatever their sign.

    Not told to the model.

    Args:
        a: the first,
            which is needed
        b (int): the second: it has a default

    Returns:
        c: the sum
    """
    return a + b


def schema(made: FunctionTool[..., Any]) -> dict[str, Any]:
    return dict(json.loads(made.spec.parameters_schema))


async def run(made: FunctionTool[..., Any], **arguments: Any) -> Any:
    return await made.execute(arguments, CONTEXT)


def test_the_schema_comes_from_the_signature_and_the_docstring() -> None:
    assert add.name == "add"
    assert add.description == "Add two numbers, whatever their sign."
    assert schema(add) == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "a": {"type": "integer", "description": "the first, which is needed"},
            "b": {
                "type": "integer",
                "description": "the second: it has a default",
                "default": 2,
            },
        },
        "required": ["a"],
    }


def test_a_decorated_function_is_still_the_function() -> None:
    assert add(1) == 3
    assert add(a=1, b=1) == 2
    assert add.__name__ == "add"
    assert add.__wrapped__(1, 1) == 2
    assert (add.__doc__ or "").startswith("Add two numbers")


def test_it_is_a_tool_to_the_type_checker_and_at_run_time() -> None:
    as_tool: Tool = add
    assert (as_tool.name, as_tool.parameters["required"]) == ("add", ["a"])


def test_parentheses_give_name_description_and_rules() -> None:
    @tool(
        name="erase-all",
        description="Erase everything.",
        needs_approval=True,
        effect="keyed",
        timeout_s=0.5,
    )
    def erase(what: str) -> str:
        """Not this."""
        return what

    spec = erase.spec
    assert (spec.name, spec.description) == ("erase-all", "Erase everything.")
    assert (spec.needs_approval, spec.effect, spec.timeout_ms) == (True, "keyed", 500)
    assert erase("x") == "x"


def test_what_is_not_declared_is_careful() -> None:
    spec = add.spec
    assert (spec.needs_approval, spec.effect, spec.timeout_ms) == (False, "never", None)


@tool
async def everything(
    colour: Colour,
    point: Point,
    maybe: Optional[int],  # noqa: UP045 - the older way of writing must work too
    words: list[str],
    size: Size,
    kind: Literal["a", "b"],
    day: date,
    amount: Decimal,
    pair: tuple[int, str],
    table: dict[str, list[int]],
    count: Annotated[int, Field(ge=1, description="at least one")],
    either: int | str,
    schema: bool = False,
    _hidden: float = 1.0,
    model_config: str = "mine",
) -> list[Any]:
    """Take all there is.

    Args:
        count: not this, the annotation is nearer
    """
    return [colour, point, maybe, words, size, kind, day, amount, pair, table, count, either]


async def test_arguments_arrive_as_the_types_that_are_annotated() -> None:
    result = await run(
        everything,
        colour="blue",
        point={"x": 1},
        maybe=None,
        words=["a"],
        size={"width": 3},
        kind="b",
        day="2026-01-02",
        amount="0.10",
        pair=[1, "x"],
        table={"k": [1]},
        count=1,
        either="5",
    )
    assert result == [
        Colour.BLUE,
        Point(x=1),
        None,
        ["a"],
        Size(3),
        "b",
        date(2026, 1, 2),
        Decimal("0.10"),
        (1, "x"),
        {"k": [1]},
        1,
        "5",
    ]


def test_parameters_may_have_any_name_and_titles_are_left_out() -> None:
    properties = schema(everything)["properties"]
    assert properties["schema"] == {"type": "boolean", "default": False}
    assert properties["_hidden"] == {"type": "number", "default": 1.0}
    assert properties["model_config"] == {"type": "string", "default": "mine"}
    assert properties["count"] == {"type": "integer", "minimum": 1, "description": "at least one"}
    assert all("title" not in entry for entry in properties.values())


@pytest.mark.parametrize(
    ("arguments", "faults"),
    [
        ({}, ["a: is missing"]),
        ({"a": "1"}, ["a: Input should be a valid integer"]),
        ({"a": True}, ["a: Input should be a valid integer"]),
        ({"a": 1.5}, ["a: Input should be a valid integer"]),
        ({"a": None}, ["a: Input should be a valid integer"]),
        ({"a": 1, "c": 1}, ["c: there is no such argument"]),
        ({"a": 1, "p0": 1}, ["p0: there is no such argument"]),
        ({"b": "x", "c": 1}, ["a: is missing", "b: Input should", "c: there is no such argument"]),
    ],
)
async def test_wrong_arguments_are_refused_by_name(
    arguments: dict[str, Any], faults: list[str]
) -> None:
    with pytest.raises(ToolError) as caught:
        add.check(arguments)
    with pytest.raises(ToolError):
        await run(add, **arguments)
    said = str(caught.value)
    assert all(fault in said for fault in faults), said
    assert "http" not in said


def test_faults_inside_an_argument_name_the_place() -> None:
    with pytest.raises(ToolError, match=r"point\.x: Input should be a valid integer"):
        everything.check({"point": {"x": "one"}})


async def test_the_context_is_given_and_never_asked_for() -> None:
    @tool
    def attempt(word: str, context: ToolContext) -> str:
        return f"{word} {context.attempt}"

    @tool
    async def late(ctx: ToolContext | None = None) -> int:
        return 0 if ctx is None else ctx.attempt

    assert list(schema(attempt)["properties"]) == ["word"]
    assert schema(late)["properties"] == {}
    assert await run(attempt, word="try") == "try 2"
    assert await run(late) == 2
    assert await late() == 0
    with pytest.raises(ToolError, match="context: there is no such argument"):
        attempt.check({"word": "try", "context": {}})


async def test_an_argument_that_is_not_given_is_not_passed() -> None:
    unique = object()

    @tool
    def default(value: Any = unique, words: list[str] = []) -> bool:  # noqa: B006 - as users write
        return value is unique

    assert await run(default) is True
    assert await run(default, value=None) is False
    assert schema(default)["properties"] == {
        "value": {},
        "words": {"type": "array", "items": {"type": "string"}, "default": []},
    }


async def test_methods_and_functions_that_return_coroutines_are_tools() -> None:
    class Shop:
        async def price(self, item: str) -> str:
            """Tell a price."""
            return f"{item}: 5"

        def later(self, item: str) -> Any:
            return self.price(item)

    assert await run(tool(Shop().price), item="tea") == "tea: 5"
    assert await run(tool(Shop().later), item="tea") == "tea: 5"
    assert tool(Shop().price).description == "Tell a price."


def untyped(a, b: int) -> None:  # type: ignore[no-untyped-def]  # what is tested
    pass


def any_number(*items: int) -> None:
    pass


def any_name(**items: int) -> None:
    pass


def by_position(a: int, /) -> None:
    pass


def callback(act: Callable[[], None]) -> None:
    pass


class Opaque:
    pass


def class_typed(ok: int, thing: Opaque) -> None:
    pass


def field_default(a: int = Field(5, ge=1)) -> None:
    pass


def constrained(a: Annotated[str, Field(pattern="(")]) -> None:
    pass


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (untyped, "'untyped': parameter 'a' has no type annotation"),
        (any_number, "parameter 'items' takes any number"),
        (any_name, "parameter 'items' takes arguments of any name"),
        (by_position, "parameter 'a' is positional only"),
        (callback, "parameter 'act' has a type that JSON cannot carry"),
        (class_typed, "parameter 'thing' has a type that JSON cannot carry"),
        (field_default, "parameter 'a' has a Field as its default"),
        (constrained, "parameter 'a' has a type that JSON cannot carry"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_by_parameter(
    function: Callable[..., Any], reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        tool(function)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_annotation_that_names_nothing_is_refused() -> None:
    def lost(a: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - what is tested
        pass

    with pytest.raises(ValidationError, match="annotation cannot be resolved"):
        tool(lost)


def test_generators_classes_and_lambdas_are_no_tools() -> None:
    def generator() -> Iterator[int]:
        yield 1

    async def asynchronous() -> AsyncIterator[int]:
        yield 1

    for function in (generator, asynchronous):
        with pytest.raises(ValidationError, match="a generator gives no single result"):
            tool(function)
    with pytest.raises(ValidationError, match="made of a function"):
        tool(Point)
    with pytest.raises(ValidationError, match="'<lambda>' is no name for a tool"):
        tool(lambda: 1)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "\N{SNOWMAN}"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"timeout_s": "5"}, "timeout_s"),
        ({"effect": "always"}, "effect"),
        ({"needs_approval": 1}, "needs_approval"),
        ({"description": 5}, "description"),
    ],
)
def test_rules_that_are_none_are_refused_by_name(rules: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        tool(**rules)(add.__wrapped__)
    assert caught.value.field == field


class Unprintable(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("broken")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("broken"), "RuntimeError: broken"),
        (Unprintable(), "RuntimeError: broken"),
        (SystemExit(1), "SystemExit: 1"),
        (GeneratorExit(), "GeneratorExit"),
    ],
)
def test_a_validator_that_breaks_is_a_refusal(error: BaseException, message: str) -> None:
    def breaks(value: int) -> int:
        raise error

    @tool
    def strange(a: Annotated[int, AfterValidator(breaks)]) -> int:
        return a

    with pytest.raises(ToolError) as caught:
        strange.check({"a": 1})
    assert str(caught.value) == message

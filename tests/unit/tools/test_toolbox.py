"""A toolbox: names are unique, specs are the same text each time, calls are checked before run."""

import subprocess
import sys
from typing import Any, ClassVar

import pytest

from messagedb_agent.errors import ValidationError
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.tool import Problem, ToolContext, ToolFailure, ToolResult
from messagedb_agent.tools.toolbox import MAX_OUTPUT_CHARS, Toolbox

CONTEXT = ToolContext(thread_id="t", call_id="c", attempt=1, idempotency_key="k")


@tool
async def greet(name: str = "you") -> str:
    """Greet."""
    return f"Hello {name}"


@tool
async def double(number: int) -> int:
    return 2 * number


class Greeter:
    name = "greet"
    description = ""
    parameters: ClassVar[Any] = {}

    async def execute(self, arguments: Any) -> str:
        return ""


def test_two_tools_of_one_name_are_refused_and_both_are_named() -> None:
    with pytest.raises(ValidationError) as caught:
        Toolbox(greet, double, Greeter())
    said = str(caught.value)
    assert "two tools are called 'greet'" in said
    assert ".greet and " in said
    assert said.endswith(".Greeter")
    assert caught.value.field == "tools"


def test_tools_stand_in_the_order_given_and_specs_are_compact_and_sorted() -> None:
    first, second = Toolbox(greet, double).specs()
    assert (first.name, second.name) == ("greet", "double")
    assert first.parameters_schema == (
        '{"additionalProperties":false,'
        '"properties":{"name":{"default":"you","type":"string"}},"type":"object"}'
    )
    assert Toolbox(double, greet).specs() == (second, first)
    assert Toolbox().specs() == ()


@pytest.mark.parametrize(
    ("name", "arguments", "problem"),
    [
        ("greet", "", None),
        ("greet", "{}", None),
        ("greet", '{"name": "x"}', None),
        (
            "grete",
            "{}",
            Problem("unknown_tool", "there is no tool 'grete'; there are: greet, double"),
        ),
        ("double", "", Problem("bad_arguments", "number: is missing")),
        (
            "double",
            "[1]",
            Problem("bad_arguments", "the arguments must be a JSON object, not an array"),
        ),
        (
            "double",
            '{"number": "1"}',
            Problem("bad_arguments", "number: Input should be a valid integer"),
        ),
    ],
)
async def test_a_call_that_cannot_run_is_a_problem_and_is_not_run(
    name: str, arguments: str, problem: Problem | None
) -> None:
    box = Toolbox(greet, double)
    assert box.problem(name, arguments) == problem
    if problem is not None:
        ran = await box.run(name, arguments, CONTEXT)
        assert ran == ToolFailure(problem.kind, problem.message)


def test_an_unknown_name_is_bounded_in_what_is_said() -> None:
    problem = Toolbox(
        *(tool(name=f"{'n' * 50}_{i}")(greet.__wrapped__) for i in range(99))
    ).problem("x" * 1_000_000, "")
    assert problem is not None
    assert len(problem.message) <= 1_000
    assert Toolbox().problem("x", "") == Problem(
        "unknown_tool", "there is no tool 'x', and no other"
    )


async def test_a_call_runs_and_its_output_is_bounded() -> None:
    assert await Toolbox(double).run("double", '{"number": 21.0}', CONTEXT) == ToolResult("42")
    cut = await Toolbox(greet, max_output_chars=5).run("greet", "", CONTEXT)
    assert cut == ToolResult("Hello\n[cut here: 4 more characters were left out]")
    long = await Toolbox(greet).run("greet", '{"name": "' + "x" * MAX_OUTPUT_CHARS + '"}', CONTEXT)
    assert isinstance(long, ToolResult)
    assert long.text.endswith("[cut here: 6 more characters were left out]")


def test_a_bound_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_output_chars"):
        Toolbox(greet, max_output_chars=0)


def test_importing_it_brings_nothing_that_is_slow() -> None:
    code = (
        "import sys, messagedb_agent.tools.toolbox, messagedb_agent.tools.builtin;"
        "print({m.partition('.')[0] for m in sys.modules} & {'jsonschema', 'referencing', 'mcp',"
        " 'litellm'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

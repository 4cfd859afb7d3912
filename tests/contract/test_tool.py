"""What the engine may rely on, whichever form a tool has: one suite for all of them."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.tool import ToolContext, ToolFailure, ToolResult, Tools
from messagedb_agent.tools.toolbox import Toolbox

CONTEXT = ToolContext(thread_id="thread", call_id="call", attempt=3, idempotency_key="key")
PATIENT_S = 60.0
HASTY_S = 0.02

Make = Callable[[threading.Event, float], AnyTool]


def _answer(what: str, context: ToolContext) -> Any:
    match what:
        case "context":
            return {"thread": context.thread_id, "attempt": context.attempt}
        case "say":
            raise ToolError("this is why")
        case "raise":
            raise ValueError("no good")
        case "exit":
            raise SystemExit(1)
        case "unwritable":
            return object()
        case _:
            return what


def _function(release: threading.Event, bound_s: float) -> AnyTool:
    @tool(timeout_s=bound_s)
    def act(what: str, context: ToolContext) -> Any:
        if what == "hang":
            release.wait()
        return _answer(what, context)

    return act


def _coroutine(release: threading.Event, bound_s: float) -> AnyTool:
    @tool(timeout_s=bound_s)
    async def act(what: str, context: ToolContext) -> Any:
        if what == "hang":
            await asyncio.Event().wait()
        return _answer(what, context)

    return act


class _Object:
    name = "act"
    description = "Act."
    parameters: ClassVar[Any] = {
        "type": "object",
        "properties": {"what": {"type": "string"}},
        "required": ["what"],
        "additionalProperties": False,
    }

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s


def _object(release: threading.Event, bound_s: float) -> AnyTool:
    class Act(_Object):
        async def execute(self, arguments: Any, context: ToolContext) -> Any:
            if arguments["what"] == "hang":
                await asyncio.Event().wait()
            return _answer(arguments["what"], context)

    return Act(bound_s)


def _blocking_object(release: threading.Event, bound_s: float) -> AnyTool:
    class Act(_Object):
        def execute(self, what: str, context: ToolContext) -> Any:
            if what == "hang":
                release.wait()
            return _answer(what, context)

    return Act(bound_s)


@pytest.fixture(params=[_function, _coroutine, _object, _blocking_object])
def make(request: pytest.FixtureRequest) -> Make:
    form: Make = request.param
    return form


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the threads that a test left hanging."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def tools(make: Make, release: threading.Event) -> Tools:
    return Toolbox(make(release, PATIENT_S))


@pytest.fixture
def hasty_tools(make: Make, release: threading.Event) -> Tools:
    return Toolbox(make(release, HASTY_S))


async def test_text_comes_back_as_it_is(tools: Tools) -> None:
    assert await tools.run("act", '{"what": "caf\\u00e9"}', CONTEXT) == ToolResult("caf\u00e9")


async def test_the_context_of_the_call_is_given(tools: Tools) -> None:
    ran = await tools.run("act", '{"what": "context"}', CONTEXT)
    assert ran == ToolResult('{"thread": "thread", "attempt": 3}')


@pytest.mark.parametrize(
    ("what", "message"),
    [("say", "this is why"), ("raise", "ValueError: no good"), ("exit", "SystemExit: 1")],
)
async def test_what_it_raises_is_a_failure(tools: Tools, what: str, message: str) -> None:
    ran = await tools.run("act", f'{{"what": "{what}"}}', CONTEXT)
    assert ran == ToolFailure("raised", message)


async def test_a_result_that_json_cannot_hold_is_a_failure(tools: Tools) -> None:
    match await tools.run("act", '{"what": "unwritable"}', CONTEXT):
        case ToolFailure("raised", message):
            assert "type object that JSON cannot hold" in message
        case other:
            pytest.fail(f"{other}")


async def test_one_that_hangs_is_out_of_time(hasty_tools: Tools) -> None:
    ran = await hasty_tools.run("act", '{"what": "hang"}', CONTEXT)
    assert isinstance(ran, ToolFailure)
    assert ran.kind == "timed_out"


async def test_our_cancellation_is_raised(tools: Tools) -> None:
    task = asyncio.create_task(tools.run("act", '{"what": "hang"}', CONTEXT))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("arguments", ["", "{}", "[]", '{"what": 1}', '{"what": "a", "x": 1}', "{"])
async def test_arguments_that_the_schema_refuses_never_reach_it(
    tools: Tools, arguments: str
) -> None:
    problem = tools.problem("act", arguments)
    assert problem is not None
    assert problem.kind == "bad_arguments"
    ran = await tools.run("act", arguments, CONTEXT)
    assert ran == ToolFailure("bad_arguments", problem.message)


async def test_calls_run_side_by_side(tools: Tools) -> None:
    calls = (tools.run("act", f'{{"what": "{index}"}}', CONTEXT) for index in range(20))
    assert await asyncio.gather(*calls) == [ToolResult(str(index)) for index in range(20)]

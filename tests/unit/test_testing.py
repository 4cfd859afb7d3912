"""An agent is tested with public names alone, as the users of the package test theirs."""

import subprocess
import sys

import pytest

from messagedb_agent import MemoryStore, connect, testing, tool
from messagedb_agent.agents.progress import Progress
from messagedb_agent.errors import ModelError
from messagedb_agent.testing import (
    CallFailure,
    Delta,
    Reply,
    Request,
    RequestedCall,
    ScriptedModel,
    ToolAnswer,
    Usage,
    UserText,
    call,
    say,
)


@tool(effect="retry")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def test_an_agent_is_tested_with_a_script() -> None:
    model = ScriptedModel(call("add", a=42, b=7), "It is 49.")
    async with connect(MemoryStore(), models=model, tools=[add]) as engine:
        agent = await engine.start("What is 42 + 7?")
    assert agent.answer == "It is 49."
    first, second = model.requests
    assert [spec.name for spec in first.tools] == ["add"]
    assert list(first.messages) == [UserText("What is 42 + 7?")]
    result = second.messages[-1]
    assert isinstance(result, ToolAnswer)
    assert (result.name, result.text) == ("add", "49")


async def test_a_script_holds_texts_calls_replies_failures_and_functions() -> None:
    def in_capitals(request: Request) -> str:
        said = request.messages[-1]
        assert isinstance(said, UserText)
        return said.text.upper()

    model = ScriptedModel(
        say("I shall ask twice.", call("add", a=1, b=2), RequestedCall(None, "add", "no JSON")),
        Reply(model="m-1", text="done", finish_reason="stop", usage=Usage(input_tokens=9)),
        in_capitals,
        CallFailure("rate_limited", "come back later"),
    )
    async with connect(MemoryStore(), models=model, tools=[add]) as engine:
        agent = await (await engine.create_agent()).advance("add")
        assert agent.answer == "done"
        agent = await agent.advance("louder")
        assert agent.answer == "LOUDER"
        with pytest.raises(ModelError, match="come back later") as caught:
            await agent.advance("again")
    assert caught.value.kind == "rate_limited"
    assert caught.value.agent.status == "failed"


async def test_a_script_that_ends_too_early_fails_the_call_and_says_so() -> None:
    async with connect(MemoryStore(), models=ScriptedModel(), tools=()) as engine:
        with pytest.raises(ModelError, match="the script has 0 answers") as caught:
            await engine.start("anybody there?")
    assert caught.value.kind == "internal"


async def test_texts_of_a_script_are_streamed_to_whoever_listens() -> None:
    pieces: list[Delta] = []
    model = ScriptedModel("one two")
    async with connect(MemoryStore(), models=model, tools=()) as engine:
        await engine.start("hi", progress=Progress(on_delta=pieces.append))
    assert len(pieces) > 1
    assert "".join(piece.text for piece in pieces) == "one two"


def test_the_names_for_tests_are_sorted_and_there() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert [name for name in testing.__all__ if not hasattr(testing, name)] == []


def test_the_names_for_tests_load_no_database_and_no_provider() -> None:
    loaded = "import sys, messagedb_agent.testing; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"litellm", "psycopg", "mcp", "typer", "rich", "jsonschema"}
    assert heavy & set(done.stdout.split()) == set()

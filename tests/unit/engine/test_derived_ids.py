"""Every id that the specification derives stands in the stream as it says."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from messagedb_agent.agent.commands import ResolveOutcome
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.engine.saying import Saying
from messagedb_agent.errors import ModelError
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.request import CallFailure
from messagedb_agent.events.schema import Event
from messagedb_agent.llm.scripted import call
from messagedb_agent.tools.function_tool import tool
from tests.unit.engine.world import (
    Gate,
    WatchedStore,
    engine_on,
    events,
    journal_of,
    look,
    scripted,
    stream_of,
    under_way,
)

SECTION = (Path(__file__).parents[3] / "spec.md").read_text(encoding="utf-8")
SECTION = SECTION.split("\n## 2. Streams and ids\n")[1].split("\n## 3. ")[0]
MESSAGE_ID = "0190b0a0-0000-7000-8000-000000000001"
FORKING_ID = "0190b0a0-0000-7000-8000-000000000002"
KEYS = {"id of the `LlmCallStarted`": "llm_call_id", "call id": "call_id"}


def table() -> list[list[str]]:
    """Return the rows of the specification's table: message, scope, key, role."""
    lines = SECTION.split("| message | scope | key | role |\n")[1].splitlines()[1:]
    rows = [line for line in lines if line.strip().startswith("|")]
    return [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]


ROWS = table()
OUTCOMES = [
    (type, KEYS[key], role.strip("`"))
    for message, _, key, role in ROWS
    if key in KEYS
    for type in re.findall(r"`(\w+)`", message)
]


def derived(scope: str, key: str, role: str) -> str:
    """Return what the specification derives, by its own words."""
    digest = hashlib.sha256(f"{scope}\n{key}\n{role}".encode()).digest()
    digits = key.replace("-", "")[:12]
    head = bytes.fromhex(digits) if re.fullmatch("[0-9a-f]{12}", digits) else digest[26:32]
    number = int.from_bytes(head + digest[:10])
    number = number & ~(0xF << 76) | 0x8 << 76
    return str(UUID(int=number & ~(0b11 << 62) | 0b10 << 62))


@tool
async def stumble() -> str:
    """Stumble."""
    raise OSError("a step")


@tool(needs_approval=True)
async def burn() -> str:
    """Burn."""
    return "ash"


async def _everything() -> tuple[Engine, Agent]:
    """Return a thread in which every outcome came about that an engine writes by itself."""
    model = scripted(
        (call("look"), call("stumble"), call("conjure"), call("burn")),
        "denied, then",
        CallFailure("context_overflow", "too long"),
        "in short",
        "after all",
        CallFailure("refused", "no"),
    )
    engine = engine_on(WatchedStore(), model, look, stumble, burn)
    agent = await engine.start("go", message_id=MESSAGE_ID)
    agent = await agent.deny(agent.approvals[0].call_id)
    agent = await agent.advance("and now?")
    with suppress(ModelError):
        await agent.advance("and then?")
    return engine, await engine.latest(agent.thread_id)


async def _abandoned() -> tuple[Engine, Agent]:
    """Return a thread whose owners died in a model call and in a tool, resolved by a person."""
    gate, store = Gate(), WatchedStore()

    @tool
    async def pay() -> str:
        """Pay."""
        await gate.pass_through()
        return "paid"

    asked = Gate()
    model = scripted(asked.answer("never"), call("pay"), "I cannot know.")
    engine = engine_on(store, model, pay)
    async with under_way(engine.start("go")):
        await asked.entered.wait()
    async with under_way((await engine.latest("last")).resume()):
        await gate.entered.wait()
    agent = await (await engine.latest("last")).resume()
    journal = await journal_of(engine, agent.thread_id)
    [unknown] = journal.shown.state.unknown
    resolution = ResolveOutcome(unknown, "completed", "it was booked")
    await journal.claim(Saying(lambda _: (resolution,)))
    return engine, await engine.latest(agent.thread_id)


async def _written() -> Sequence[Recorded]:
    written: list[Recorded] = []
    for made in (_everything, _abandoned):
        engine, agent = await made()
        assert (await engine.verify(agent.thread_id)).finding is None
        written += await events(engine, agent.thread_id)
    return written


def key_of(event: Event | UnknownEvent, name: str) -> str:
    key = getattr(event, name)
    assert isinstance(key, str)
    return key


def test_the_rows_of_the_table_are_those_that_are_tested_here() -> None:
    assert [type for type, _, _ in OUTCOMES] == [
        "LlmResponseReceived",
        "LlmCallFailed",
        "ContextCompacted",
        "ToolExecutionCompleted",
        "ToolExecutionFailed",
        "ToolExecutionDenied",
        "ToolOutcomeResolved",
    ]
    assert [row[1:] for row in ROWS if row[2] not in KEYS] == [
        ["stream", "message id", "`start`"],
        ["empty", "message id", "`thread`"],
        ["id of the agent it branches off from", "message id", "`thread`"],
    ]


@pytest.mark.parametrize(("type", "key", "role"), OUTCOMES)
async def test_an_outcome_has_the_id_that_follows_from_what_it_answers(
    type: str, key: str, role: str
) -> None:
    found = [r for r in await _written() if r.event.__class__.__name__ == type]
    assert found
    for recorded in found:
        assert recorded.id == derived(recorded.stream, key_of(recorded.event, key), role)


async def test_claims_and_commands_have_ids_that_are_not_derived() -> None:
    derived_types = {type for type, _, _ in OUTCOMES}
    others = [r for r in await _written() if r.event.__class__.__name__ not in derived_types]
    made = [r for r in others if r.id != MESSAGE_ID and r.position]
    assert {"LlmCallStarted", "ToolExecutionStarted"} <= {
        recorded.event.__class__.__name__ for recorded in made
    }
    assert {UUID(recorded.id).version for recorded in made} == {7}


async def test_a_start_with_a_message_id_has_a_thread_and_a_first_event_of_derived_ids() -> None:
    engine = engine_on(WatchedStore(), scripted("one"))
    agent = await engine.start("go", message_id=MESSAGE_ID.upper())
    start, said, *_ = await events(engine, agent.thread_id)
    assert agent.thread_id == derived("", MESSAGE_ID, "thread")
    assert start.id == derived(stream_of(engine, agent.thread_id), MESSAGE_ID, "start")
    assert said.id == MESSAGE_ID


async def test_a_fork_by_a_message_with_an_id_has_a_thread_and_a_first_event_of_derived_ids() -> (
    None
):
    engine = engine_on(WatchedStore(), scripted("one", "two", "in the fork"))
    old = await engine.start("first")
    await old.advance("second")
    fork = await old.advance("instead", message_id=FORKING_ID)
    stream = stream_of(engine, fork.thread_id)
    start, said, *_ = [r for r in await events(engine, fork.thread_id) if r.stream == stream]
    assert fork.thread_id == derived(old.id, FORKING_ID, "thread")
    assert start.id == derived(stream, FORKING_ID, "start")
    assert said.id == FORKING_ID

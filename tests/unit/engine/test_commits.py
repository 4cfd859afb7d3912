"""What stands in the log after a turn: commits, causes, and what travels with every event."""

from messagedb_agent.agent.commands import Say, Start
from messagedb_agent.clock import FixedClock
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.journal import Journal, Writing
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.thread import take_on
from messagedb_agent.events.codec import Decoded
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.llm.scripted import ScriptedModel, call, say
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import (
    WatchedStore,
    assert_sound,
    decoded,
    engine_on,
    look,
    scripted,
    stream_of,
)


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    return f"{what} is burnt"


async def test_a_turn_with_one_tool_call_is_four_commits() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted(call("look", where="the box"), "It is empty."), look)
    agent = await engine.create_agent()
    store.commits.clear()

    answered = await agent.advance("Is it in the box?")

    assert answered.answer == "It is empty."
    assert [commit.types for commit in store.commits] == [
        ("UserMessageAdded", "LlmCallStarted"),
        ("LlmResponseReceived", "ToolExecutionStarted"),
        ("ToolExecutionCompleted", "LlmCallStarted"),
        ("LlmResponseReceived",),
    ]
    await assert_sound(engine, agent.thread_id)


async def test_a_start_with_a_message_is_in_the_first_of_the_four_commits() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted("Hello."))
    await engine.start("hi")
    assert [commit.types for commit in store.commits] == [
        ("SessionStarted", "UserMessageAdded", "LlmCallStarted"),
        ("LlmResponseReceived",),
    ]


async def test_each_event_names_its_cause() -> None:
    engine = engine_on(
        MemoryStore(), scripted(say("", call("look", where="a"), call("burn", what="b")), "ok"),
        look, burn,
    )  # fmt: skip
    waiting = await engine.start("tidy up")
    agent = await waiting.approve(waiting.approvals[0].call_id)
    rows = await decoded(engine, agent.thread_id)
    assert [(type(row.recorded.event).__name__, _cause(row)) for row in rows] == [
        ("SessionStarted", None),
        ("UserMessageAdded", None),
        ("LlmCallStarted", 1),  # the message
        ("LlmResponseReceived", 2),  # its claim
        ("ToolApprovalRequested", 3),  # the reply
        ("ToolExecutionStarted", 3),  # the reply
        ("ToolExecutionCompleted", 5),  # its start
        ("ToolExecutionApproved", None),  # a person
        ("ToolExecutionStarted", 7),  # the approval
        ("ToolExecutionCompleted", 8),  # its start
        ("LlmCallStarted", 9),  # the last outcome of the round
        ("LlmResponseReceived", 10),
    ]


async def test_a_cause_has_a_global_position_unless_it_is_in_the_same_append() -> None:
    store = WatchedStore()
    engine = engine_on(store, scripted(call("look", where="a"), "ok"), look)
    agent = await engine.start("go")
    rows = await decoded(engine, agent.thread_id)
    messages = [m async for m in engine.messages(agent.thread_id)]
    first_of_commit: list[int] = []
    for commit in store.commits:
        first_of_commit += [len(first_of_commit)] * len(commit.types)
    causes = [(n, row.metadata.cause) for n, row in enumerate(rows) if row.metadata.cause]
    assert len(causes) == 6
    for n, cause in causes:
        together = cause.position >= first_of_commit[n]
        expected = None if together else messages[cause.position].global_position
        assert cause.global_position == expected, rows[n].recorded.event
        assert cause.stream == stream_of(engine, agent.thread_id)
    assert {cause.global_position is None for _, cause in causes} == {True, False}


async def test_what_the_sender_gives_travels_with_every_event_that_follows() -> None:
    store, model = MemoryStore(), ScriptedModel(call("look", where="a"), "ok", "and again")
    engine = engine_on(store, model, look)
    stream = stream_of(engine, "t")
    journal = Journal(store, stream, Writing(clock=FixedClock()))
    effects = Effects(stream, "t", lambda _: model, Toolbox(look), FixedClock())
    sent = Travelling("order-7", "answers-1", '{"trace":"0af7"}')
    start, said = Start("t", engine.define()), Say("go")

    await take_on(store, journal, effects.perform, Saying(lambda _: (start, said), travelling=sent))
    rows = await decoded(engine, "t")
    assert len(rows) == 8
    assert [row.metadata.travelling for row in rows] == [sent] * 8

    await (await engine.latest("t")).advance("more")  # from somebody who gives nothing
    rows = (await decoded(engine, "t"))[8:]
    of_the_start = Travelling("order-7", "answers-1")  # properties are the sender's own
    assert len(rows) == 3
    assert [row.metadata.travelling for row in rows] == [of_the_start] * 3


async def test_all_events_of_a_process_name_the_same_writer_and_the_time() -> None:
    engine = engine_on(MemoryStore(), scripted("ok"))
    agent = await engine.start("hi")
    rows = await decoded(engine, agent.thread_id)
    assert {row.metadata.writer for row in rows} == {engine._workings.writing.writer}
    assert all(row.metadata.occurred_at_ms for row in rows)


def _cause(row: Decoded) -> int | None:
    return row.metadata.cause.position if row.metadata.cause else None

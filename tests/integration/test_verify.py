"""Verifying a thread: what is wrong is found, at its place, and what is right is left alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.agent.commands import Command, Say, Start
from messagedb_agent.clock import FixedClock
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.history import read_rows
from messagedb_agent.engine.journal import Journal, Writing
from messagedb_agent.engine.loop import run
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.verify import Finding, ForeignRow, verify
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import Envelope, decode, seal
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.schema import (
    Event,
    LlmCallStarted,
    LlmResponseReceived,
    SessionTitled,
    UserMessageAdded,
)
from messagedb_agent.events.values import AgentDefinition, ForkPoint
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.store import Reader, Store
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.toolbox import Toolbox

TOOLS = Toolbox(*builtin_tools())
DEFINITION = AgentDefinition(
    name="helper", system_prompt="Be brief.", model="scripted", tools=TOOLS.specs()
)
TURN = (
    "SessionStarted",
    "UserMessageAdded",
    "LlmCallStarted",
    "LlmResponseReceived",
    "ToolExecutionStarted",
    "ToolExecutionCompleted",
    "LlmCallStarted",
    "LlmResponseReceived",
)
REQUESTS = 2  # in a turn
REFUSED_HASH = "the hash does not follow: this row is not as it was written"

Forge = Callable[..., Awaitable[None]]
"""Changes rows of a stream as the database's owner, who may do what the role may not."""


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[MessageDbStore]:
    async with await MessageDbStore.connect(store_url) as store:
        yield store


@pytest.fixture
def forge(admin_url: str) -> Forge:
    async def change(statements: str, stream: str, position: int = 0) -> None:
        async with await psycopg.AsyncConnection.connect(admin_url) as connection:
            for statement in statements.split(";"):
                where = {"stream": stream, "position": position}
                await connection.execute(statement.encode(), where)

    return change


class Forgeable(MemoryStore):
    """A store whose rows may be replaced, and whose reads say so."""

    def __init__(self) -> None:
        super().__init__()
        self.forged: dict[str, list[Message]] = {}

    async def read(
        self, stream: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        if stream in self.forged:
            for row in self.forged[stream]:
                if position <= row.position and (until is None or row.position <= until):
                    yield row
        else:
            async for row in super().read(stream, position=position, until=until):
                yield row


def journal(store: Store, stream: str) -> Journal:
    return Journal(store, stream, Writing(clock=FixedClock()))


async def turn(store: Store, thread: Journal, *commands: Command) -> None:
    """Take a turn with one tool call."""
    model = ScriptedModel(call("echo", text="42"), "it is 42")
    effects = Effects(thread.stream, "thread", lambda _: model, TOOLS, FixedClock())
    await run(thread, effects.perform, Saying(lambda _: commands))


async def talk(store: Store, category: str, turns: int = 1) -> str:
    """Begin a thread, and return its stream."""
    thread_id = str(uuid4())
    stream = f"{category}-{thread_id}"
    thread = journal(store, stream)
    await turn(store, thread, Start(thread_id, DEFINITION), Say("What is it?"))
    for _ in range(turns - 1):
        await turn(store, thread, Say("And now?"))
    return stream


async def fork(store: Store, parent: str, position: int) -> str:
    """Branch off a thread, take a turn there, and return its stream."""
    at = [row async for row in store.read(parent)][position]
    thread_id = str(uuid4())
    child = journal(store, f"{parent.partition('-')[0]}-{thread_id}")
    await child.branch_off(parent, position)
    point = ForkPoint(stream_name=parent, position=position, event_id=at.id)
    start = Start(thread_id, DEFINITION, forked_from=point)
    await child.claim(Saying(lambda _: (start,)))
    await turn(store, child, Say("What else?"))
    return child.stream


async def write(
    store: Store, stream: str, event: Event, *, cause: Cause | None = None, type: str | None = None
) -> str:
    """Append an event whose hash is right, whatever it says; return the row's hash."""
    last = GENESIS
    async for row, _ in read_rows(store, stream):
        last = row_hash(last, row)
    position = await store.stream_version(stream) + 1
    envelope = Envelope(cause, Travelling(), 0, "forger")
    sealed = seal(str(uuid4()), stream, position, event, envelope, last)
    message = NewMessage(sealed.id, sealed.type, sealed.data, sealed.metadata)
    if type is not None:
        message = await _retyped(message, stream, position, type, last)
    await store.append(stream, message, expected_version=position - 1)
    return hash_text(sealed.hash)


async def _retyped(
    message: NewMessage, stream: str, position: int, type: str, last: bytes
) -> NewMessage:
    """Return a message with another type, and the hash that this takes."""
    scratch = MemoryStore()
    await scratch.append(stream, replace(message, type=type))
    [row] = [row async for row in scratch.read(stream)]
    recorded = decode(row).metadata.hash or ""
    digest = hash_text(row_hash(last, replace(row, position=position)))
    metadata = (message.metadata or "").replace(recorded, digest)
    return replace(message, type=type, metadata=metadata)


async def found(reader: Reader, stream: str) -> Finding:
    finding = (await verify(reader, stream)).finding
    assert finding is not None
    return finding


async def types(reader: Reader, stream: str) -> tuple[str, ...]:
    return tuple([row.type async for row in reader.read(stream)])


async def test_a_thread_that_nobody_touched_is_sound(store: Store, category: str) -> None:
    stream = await talk(store, category, turns=2)
    assert await types(store, stream) == TURN + TURN[1:]
    result = await verify(store, stream)
    assert (result.finding, result.foreign) == (None, ())
    assert (result.events, result.requests) == (len(TURN) * 2 - 1, REQUESTS * 2)


async def test_a_thread_in_the_middle_of_a_turn_is_sound(store: Store, category: str) -> None:
    stream = await talk(store, category)
    await write(store, stream, UserMessageAdded(text="more"))
    assert (await verify(store, stream)).finding is None


async def test_a_stream_without_rows_has_nothing_wrong_with_it(store: Store, category: str) -> None:
    result = await verify(store, f"{category}-nobody")
    assert (result.events, result.finding) == (0, None)


@pytest.mark.parametrize("position", range(len(TURN)))
async def test_changed_data_are_found_where_they_stand(
    store: Store, forge: Forge, category: str, position: int
) -> None:
    stream = await talk(store, category)
    await forge(
        """UPDATE message_store.messages SET data = data || '{"more": 1}'
           WHERE stream_name = %(stream)s AND position = %(position)s""",
        stream,
        position,
    )
    result = await verify(store, stream)
    assert result.events == position
    assert result.finding is not None
    assert (result.finding.stream, result.finding.position) == (stream, position)
    assert (result.finding.type, result.finding.what) == (TURN[position], REFUSED_HASH)
    row = [row async for row in store.read(stream)][position]
    assert result.finding.recorded == decode(row).metadata.hash
    assert result.finding.computed != result.finding.recorded


@pytest.mark.parametrize(
    "change",
    [
        "metadata = jsonb_set(metadata, '{localProperties,writer}', '\"me\"')",
        "metadata = jsonb_set(metadata, '{localProperties,occurredAt}', '1')",
        "metadata = metadata - 'causationMessagePosition'",
        "metadata = jsonb_set(metadata, '{properties}', '{\"a\": 1}')",
        "type = 'ToolExecutionFailed'",
        "id = gen_random_uuid()",
    ],
)
async def test_changed_metadata_type_and_id_are_found_where_they_stand(
    store: Store, forge: Forge, category: str, change: str
) -> None:
    stream = await talk(store, category)
    await forge(
        f"""UPDATE message_store.messages SET {change}
            WHERE stream_name = %(stream)s AND position = 5""",  # noqa: S608  # from above
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (5, REFUSED_HASH)


async def test_a_dropped_row_is_found_by_the_gap_it_leaves(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        "DELETE FROM message_store.messages WHERE stream_name = %(stream)s AND position = 4",
        stream,
    )
    assert await found(store, stream) == Finding(
        stream, 5, TURN[5], "row 4 is missing", recorded="5", computed="4"
    )


async def test_a_dropped_first_row_is_found(store: Store, forge: Forge, category: str) -> None:
    stream = await talk(store, category)
    await forge(
        "DELETE FROM message_store.messages WHERE stream_name = %(stream)s AND position = 0",
        stream,
    )
    assert (await found(store, stream)).what == "row 0 is missing"


async def test_a_dropped_row_is_found_when_the_gap_is_closed(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """DELETE FROM message_store.messages WHERE stream_name = %(stream)s AND position = 4;
           UPDATE message_store.messages SET position = position + 1000
           WHERE stream_name = %(stream)s AND position > 4;
           UPDATE message_store.messages SET position = position - 1001
           WHERE stream_name = %(stream)s AND position > 1000""",
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.type, finding.what) == (4, TURN[5], REFUSED_HASH)


async def test_swapped_rows_are_found_at_the_first_of_them(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """UPDATE message_store.messages SET position = 1003
           WHERE stream_name = %(stream)s AND position = 3;
           UPDATE message_store.messages SET position = 3
           WHERE stream_name = %(stream)s AND position = 5;
           UPDATE message_store.messages SET position = 5
           WHERE stream_name = %(stream)s AND position = 1003""",
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.type, finding.what) == (3, TURN[5], REFUSED_HASH)


async def test_a_copied_row_is_found_where_the_copy_stands(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await forge(
        """INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata)
           SELECT gen_random_uuid(), stream_name, type, 8, data, metadata
           FROM message_store.messages WHERE stream_name = %(stream)s AND position = 1""",
        stream,
    )
    result = await verify(store, stream)
    assert result.events == len(TURN)
    assert result.finding is not None
    assert (result.finding.position, result.finding.what) == (8, REFUSED_HASH)


async def test_rows_of_other_writers_are_named_and_not_condemned(
    store: Store, category: str
) -> None:
    stream = await talk(store, category)
    said = NewMessage(str(uuid4()), "UserMessageAdded", '{"text": "more"}')
    await store.append(stream, said, NewMessage(str(uuid4()), "Paid", '{"amount": 1.50}'))
    await turn(store, journal(store, stream))
    result = await verify(store, stream)
    assert result.foreign == (
        ForeignRow(stream, 8, "UserMessageAdded"),
        ForeignRow(stream, 9, "Paid"),
    )
    assert (result.finding, result.requests) == (None, REQUESTS * 2)
    assert result.events == len(TURN) * 2


async def test_a_changed_row_of_another_writer_is_found_by_the_next_hash(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    said = NewMessage(str(uuid4()), "UserMessageAdded", '{"text": "more"}')
    await store.append(stream, said)
    await turn(store, journal(store, stream))
    await forge(
        """UPDATE message_store.messages SET data = '{"text": "less"}'
           WHERE stream_name = %(stream)s AND position = 8""",
        stream,
    )
    finding = await found(store, stream)
    assert finding.position == 9
    assert finding.what == f"{REFUSED_HASH}, or a row of another writer before it, from 8 on"


async def test_rows_of_other_writers_before_the_last_sound_hash_are_not_suspected(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    await store.append(stream, NewMessage(str(uuid4()), "UserMessageAdded", '{"text": "more"}'))
    await turn(store, journal(store, stream))
    await forge(
        """UPDATE message_store.messages SET data = data || '{"more": 1}'
           WHERE stream_name = %(stream)s AND position = 12""",
        stream,
    )
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (12, REFUSED_HASH)


async def test_a_row_of_ours_that_lost_its_hash_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    bare = """UPDATE message_store.messages SET metadata = metadata #- '{localProperties,hash}'
              WHERE stream_name = %(stream)s AND position = %(position)s"""
    await forge(bare, stream, 5)
    result = await verify(store, stream)
    assert result.finding is not None
    assert (result.finding.position, result.finding.what) == (5, "its hash is missing")


async def test_a_row_that_lost_all_that_says_it_is_ours_is_covered_by_the_next(
    store: Store, forge: Forge, category: str
) -> None:
    stream = await talk(store, category)
    bare = """UPDATE message_store.messages SET metadata = metadata - 'localProperties'
              WHERE stream_name = %(stream)s AND position = %(position)s"""
    await forge(bare, stream, 5)
    assert (await found(store, stream)).position == 6


async def test_a_fork_is_sound_with_its_ancestors(store: Store, category: str) -> None:
    parent = await talk(store, category, turns=2)
    child = await fork(store, parent, 4)  # in the middle of a turn
    grandchild = await fork(store, child, 3)
    result = await verify(store, grandchild)
    assert result.finding is None
    assert result.events == 5 + 4 + len(await types(store, grandchild))


async def test_what_is_wrong_in_an_ancestor_is_found_there(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(
        """UPDATE message_store.messages SET data = data || '{"more": 1}'
           WHERE stream_name = %(stream)s AND position IN (3, 6)""",
        parent,
    )
    finding = await found(store, child)
    assert (finding.stream, finding.position, finding.what) == (parent, 3, REFUSED_HASH)


async def test_what_came_after_the_fork_in_its_parent_is_not_the_forks(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge(
        "DELETE FROM message_store.messages WHERE stream_name = %(stream)s AND position > 5",
        parent,
    )
    assert (await verify(store, child)).finding is None


async def test_a_fork_whose_parent_is_missing_is_found(
    store: Store, forge: Forge, category: str
) -> None:
    parent = await talk(store, category)
    child = await fork(store, parent, 5)
    await forge("DELETE FROM message_store.messages WHERE stream_name = %(stream)s", parent)
    finding = await found(store, child)
    assert (finding.stream, finding.position) == (child, 0)
    assert parent in finding.what


async def test_a_fork_of_another_event_is_found(category: str) -> None:
    store = MemoryStore()
    parent = await talk(store, category)
    other = [row async for row in store.read(parent)][4]
    child = journal(store, f"{category}-{uuid4()}")
    await child.branch_off(parent, 5)
    point = ForkPoint(stream_name=parent, position=5, event_id=other.id)
    await turn(store, child, Start("child", DEFINITION, forked_from=point))
    finding = await found(store, child.stream)
    assert (finding.stream, finding.position) == (child.stream, 0)
    assert finding.what == "the event it was forked from is another"
    assert finding.recorded == other.id


async def test_the_same_id_twice_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    rows = [row async for row in store.read(stream)]
    store.forged[stream] = [*rows[:6], replace(rows[6], id=rows[2].id), rows[7]]
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (6, "the id of an earlier row")
    assert finding.recorded == rows[2].id


async def test_the_same_row_twice_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    rows = [row async for row in store.read(stream)]
    store.forged[stream] = [*rows[:4], rows[3], *rows[4:]]
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (3, "comes twice")


async def test_a_stream_that_ends_before_its_head_is_found(category: str) -> None:
    store = Forgeable()
    stream = await talk(store, category)
    store.forged[stream] = [row async for row in store.read(stream)][:-1]
    assert (await found(store, stream)).what == "row 7 is missing"


async def test_an_event_of_ours_that_cannot_be_read_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    await write(store, stream, SessionTitled(title="Rivers"), type="SessionTagline")
    finding = await found(store, stream)
    assert (finding.position, finding.type) == (8, "SessionTagline")
    assert finding.what == "the event cannot be read: unknown type"


@pytest.mark.parametrize("position", [8, 9, -1])
async def test_a_cause_that_is_not_before_its_effect_is_found(category: str, position: int) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    await write(store, stream, title, cause=Cause(stream, position))
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (8, "its cause is not before it")
    assert finding.recorded == str(position)


async def test_causes_before_their_effects_and_in_other_streams_are_sound(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    await write(store, stream, title, cause=Cause(stream, 7))
    await write(store, stream, title, cause=Cause("agent:command-1", 99))
    assert (await verify(store, stream)).finding is None


async def test_a_request_that_was_not_the_one_recorded_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update={"context_position": 8}))
    finding = await found(store, stream)
    assert (finding.position, finding.type) == (9, "LlmCallStarted")
    assert finding.what == "the request is another than the one recorded"
    assert finding.recorded == claim.request_digest
    assert finding.computed != finding.recorded


async def test_a_request_may_be_folded_from_further_back(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim)  # as the second request of the turn was, again
    result = await verify(store, stream)
    assert (result.finding, result.requests) == (None, REQUESTS + 1)


async def test_a_request_that_was_folded_from_later_events_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update={"context_position": 9}))
    assert (await found(store, stream)).what == "its request was folded from what comes later"


async def test_a_request_by_an_unknown_projection_is_let_be(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    claim = await asked(store, stream)
    other = {"projection_name": "window", "request_digest": "?", "context_position": 8}
    await write(store, stream, UserMessageAdded(text="more"))
    await write(store, stream, claim.model_copy(update=other))
    result = await verify(store, stream)
    assert (result.finding, result.requests) == (None, REQUESTS)


async def asked(store: Store, stream: str) -> LlmCallStarted:
    """Return the last request of a turn."""
    row = [row async for row in store.read(stream)][6]
    event = decode(row).recorded.event
    assert isinstance(event, LlmCallStarted)
    return event


async def test_a_second_outcome_of_a_call_is_found(category: str) -> None:
    store = MemoryStore()
    stream = await talk(store, category)
    rows = [row async for row in store.read(stream)]
    reply = decode(rows[7]).recorded.event
    assert isinstance(reply, LlmResponseReceived)
    await write(store, stream, reply.model_copy(update={"text": "it is 43"}))
    finding = await found(store, stream)
    assert (finding.position, finding.what) == (8, "the outcome of a call that was not open")


async def test_long_threads_are_read_over_many_pages(store: Store, category: str) -> None:
    stream = await talk(store, category)
    title = SessionTitled(title="Rivers")
    batch = []
    last = GENESIS
    async for row in store.read(stream):
        last = row_hash(last, row)
    for position in range(8, 1_500):
        envelope = Envelope(None, Travelling(), 0, "writer")
        sealed = seal(str(uuid4()), stream, position, title, envelope, last)
        last = sealed.hash
        batch.append(NewMessage(sealed.id, sealed.type, sealed.data, sealed.metadata))
    await store.append(stream, *batch, expected_version=7)
    result = await verify(store, stream)
    assert (result.events, result.finding) == (1_500, None)

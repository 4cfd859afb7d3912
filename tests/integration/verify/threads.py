"""Threads to verify, and how rows that are wrong get into them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import uuid4

from messagedb_agent.agent.commands import Command, Say, Start
from messagedb_agent.clock import FixedClock
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.findings import Finding
from messagedb_agent.engine.history import read_rows
from messagedb_agent.engine.journal import Journal, Writing
from messagedb_agent.engine.loop import run
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.verify import verify
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.codec import Envelope, decode, seal
from messagedb_agent.events.metadata import Cause, Travelling
from messagedb_agent.events.schema import Event
from messagedb_agent.events.values import Definition, ForkPoint
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.store import Reader, Store
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.toolbox import Toolbox

TOOLS = Toolbox(*builtin_tools())
DEFINITION = Definition(
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
"""Changes a row of a stream as the database's owner, who may do what the role may not."""

CHANGE = """UPDATE message_store.messages SET data = data || '{"more": 1}'
            WHERE stream_name = %(stream)s AND position = %(position)s"""
DROP = """DELETE FROM message_store.messages
          WHERE stream_name = %(stream)s AND position = %(position)s"""
CUT = """DELETE FROM message_store.messages
         WHERE stream_name = %(stream)s AND position > %(position)s"""


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


class Ending(Forgeable):
    """A store of forged rows that knows where they end."""

    def __init__(self, of: Forgeable) -> None:
        super().__init__()
        self.forged = of.forged

    async def stream_version(self, stream: str) -> int:
        return max((row.position for row in self.forged.get(stream, ())), default=-1)


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
    at = (await rows_of(store, parent))[position]
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
    [row] = await rows_of(scratch, stream)
    recorded = decode(row).metadata.hash or ""
    digest = hash_text(row_hash(last, replace(row, position=position)))
    metadata = (message.metadata or "").replace(recorded, digest)
    return replace(message, type=type, metadata=metadata)


async def found(reader: Reader, stream: str) -> Finding:
    """Return what is found in a thread that is not sound."""
    finding = (await verify(reader, stream)).finding
    assert finding is not None
    return finding


async def rows_of(reader: Reader, stream: str) -> list[Message]:
    return [row async for row in reader.read(stream)]

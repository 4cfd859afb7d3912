"""Streams beside threads, as they are written: users' memory and named definitions."""

from messagedb_agent import AgentDefinition, Engine, connect
from messagedb_agent.audit import BesideChecking, Kinds, Verification, engine_kinds
from messagedb_agent.events.anchor import Head
from messagedb_agent.events.memory import FactsExtracted
from messagedb_agent.events.values import EventPlace
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader
from tests.contract.messages import new
from tests.integration.verify.threads import rows_of


async def written(engine: Engine) -> tuple[str, ...]:
    """Write what two users are known for, and two definitions, others' rows among them."""
    agent = await engine.start("Hello!")
    thread, memory = f"{engine.category}:{engine.version}-{agent.thread_id}", engine.memory
    taught = EventPlace(stream_name=thread, position=1)
    await memory.set("ada", "city", "Paris", category="home", taught_by=taught, by="bob")
    await memory.set("ada", "children", [{"name": "Zoë", "age": 4}])
    ada, bob = memory.stream("ada"), memory.stream("bob@example.org")
    paid = new("Paid", '{"amount": 1.50, "to": ["ada", {"n": 12345678901234567890.10}]}')
    await engine.store.append(ada, paid, new("Noted", None))
    await memory.forget("ada", "city", by="ada")
    looked = FactsExtracted(user="ada", stream_name=thread, position=1, llm_call_id=agent.id)
    await memory.note("ada", lambda _: [looked])
    await memory.set("ada", "city", "Rome")
    await memory.set("bob@example.org", "food", "bread")
    await memory.set("bob@example.org", "food", "cake")
    await engine.store.append(bob, new("Paid"))
    for role in ("A clerk.", "A judge.", "A thief."):
        await engine.definitions.save("support", AgentDefinition(role=role), by="ada")
    return ada, bob, f"{engine.category}Definition-support"


async def streams(category: str) -> dict[str, list[Message]]:
    """Return such streams, and the thread that they name, by their names."""
    async with connect(MemoryStore(), category=category) as engine:
        names = await written(engine)
        [thread] = await engine.threads()
        every = (*names, f"{category}:v0-{thread.summary.thread_id}")
        return {stream: await rows_of(engine.store, stream) for stream in every}


def kinds(stream: str) -> Kinds:
    """Return what there is of the category that a stream stands beside."""
    base = stream.partition("-")[0].removesuffix("User").removesuffix("Definition")
    return Kinds(f"{base}:v0")


async def verify(reader: Reader, stream: str, anchored: Head | None = None) -> Verification:
    return await BesideChecking(reader, kinds(stream)).verify(stream, anchored)


def checking(engine: Engine) -> BesideChecking:
    return BesideChecking(engine.store, engine_kinds(engine))

"""What a row of a user's memory or of a definition says, under a hash that follows."""

from uuid import uuid4

import pytest

from messagedb_agent import Engine, MemoryStore
from messagedb_agent.audit import CheckedStream, beside_streams, check_beside
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.engine.findings import Finding
from messagedb_agent.events.chain import GENESIS, row_hash
from messagedb_agent.events.codec import Envelope, encoded_value, sealed_metadata
from messagedb_agent.events.memory import FactForgotten, FactRemembered, FactsExtracted, MemoryEvent
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.values import EventPlace
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.message import NewMessage
from messagedb_agent.tools.toolbox import Toolbox
from tests.contract.messages import new
from tests.integration.verify.beside import checking, written
from tests.integration.verify.threads import rows_of


@pytest.fixture
def engine(category: str) -> Engine:
    return Engine(MemoryStore(), lambda _: ScriptedModel("hello"), Toolbox(), category)


async def forge(engine: Engine, stream: str, type: str, data: bytes) -> None:
    """Append a row whose hash is right, whatever it says."""
    rows, last = await rows_of(engine.store, stream), GENESIS
    for row in rows:
        last = row_hash(last, row)
    id, envelope = str(uuid4()), Envelope(None, Travelling(), 0, "forger")
    metadata, _ = sealed_metadata(id, stream, len(rows), type, data, envelope, last)
    await engine.store.append(stream, NewMessage(id, type, data.decode(), metadata))


async def found(engine: Engine, stream: str) -> Finding:
    finding = (await checking(engine).verify(stream)).finding
    assert finding is not None
    return finding


def fact(user: str = "ada", **values: object) -> FactRemembered:
    return FactRemembered.model_validate({"user": user, "key": "k", "value": "1", **values})


async def test_what_stands_as_it_was_written_verifies(engine: Engine) -> None:
    names, checked = await written(engine), list[CheckedStream]()
    await check_beside(engine, await beside_streams(engine), checked.append)
    kinds = {one.stream: one.kind for one in checked}
    assert kinds == dict(zip(names, ("user", "user", "definition"), strict=True))
    found = {one.stream: one.found for one in checked}
    assert [found[name].events for name in names] == [7, 3, 3]
    assert [len(found[name].foreign) for name in names] == [2, 1, 0]
    assert all(one.finding is None and one.absent_sources == () for one in found.values())


async def test_streams_whose_names_none_can_have_are_left_out(engine: Engine) -> None:
    await written(engine)
    names = await beside_streams(engine)
    for name in ("User-a+b", "User-~zz", "User-" + "a" * 201, "Definition-_a", "User:x-a"):
        await engine.store.append(f"{engine.category}{name}", new("Paid"))
    assert await beside_streams(engine) == names


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (fact("bob"), "it is of another user"),
        (fact(" "), "it is of another user"),
        (FactForgotten(user="ada", key="never"), "it forgets what was not known"),
    ],
)
async def test_what_cannot_be_noted_of_a_user_is_found(
    engine: Engine, event: MemoryEvent, what: str
) -> None:
    await written(engine)
    stream = engine.memory.stream("ada")
    await forge(engine, stream, type(event).__name__, encoded_value(event)[1])
    finding = await found(engine, stream)
    assert (finding.position, finding.what) == (7, what)


async def test_a_row_that_cannot_be_read_is_found(engine: Engine) -> None:
    ada, _, definition = await written(engine)
    for stream, type in ((ada, "FactRemembered"), (definition, "DefinitionSaved")):
        await forge(engine, stream, type, b'{"user":"ada"}')
        assert (await found(engine, stream)).what.startswith("the event cannot be read: ")


@pytest.mark.parametrize("stands", [True, False])
async def test_a_message_that_taught_a_fact_must_be_there(engine: Engine, stands: bool) -> None:
    agent = await engine.start("hello")
    thread = f"{engine.category}:v0-{agent.thread_id}"
    end = await engine.store.stream_version(thread)
    place = EventPlace(stream_name=thread, position=end if stands else end + 1)
    await engine.memory.set("ada", "city", "Paris", taught_by=place)
    looked = FactsExtracted(
        user="bob", stream_name=thread, position=place.position, llm_call_id="x"
    )
    await engine.memory.note("bob", lambda _: [looked])
    for user in ("ada", "bob"):
        finding = (await checking(engine).verify(engine.memory.stream(user))).finding
        if stands:
            assert finding is None
        else:
            assert finding is not None
            what = f"the message that it was learned from is missing: {thread} ends at {end}"
            assert (finding.position, finding.what) == (0, what)


async def test_messages_of_a_thread_that_is_not_here_are_named_and_not_condemned(
    engine: Engine,
) -> None:
    place = EventPlace(stream_name="agent:v0-elsewhere", position=3)
    await engine.memory.set("ada", "city", "Paris", taught_by=place)
    await engine.memory.set("ada", "food", "bread", taught_by=place)
    result = await checking(engine).verify(engine.memory.stream("ada"))
    assert (result.finding, result.absent_sources) == (None, ("agent:v0-elsewhere",))


async def test_a_message_in_no_stream_is_found(engine: Engine) -> None:
    place = EventPlace(stream_name="agent", position=3)
    await engine.memory.set("ada", "city", "Paris", taught_by=place)
    what = (await found(engine, engine.memory.stream("ada"))).what
    assert what.startswith("what it was learned from stands in no stream: ")


async def test_a_row_of_another_writer_is_understood_as_far_as_it_goes(engine: Engine) -> None:
    """It is folded as ours are, and so what it says may be forgotten."""
    stream = engine.memory.stream("ada")
    said = encoded_value(fact())[1].decode()
    await engine.store.append(stream, new("FactRemembered", said), new("FactForgotten", "{}"))
    await engine.memory.forget("ada", "k")
    result = await checking(engine).verify(stream)
    assert (result.finding, len(result.foreign), result.events) == (None, 2, 3)


async def test_a_name_that_is_too_long_for_a_stream_verifies(engine: Engine) -> None:
    user = "é" * 1000
    await engine.memory.set(user, "city", "Paris")
    assert await beside_streams(engine) == (engine.memory.stream(user),)
    assert (await checking(engine).verify(engine.memory.stream(user))).finding is None
    await engine.definitions.save("a-b", AgentDefinition(role="A clerk."))
    assert (await checking(engine).verify(f"{engine.category}Definition-a-b")).finding is None

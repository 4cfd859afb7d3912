"""Synchronous code has one door: what it calls runs in a loop of its own, and ends in order."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from contextvars import ContextVar
from typing import Any, assert_type
from warnings import catch_warnings

import pytest

from messagedb_agent import AgentDefinition, MemoryStore, connect, tool
from messagedb_agent.agents.door import Door
from messagedb_agent.agents.streaming import Token
from messagedb_agent.agents.synchronous import SyncAgent, SyncEngine
from messagedb_agent.errors import (
    ConfigurationError,
    ModelError,
    NotFound,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.testing import ScriptedModel


@pytest.fixture
def engine() -> Iterator[SyncEngine]:
    with connect(MemoryStore()).sync() as engine:
        yield engine


def test_agents_advance_without_a_loop_of_the_callers(engine: SyncEngine) -> None:
    agent = engine.create_agent("Ada", system_prompt="Be helpful.")
    later = agent.advance("What is 6 * 7?")
    assert (later.answer, later.parent_id, agent.answer) == ("6 * 7 = 42.", agent.id, None)
    fork = agent.advance("What is 6 * 8?")
    assert isinstance(fork, SyncAgent)
    assert (fork.answer, fork.thread_id == agent.thread_id) == ("6 * 8 = 48.", False)
    assert engine.load_agent(later.id) == later
    assert engine.load_agents([agent.id, later.id]) == (agent, later)
    assert [*engine.list_agents()] == [fork, later]
    assert [*engine.find_by_name("Ada", 1)] == [fork]
    assert [row.position for row in engine.messages(later.thread_id)] == list(range(8))
    assert engine.fork(later, title="Another").parent_id == later.id
    assert engine.delete(fork).status == "deleted"
    assert engine.count_agents() == 2
    assert engine.verify(later.thread_id).finding is None


def test_an_agent_tells_its_past_and_streams_a_turn(engine: SyncEngine) -> None:
    agent = engine.start("What is 6 * 7?")
    assert agent.messages()[0].text == "What is 6 * 7?"
    assert (agent.last_response(), agent.at(0).parent_id) == ("6 * 7 = 42.", None)
    *pieces, later = agent.stream("What is 6 * 8?")
    assert isinstance(later, SyncAgent)
    assert later.answer == "6 * 8 = 48."
    assert "".join(one.text for one in pieces if isinstance(one, Token)) == later.answer
    assert later.lineage()[-2:] == (agent, later)
    assert all(isinstance(state, SyncAgent) for state in later.lineage())
    assert agent.clone().parent_id == agent.id


def test_an_agent_has_the_output_that_was_asked_for() -> None:
    with connect(MemoryStore(), models=ScriptedModel("[1, 2]", '{"value": [1, 2]}')).sync() as own:
        agent = own.create_agent().advance("Count.", output=list[int])
        assert_type(agent, SyncAgent[list[int]])
        assert (agent.output, agent.output_as(list[int])) == ([1, 2], [1, 2])


def test_what_is_known_of_users_is_noted_read_and_found(engine: SyncEngine) -> None:
    engine.memory.set("ada", "city", "Paris")
    assert [fact.value for fact in engine.memory.get_all("ada")] == ["Paris"]
    agent = engine.create_agent(user="ada").advance("My name is Ada.", user="ada")
    (found,) = engine.memory.extract(agent)
    assert (found.value, engine.memory.users()) == ("Ada", ("ada",))
    engine.memory.forget("ada", "city")
    assert engine.memory.get("ada", "city") is None
    assert len(list(engine.memory.history("ada"))) == 4


def test_definitions_are_saved_and_templates_filled_in(engine: SyncEngine) -> None:
    clerk = AgentDefinition(role="A clerk.")
    saved = engine.definitions.save("clerk", clerk)
    assert (saved, saved.definition) == (engine.definitions.get("clerk"), clerk)
    assert engine.create_agent(definition="clerk").system_prompt == clerk.system_prompt
    template = engine.definitions.template("rag-assistant", domain="stamps")
    assert "stamps" in template.system_prompt
    assert engine.definitions.templates()
    assert engine.definitions.save("clerk", template).revision == 1
    assert [one.revision for one in engine.definitions.revisions("clerk")] == [0, 1]
    assert [one.name for one in engine.definitions.list()] == ["clerk"]


def test_a_stream_that_is_closed_early_cancels_its_turn(engine: SyncEngine) -> None:
    agent = engine.create_agent()
    with closing(agent.stream("What is 6 * 7?")) as items:
        next(items)
    head = engine.latest(agent.thread_id)
    assert head.status == "waiting"
    assert head.advance("What is 6 * 8?").answer == "6 * 8 = 48."


def test_errors_come_through_and_their_agents_go_on() -> None:
    with connect(MemoryStore(), models=ScriptedModel()).sync() as engine:
        with pytest.raises(NotFound):
            engine.latest("last")
        with pytest.raises(ModelError) as failed:
            engine.start("Hello!")
        assert engine.synchronous(failed.value.agent).cancel().status == "waiting"


def test_what_cannot_be_connected_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    with pytest.raises(ConfigurationError):
        connect("nonsense").sync()
    with pytest.raises(ValidationError):
        connect(min_size=-1).sync()
    assert threading.active_count() == before


def test_a_closed_engine_says_so_and_its_thread_is_gone() -> None:
    before = threading.active_count()
    with connect(MemoryStore()).sync() as engine:
        agent = engine.start("Hello!")
        assert threading.active_count() > before
    assert threading.active_count() == before
    for call in (engine.ping, lambda: agent.advance("Still there?")):
        with pytest.raises(StoreUnavailable, match="closed"):
            call()
    engine.close()


async def test_it_works_where_another_loop_runs_already() -> None:
    with connect(MemoryStore()).sync() as engine:
        assert engine.start("What is 6 * 7?").answer == "6 * 7 = 42."


def test_a_tool_may_use_the_engine_unless_it_runs_in_its_loop() -> None:
    @tool(effect="retry")
    def count() -> int:
        """Count the threads."""
        return own.count_agents()

    @tool(effect="retry")
    async def wrong() -> int:
        """Count the threads where that cannot be waited for."""
        return own.count_agents()

    with connect(MemoryStore(), tools=[count, wrong]).sync() as own:
        assert own.start("call count {}").answer == "count: 1"
        assert "event loop" in (own.start("call wrong {}").answer or "")


def test_threads_may_use_one_engine_at_once(engine: SyncEngine) -> None:
    answers = dict[int, str | None]()

    def ask(number: int) -> None:
        answers[number] = engine.start(f"What is {number} + 1?").answer

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: f"{number} + 1 = {number + 1}." for number in range(8)}


class Works:
    """Work that says when it has begun, and how it ended."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), list[str]()

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.ended.append("in order")
            raise


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Interrupts as a terminal's program has them; a shell's background job ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_cancels_the_call_that_waits_and_the_engine_goes_on(
    engine: SyncEngine,
) -> None:
    work = Works()

    def interrupt() -> None:
        assert work.begun.wait(30)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    other = threading.Thread(target=interrupt)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        engine.run(work())
    other.join()
    assert work.ended == ["in order"]
    assert engine.start("What is 6 * 7?").answer == "6 * 7 = 42."


def test_closing_ends_what_other_threads_wait_for() -> None:
    engine, work, told = connect(MemoryStore()).sync(), Works(), list[BaseException]()

    def waits() -> None:
        try:
            engine.run(work())
        except StoreUnavailable as error:
            told.append(error)

    other = threading.Thread(target=waits)
    other.start()
    assert work.begun.wait(30)
    engine.close()
    other.join(30)
    assert (len(told), work.ended) == (1, ["in order"])


def test_what_fails_as_it_is_ended_is_told_to_who_waits_and_to_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine, begun, told = connect(MemoryStore()).sync(), threading.Event(), list[BaseException]()

    async def fails() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("in the end")

    def waits() -> None:
        try:
            engine.run(fails())
        except ValueError as error:
            told.append(error)

    other = threading.Thread(target=waits)
    other.start()
    assert begun.wait(30)
    engine.close()
    other.join(30)
    assert (len(told), caplog.records) == (1, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system forks no processes")
def test_a_fork_of_the_process_is_refused_and_may_close(engine: SyncEngine) -> None:
    with catch_warnings(action="ignore"):  # newer Pythons warn of each fork beside threads
        child = os.fork()
    if not child:
        signal.alarm(30)
        try:
            engine.start("What is 6 * 7?")
        except StoreUnavailable:
            engine.close()
            os._exit(42)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert engine.start("What is 6 * 7?").answer == "6 * 7 = 42."


def test_context_variables_are_the_callers(engine: SyncEngine) -> None:
    variable = ContextVar[str]("variable")
    variable.set("the caller's")

    async def look() -> str:
        return variable.get()

    assert engine.run(look()) == "the caller's"


def test_an_iterator_that_is_left_early_is_closed(engine: SyncEngine) -> None:
    closed = list[str]()

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(9):
                yield number
        finally:
            closed.append("closed")

    found = engine.each(numbers())
    assert [next(iter(found)), next(iter(found))] == [0, 1]
    found.close()
    assert closed == ["closed"]
    assert list(engine.each(numbers())) == list(range(9))


def test_a_door_that_is_used_in_its_own_loop_refuses() -> None:
    door = Door()

    async def inside() -> None:
        door.run(asyncio.sleep(0))

    try:
        with pytest.raises(ConfigurationError, match="its own event loop"):
            door.run(inside())
    finally:
        door.close()


def test_what_is_not_connected_yet_says_how_an_engine_is_had() -> None:
    connecting: Any = connect(MemoryStore())
    with pytest.raises(AttributeError, match=r"no 'create_agent' yet: .*await connect.*sync\(\)"):
        connecting.create_agent("Ada")

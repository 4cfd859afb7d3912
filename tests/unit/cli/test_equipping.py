"""Tools that a command does not name: ours are found, and all others are asked for."""

import sys
from pathlib import Path

import pytest

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.engine import Engine
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.equipping import check_tools, equipped
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.values import ToolSpec
from messagedb_agent.llm.scripted import call
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.loading import load_tools
from tests.unit.engine.world import engine_on, scripted


@tool(needs_approval=True)
def burn(what: str) -> str:
    """Burn something."""
    return f"{what} is ash"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the current folder, which is on the path, too."""
    (tmp_path / "planted.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


async def recorded(name: str, source: str | None) -> tuple[Engine, Agent]:
    """Return an engine without tools, and an agent whose log names a tool and its source."""
    store = MemoryStore()
    spec = ToolSpec(name=name, description="", parameters_schema="{}", source=source)
    agent = await engine_on(store).create_agent(tools=(spec,))
    engine = engine_on(store)
    return engine, await engine.latest(agent.thread_id)


def here(engine: Engine) -> list[str]:
    return [spec.name for spec in engine.tools.specs()]


async def test_tools_of_the_package_are_found_where_the_log_says_that_they_were_in_use() -> None:
    store = MemoryStore()
    shipped = load_tools("messagedb_agent.demo")
    agent = await engine_on(store, None, *shipped).create_agent()
    engine, found = equipped(engine_on(store), agent)
    assert here(engine) == ["charge_card", "send_mail"]
    assert (found.engine, found.id) == (engine, agent.id)
    assert found.definition is not None
    assert engine.tools.specs() == found.definition.tools


async def test_only_the_tools_that_were_in_use_are_added() -> None:
    engine, agent = await recorded("send_mail", "messagedb_agent.demo:send_mail")
    assert here(equipped(engine, agent)[0]) == ["send_mail"]


@pytest.mark.usefixtures("planted")
@pytest.mark.parametrize(
    "source",
    [
        None,
        "planted",
        "planted:send_mail",
        " messagedb_agent.demo",
        "messagedb_agent.demo.planted",
        "messagedb_agent.planted",
        "messagedb_agent.demo;planted",
        "MESSAGEDB_AGENT.DEMO",
        "../planted",
        "antigravity",
    ],
)
async def test_no_module_is_imported_because_a_log_names_it(source: str | None) -> None:
    engine, agent = await recorded("send_mail", source)
    before = (set(sys.modules), list(sys.path))
    assert equipped(engine, agent) == (engine, agent)
    check_tools(Common(), engine, agent, "continue", "last")
    assert (set(sys.modules), list(sys.path)) == before


async def test_ours_are_not_looked_for_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    engine, agent = await recorded("send_mail", "messagedb_agent.demo")
    assert here(equipped(engine, agent)[0]) == ["send_mail"]
    assert sys.path == before


async def waiting(source: str | None) -> tuple[Engine, Agent]:
    """Return an engine without tools, and an agent that waits for one to be allowed."""
    store, model = MemoryStore(), scripted(call("burn", what="a"))
    specs = [burn.spec.model_copy(update={"source": source})]
    asked = engine_on(store, model, burn)
    definition = asked.define(tools=tuple(specs))
    agent = await asked.start("burn it", definition=definition)
    return engine_on(store), agent


@pytest.mark.parametrize(
    ("source", "given", "typed"),
    [
        ("mine", (), "continue --tools mine last"),
        ("mine:burn", ("other",), "continue --tools other --tools mine:burn last"),
        ("x; rm -rf ~", (), "continue --tools 'x; rm -rf ~' last"),
        (None, (), "continue --tools MODULE last (of which the log does not say the module)"),
        # it was named, and has the tool no more
        ("mine", ("mine",), "continue --tools mine --tools MODULE last (of which the log does"),
    ],
)
async def test_who_lacks_the_tool_of_an_open_call_is_told_what_to_type(
    source: str | None, given: tuple[str, ...], typed: str
) -> None:
    engine, agent = await waiting(source)
    with pytest.raises(ConfigurationError) as refused:
        check_tools(Common(tools=given), engine, agent, "continue", "last")
    assert "a call of burn is open in this thread" in str(refused.value)
    assert f"messagedb-agent {typed}" in str(refused.value)


async def test_a_thread_that_can_do_without_says_where_its_tools_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine, agent = await recorded("burn", "my.tools")
    check_tools(Common(), engine, agent, "message", "last", "MESSAGE")
    told = capsys.readouterr().err
    assert told == ("the thread goes on without its tools burn, which come with --tools my.tools\n")


async def test_where_a_tool_was_found_makes_no_other_agent() -> None:
    store = MemoryStore()
    sourced = engine_on(store, scripted("one"), burn).define(
        tools=(burn.spec.model_copy(update={"source": "mine"}),)
    )
    engine = engine_on(store, scripted("one", "two"), burn)
    agent = await engine.start("hi", definition=sourced)
    again = await agent.advance("more")
    assert again.definition == sourced

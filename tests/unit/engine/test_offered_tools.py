"""A model can have no tool run that it was not offered."""

from messagedb_agent.agents.attending import attend
from messagedb_agent.agents.engine import Engine
from messagedb_agent.agents.progress import SILENT
from messagedb_agent.llm.scripted import ScriptedModel, call, say
from messagedb_agent.projections.effects import effects
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.toolbox import Toolbox
from tests.unit.engine.world import look


async def test_a_tool_that_is_here_but_was_not_offered_does_not_run_nor_wait_for_approval() -> None:
    """Nobody would be asked: that a person must allow it is recorded with what is offered."""
    wiped: list[str] = []

    @tool(needs_approval=True)
    def wipe(where: str) -> str:
        """Wipe something."""
        wiped.append(where)
        return "wiped"

    store, model = (
        MemoryStore(),
        ScriptedModel(say("", call("wipe", where="all")), "It is not there."),
    )
    before = Engine(store, lambda _: model, Toolbox(look))
    agent = await before.start("hello", detached=True)
    worker = Engine(store, lambda _: model, Toolbox(look, wipe))
    await attend(worker._runs, agent.thread_id, SILENT)
    assert wiped == []
    folded = await worker.fold(agent.thread_id, effects)
    (effect,) = folded
    assert effect.outcome == "failed"
    assert "there is no tool 'wipe'; there are: look" in effect.text
    assert (await worker.latest("last")).answer == "It is not there."

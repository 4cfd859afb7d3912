"""What is said after a turn that a limit stopped."""

import pytest

from messagedb_agent import Agent, Limits, MemoryStore, connect
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.next_steps import hints, of_limits
from messagedb_agent.errors import LimitReached


async def test_a_limit_of_the_thread_is_raised_in_python_as_no_setting_makes_it() -> None:
    async with connect(MemoryStore()) as engine:
        definition = engine.define(limits=Limits(tokens_per_thread=1))
        with pytest.raises(LimitReached) as stopped:
            await engine.start("What is 42 * 7?", definition=definition)
        agent = stopped.value.agent
        assert isinstance(agent, Agent)
        _, go_on = hints(Common(), agent, "6f9c01")
        assert of_limits(agent).startswith(" (")
        assert "setting" not in of_limits(agent)
        assert "agent.resume(limits=Limits(" in go_on
        raised = await agent.resume(limits=Limits(tokens_per_thread=1000))
        assert raised.answer == "42 * 7 = 294."

"""Scripts of what people do. Each runs to its end whatever goes wrong meanwhile."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.simulation.people import People

Script = Callable[[People], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script.

    Attributes:
        name: what it is called on the command line.
        script: what people do.
        shows: types of events that stand in the log where nothing goes wrong.
    """

    name: str
    script: Script
    shows: frozenset[str]


SCENARIOS: dict[str, Scenario] = {}


def _scenario(*shows: str) -> Callable[[Script], Script]:
    def noted(script: Script) -> Script:
        name = script.__name__.replace("_", "-")
        SCENARIOS[name] = Scenario(name, script, frozenset(shows))
        return script

    return noted


@_scenario("LlmResponseReceived")
async def plain_answer(people: People) -> None:
    await people.start("a", "hello")


@_scenario("ToolExecutionCompleted")
async def one_tool(people: People) -> None:
    await people.start("a", "do charge")
    await people.say("a", "thanks")


@_scenario("ToolExecutionCompleted", "ToolExecutionFailed")
async def parallel_tools(people: People) -> None:
    await people.start("a", "do look+charge+ship+send+nothing; look")

"""Scripts of what people do. Each runs to its end whatever goes wrong meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from messagedb_agent.agents.turn_options import TurnOptions
from messagedb_agent.events.values import Limits
from tests.simulation.people import People
from tests.simulation.staff import Staff

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


@_scenario("ToolExecutionCompleted")
async def parallel_tools(people: People) -> None:
    await people.start("a", "do look+charge+ship+send; look")


@_scenario("ToolExecutionFailed")
async def calls_that_cannot_run(people: People) -> None:
    await people.start("a", "do nothing+badly; badly+look")


@_scenario("ToolApprovalRequested", "ToolExecutionApproved", "ToolExecutionCompleted")
async def approval(people: People) -> None:
    await people.start("a", "do ask+look")
    await people.judge("a", allow=True)


@_scenario("ToolApprovalRequested", "ToolExecutionDenied")
async def denial(people: People) -> None:
    await people.start("a", "do ask+ask")
    await people.judge("a", allow=False)


@_scenario("ToolExecutionCompleted")
async def a_message_during_a_turn(people: People) -> None:
    async def interject() -> None:
        await people.when("a", "ToolExecutionStarted")
        await people.say("a", "and do look")

    await asyncio.gather(people.start("a", "do charge; ship"), interject())


@_scenario("ToolExecutionCompleted")
async def a_message_during_a_model_call(people: People) -> None:
    async def interject() -> None:
        await people.when("a", "LlmCallStarted")
        await people.say("a", "do charge")

    await asyncio.gather(people.start("a", "hello, slow"), interject())


@_scenario("TurnCancelled")
async def an_interruption(people: People) -> None:
    async def interrupt() -> None:
        await people.when("a", "ToolExecutionStarted")
        await people.say("a", "do look", during="interrupt")

    await asyncio.gather(people.start("a", "do late+charge"), interrupt())


@_scenario("TurnCancelled", "LlmCallFailed")
async def a_cancelled_model_call(people: People) -> None:
    async def cancel() -> None:
        await people.when("a", "LlmCallStarted")
        await people.cancel("a")

    await asyncio.gather(people.start("a", "do look, slow"), cancel())
    await people.say("a", "do charge")


@_scenario("TurnCancelled", "ToolExecutionFailed")
async def cancelled_tools(people: People) -> None:
    async def cancel() -> None:
        await people.when("a", "ToolExecutionStarted")
        await people.cancel("a")

    await asyncio.gather(people.start("a", "do look+charge+ship+late+stubborn+ask"), cancel())


@_scenario("SessionTerminationRequested", "SessionCompleted")
async def an_end_and_a_return(people: People) -> None:
    async def end() -> None:
        await people.when("a", "ToolExecutionStarted")
        await people.end("a")

    await asyncio.gather(people.start("a", "do late"), end())
    await people.say("a", "do charge")
    await people.end("a")


@_scenario("ToolOutcomeResolved")
async def a_lost_outcome(people: People) -> None:
    await people.start("a", "do hopeless")
    await people.resolve("a")
    await people.say("a", "and now?")


@_scenario("SessionStarted")
async def forks(people: People) -> None:
    await people.start("a", "do charge")
    await people.say("a", "do send")
    await people.fork("a", 4, "do ship", named="b")
    await people.fork("b", 2, "do look", named="c")


@_scenario("LimitReached", "SessionContinued")
async def a_limit(people: People) -> None:
    await people.start("a", "do look; charge", Limits(calls_per_turn=2, tokens_per_thread=20))
    await people.go_on("a", Limits(calls_per_turn=9, tokens_per_thread=1000))


@_scenario("LlmCallFailed", "SessionContinued")
async def a_model_that_fails(people: People) -> None:
    await people.start("a", "do look, fail once")
    await people.say("a", "fail once more")


@_scenario("ContextCompacted")
async def compaction(people: People) -> None:
    await people.start("a", "do look; charge")
    await people.say("a", "overflow")
    await people.say("a", "do ship")


@_scenario("LlmResponseReceived")
async def outputs(people: People) -> None:
    """Answers that must be values: at once, behind tools, at the second try, and at the fourth."""
    await people.start("a", "do charge, as a value")
    await people.say("a", "do look, bad, as a value")
    await people.say("a", "worse, as a value")
    await people.say("a", "thanks")


@_scenario("ContextCompacted", "AgentRedefined")
async def a_conversation_grown_long(people: People) -> None:
    await people.start("a", "do look")
    await people.say("a", "do charge", context="last_n:3")
    await people.say("a", "do send")
    await people.say("a", "do ship", context="summarize:10")


@_scenario("AgentRedefined", "LimitReached")
async def a_turn_of_its_own(people: People) -> None:
    """What holds for one turn, with an output that is mended, of a user who is known."""
    await people.remember("ada", "home", "Paris")
    await people.start("a", "hello, knows Paris", user="ada", context="last_n:5,sliding")
    await people.remember("ada", "home", "Rome")
    warm = TurnOptions(temperature=1, max_tool_rounds=1)
    await people.say("a", "do charge, warm, bad, knows Rome, as a value", options=warm)
    await people.go_on("a", Limits(rounds_per_turn=9))
    await people.say("a", "thanks, knows Rome")


@_scenario("AgentRedefined")
async def another_model(people: People) -> None:
    await people.start("a", "do charge")
    await people.say("a", "do ship", model="another")


@_scenario("UserMessageAdded")
async def the_same_message_from_two_clients(people: People) -> None:
    await asyncio.gather(people.start("a", "do charge"), people.start("a", "do charge"))
    await asyncio.gather(people.say("a", "do send"), people.say("a", "do send"))


@_scenario("UserMessageAdded")
async def rivals(people: People) -> None:
    await people.start("a", "hello")
    await asyncio.gather(
        people.say("a", "do charge"), people.say("a", "do ship"), people.say("a", "do send")
    )


@_scenario("ToolExecutionCompleted")
async def many_threads(people: People) -> None:
    """One process with many threads, whose appends are written together; one is in conflict."""

    async def disturb() -> None:
        await people.when("t2", "ToolExecutionStarted")
        await people.say("t2", "do look")

    names = [f"t{n}" for n in range(4)]
    await asyncio.gather(people.start_all(names, "do charge"), disturb())


@_scenario("ToolExecutionCompleted")
async def transactional_tools(people: People) -> None:
    """Tools that write with their outcomes, while others wait for the lock of the category."""
    await asyncio.gather(people.start("a", "do book+charge; book"), people.start("b", "do book"))


@_scenario("TurnCancelled")
async def a_cancelled_transaction(people: People) -> None:
    async def cancel() -> None:
        await people.when("a", "ToolExecutionStarted")
        await people.cancel("a")

    await asyncio.gather(people.start("a", "do book+late+book"), cancel())
    await people.say("a", "do book")


@_scenario("ToolExecutionCompleted")
async def workers(people: People) -> None:
    """Two workers share what others only write down; they bring it to its rest alone."""
    staff = Staff(people.world, size=2)
    staff.begin()
    staff.begin()
    await asyncio.gather(
        people.start("a", "do charge", detached=True),
        people.start("b", "do ship+send", detached=True),
        people.start("c", "do look", detached=True),
    )
    await people.when("a", "ToolExecutionStarted")
    await people.say("a", "do look", detached=True)
    await staff.all_rest()
    staff.go_home()

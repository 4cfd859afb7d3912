"""Answers that no model should give: through real litellm, to an engine whose turn must end."""

from collections import Counter
from collections.abc import Mapping

import pytest

from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.events.request import Delta
from messagedb_agent.events.schema import LlmCallFailed, LlmResponseReceived
from messagedb_agent.llm.litellm_model import LitellmModel, Target
from messagedb_agent.llm.retrying import Retrying, RetryPolicy
from tests.end_to_end.llm.asking import FORMS, KEY, NAMES, Sleeps
from tests.end_to_end.llm.hostile_answers import CALLS, RUN, SHAPES, STREAMS, TEXTS
from tests.model_server import Answer, ModelServer, Received, Say
from tests.properties.hostile import World

RETRIES = 2
FIRST = 2  # messages of the first request: the system prompt, and what the user says
FINE = Say("fine")


def model_at(server: ModelServer, form: str) -> Retrying:
    base = server.url + ("/v1" if form == "openai" else "")
    target = Target(NAMES[form], {"api_base": base, "api_key": KEY}, (KEY,))
    return Retrying(LitellmModel(target), RetryPolicy(max_retries=RETRIES), sleep=Sleeps())


async def after(server: ModelServer, answer: Answer, *, streamed: bool) -> World:
    """Take a turn whose model answers so, and then others, whose models are well.

    Returns:
        The world after them, its log checked.
    """

    def say(received: Received) -> Answer:
        return answer if len(received.body["messages"]) == FIRST else FINE

    server.then(*[say] * (RETRIES + 2))
    world = World(model_at(server, "openai"))
    heard: list[Delta] = []
    await world.says("go on", Progress(on_delta=heard.append) if streamed else SILENT)
    world.check_rest()
    server.then(*[FINE] * 3)
    await world.deny_all()
    for form in FORMS:
        world.model = model_at(server, form)
        await world.says("are you well?")
        assert world.at_rest.answer == "fine"
    told = [recorded.event for recorded in await world.check_log()]
    assert len([e for e in told if isinstance(e, LlmResponseReceived | LlmCallFailed)]) >= 3
    assert server.refusals == []
    return world


def both_ways(answers: Mapping[str, Answer]) -> pytest.MarkDecorator:
    """Try each answer in one piece, and streamed where it can be."""
    tried = [pytest.param(answer, False, id=f"{name}, whole") for name, answer in answers.items()]
    tried += [
        pytest.param(answer, True, id=f"{name}, streamed")
        for name, answer in answers.items()
        if isinstance(answer, Say)
    ]
    return pytest.mark.parametrize(("answer", "streamed"), tried)


@both_ways(TEXTS)
async def test_text_is_text_whatever_it_says(
    server: ModelServer, answer: Answer, streamed: bool
) -> None:
    assert (await after(server, answer, streamed=streamed)).ran == []


@both_ways(CALLS)
async def test_a_call_that_is_not_right_never_runs(
    server: ModelServer, answer: Answer, streamed: bool
) -> None:
    assert (await after(server, answer, streamed=streamed)).ran == []


@both_ways({name: answer for name, (answer, _) in RUN.items()})
async def test_a_call_that_is_right_runs_however_odd_its_answer_is(
    server: ModelServer, answer: Answer, streamed: bool
) -> None:
    [runs] = [runs for one, runs in RUN.values() if one is answer]
    world = await after(server, answer, streamed=streamed)
    assert Counter(name for name, _ in world.ran) == runs


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("answer", SHAPES.values(), ids=SHAPES)
async def test_what_is_no_answer_ends_the_turn(
    server: ModelServer, answer: Answer, streamed: bool
) -> None:
    assert (await after(server, answer, streamed=streamed)).ran == []


@pytest.mark.parametrize("answer", STREAMS.values(), ids=STREAMS)
async def test_a_stream_that_is_none_ends_the_turn(server: ModelServer, answer: Answer) -> None:
    assert (await after(server, answer, streamed=True)).ran == []

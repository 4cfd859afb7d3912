"""Whatever stands in a stream, what a model is asked with then is taken by a strict provider."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import CallModel, Compact
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Reply, Request
from messagedb_agent.events.strategy import estimated_tokens
from messagedb_agent.llm.litellm_library import close_connections
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.requests import next_request, next_summary
from tests.end_to_end.llm.asking import FORMS, Asker
from tests.model_server import ModelServer, Say
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, session_of
from tests.properties.streams import SESSIONS

HISTORIES = SESSIONS | st.builds(
    lambda agent, moves: tuple(session_of(agent, moves).log.records), st.integers(0, 2), MOVES
)


def requests_of(stream: tuple[Recorded, ...]) -> Iterator[Request]:
    """Yield all that models are asked with while a stream grows."""
    shown = conversation.initial
    for recorded in stream:
        shown = conversation.evolve(shown, recorded)
        match decide(shown.state):
            case CallModel():
                yield next_request(shown, estimated_tokens).request
            case Compact():
                yield next_summary(shown).request
            case _:
                pass


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner
        runner.run(close_connections())


@pytest.mark.parametrize("form", FORMS)
def test_the_longest_request_of_any_history_is_answered(form: str, runner: asyncio.Runner) -> None:
    with ModelServer() as server:

        @examples(100)
        @given(HISTORIES)
        def tried(stream: tuple[Recorded, ...]) -> None:
            asked = max(requests_of(stream), key=lambda r: len(r.messages), default=None)
            if asked is not None:
                server.then(Say("fine"))
                answer = runner.run(Asker(server, form)(asked))
                assert isinstance(answer, Reply), (answer, asked)

        tried()
        assert len(server.requests) > 30
        assert server.refusals == []

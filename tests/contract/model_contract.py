"""What every model keeps, whoever answers: the suite behind the `LanguageModel` protocol."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from messagedb_agent.events.request import CallFailure, Delta, Reply, Request
from messagedb_agent.llm.model import LanguageModel


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A kind of model under test.

    Attributes:
        build: makes a model that answers in turn as asked for: `text` (some text), `calls` (at
            least one call, with a JSON object as arguments), `failure`.
        request: makes a request that brings such an answer about.
        can_fail: whether a `failure` can be brought about at all.
    """

    build: Callable[..., LanguageModel]
    request: Callable[..., Request]
    can_fail: bool = True


class ModelContract:
    """Subclasses give the fixture `behaviour`."""

    async def test_the_pieces_shown_are_the_text(self, behaviour: Behaviour) -> None:
        deltas: list[Delta] = []
        reply = await behaviour.build("text").complete(behaviour.request(), on_delta=deltas.append)
        assert isinstance(reply, Reply)
        assert reply.text
        assert "".join(delta.text for delta in deltas if delta.kind == "text") == reply.text

    async def test_the_answer_is_the_same_when_nobody_listens(self, behaviour: Behaviour) -> None:
        model = behaviour.build("text", "text")
        listened = await model.complete(behaviour.request(), on_delta=lambda delta: None)
        alone = await model.complete(behaviour.request())
        assert isinstance(listened, Reply)
        assert isinstance(alone, Reply)
        assert (listened.text, listened.usage) == (alone.text, alone.usage)

    async def test_calls_have_names_and_arguments_and_a_finish_reason(
        self, behaviour: Behaviour
    ) -> None:
        reply = await behaviour.build("calls").complete(behaviour.request(calls=True))
        assert isinstance(reply, Reply)
        assert reply.finish_reason == "tool_calls"
        assert reply.calls
        for call in reply.calls:
            assert call.name
            assert isinstance(json.loads(call.arguments), dict)

    async def test_the_last_attempt_answered(self, behaviour: Behaviour) -> None:
        reply = await behaviour.build("text").complete(behaviour.request())
        assert isinstance(reply, Reply)
        assert [attempt.kind for attempt in reply.attempts][-1] == "answered"
        assert reply.attempts[-1].usage is None  # the reply has it

    async def test_a_failure_is_a_value(self, behaviour: Behaviour) -> None:
        if behaviour.can_fail:
            outcome = await behaviour.build("failure").complete(behaviour.request())
            assert isinstance(outcome, CallFailure)
            assert outcome.message

    async def test_calls_at_the_same_time_do_not_meet(self, behaviour: Behaviour) -> None:
        model = behaviour.build(*["text"] * 5)
        shown: list[list[str]] = [[] for _ in range(5)]

        async def ask(index: int) -> Reply | CallFailure:
            return await model.complete(
                behaviour.request(), on_delta=lambda delta: shown[index].append(delta.text)
            )

        replies = await asyncio.gather(*(ask(index) for index in range(5)))
        for reply, pieces in zip(replies, shown, strict=True):
            assert isinstance(reply, Reply)
            assert "".join(pieces) == reply.text

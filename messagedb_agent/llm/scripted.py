"""A model for tests: it says what it was given to say, and keeps what it was asked."""

import inspect
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, TypeAlias

from messagedb_agent.events.request import CallFailure, Reply, Request, RequestedCall, UserText
from messagedb_agent.events.values import Attempt
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.offline import counted_usage, stream_words

Said: TypeAlias = str | RequestedCall | tuple[RequestedCall, ...] | Reply | CallFailure
"""What a model says: a text, tool calls, a whole reply, or a failure."""

Answer: TypeAlias = Said | Callable[[Request], Said | Awaitable[Said]]
"""What a script holds: what is said, or a function of the request that gives it."""


class OutOfAnswers(AssertionError):
    """A scripted model was asked more often than its script has answers.

    An engine records it as a failed model call, as it does with any fault of a model: what the test
    sees is a `ModelError` of kind `internal`, with this text.
    """


class ScriptedModel:
    """Answers with its script, in order, whatever is asked.

    Texts and calls become replies that cost nothing and count words as tokens; text is streamed
    word by word where somebody listens.

    Args:
        answers: the script.
        repeat: begin again after the last answer.

    Attributes:
        requests: every request so far, oldest first.
    """

    def __init__(self, *answers: Answer, repeat: bool = False) -> None:
        self.requests: list[Request] = []
        self._answers = answers
        self._repeat = repeat

    async def complete(
        self, request: Request, *, on_delta: OnDelta | None = None
    ) -> Reply | CallFailure:
        """Give the next answer.

        Raises:
            OutOfAnswers: there is none, which is a fault of the test.
        """
        self.requests.append(request)
        answer = self._next(request)
        said = answer(request) if callable(answer) else answer
        if inspect.isawaitable(said):
            said = await said
        outcome = _outcome(request, said)
        if isinstance(outcome, Reply):
            stream_words(outcome.text, on_delta)
        return outcome

    def _next(self, request: Request) -> Answer:
        asked, scripted = len(self.requests), len(self._answers)
        if asked <= scripted:
            return self._answers[asked - 1]
        if self._repeat and scripted:
            return self._answers[(asked - 1) % scripted]
        texts = [message.text for message in request.messages if isinstance(message, UserText)]
        last = repr(texts[-1][:80]) if texts else "nothing"
        raise OutOfAnswers(
            f"the script has {scripted} answers, and this is request {asked}; "
            f"the user said last: {last}"
        )


def call(name: str, /, **arguments: Any) -> RequestedCall:
    """Return a tool call.

    Args:
        name: the tool's name.
        arguments: its arguments, values that JSON can hold.

    Raises:
        TypeError: JSON cannot hold one of them.
    """
    return RequestedCall(None, name, json.dumps(arguments))


def say(text: str, *calls: RequestedCall) -> Callable[[Request], Reply]:
    """Return an answer of text, with tool calls if any are given.

    Args:
        text: what the model says; may be empty where there are calls.
        calls: the tools it asks for, in order.
    """
    return lambda request: _reply(request, text, calls)


def _outcome(request: Request, said: Said) -> Reply | CallFailure:
    match said:
        case Reply() | CallFailure():
            return said
        case str():
            return _reply(request, said, ())
        case RequestedCall():
            return _reply(request, "", (said,))
        case tuple():
            return _reply(request, "", said)


def _reply(request: Request, text: str, calls: tuple[RequestedCall, ...]) -> Reply:
    usage = counted_usage(request, text, calls)
    return Reply(
        model=request.model,
        text=text,
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=usage,
        cost_usd=Decimal(0),
        attempts=(Attempt(model=request.model, kind="answered", elapsed_ms=0),),
    )

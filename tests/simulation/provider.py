"""The model: it answers what the user's text asks for, and refuses what no provider takes.

A text that begins with `do` holds rounds: `do look+charge; send, please`. The tools of a round are
called together, one round after the other; then the model says what it was asked. What it answers
follows from the request alone, so that it does not matter who asks, or how often.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from messagedb_agent.events.request import (
    AssistantReply,
    CallFailure,
    Reply,
    Request,
    RequestedCall,
    RequestMessage,
    UserText,
)
from messagedb_agent.events.values import Attempt, Usage
from messagedb_agent.llm.model import LanguageModel, OnDelta
from messagedb_agent.projections.conversation import REJECTED
from messagedb_agent.projections.requests import SUMMARY_INSTRUCTION
from tests.properties.conversation_rules import broken_rule
from tests.simulation.faults import Faults
from tests.simulation.loop import PROCESS, Killed

_ANSWER_S = 0.1
_SLOW_S = 2.0
_STALL_S = 3.0
_LONG = 4  # messages that overflow, where a text says so
_IS_SLOW = "slow"
_FAILS = "fail once"
_OVERFLOWS = "overflow"
_IS_WARM = "warm"
_KNOWS = "knows "
_BAD_VALUES = {"": 0, "bad": 1, "worse": 3}  # words, and how many answers are no value then
_NOTE = REJECTED.partition("{")[0]
_USAGE = Usage(input_tokens=10, output_tokens=1)
_ATTEMPTS = (Attempt(model="simulated", kind="answered", elapsed_ms=100),)
_BROKEN = {"nothing": ("nothing", '{"n": 1}'), "badly": ("look", '{"n": "x"}')}


class Provider:
    """Answers requests.

    Args:
        faults: what goes wrong.
        say: writes the log of the run.

    Attributes:
        asked: how many requests there were.
        refused: what was wrong with requests.
    """

    def __init__(self, faults: Faults, say: Callable[[str], None]) -> None:
        self.asked = 0
        self.refused: list[str] = []
        self._faults = faults
        self._say = say
        self._failed: Counter[str] = Counter()

    def __call__(self, name: str) -> LanguageModel:
        return self

    async def complete(
        self, request: Request, *, on_delta: OnDelta | None = None
    ) -> Reply | CallFailure:
        process = PROCESS.get()
        if process is None or not process.alive:
            raise Killed
        self.asked += 1
        self._say(f"{process} asks the model, {len(request.messages)} messages")
        messages = tuple(request.messages)
        is_output = request.output_schema is not None
        if rule := _broken(messages):
            self.refused.append(rule)
        due = {fault.kind: fault for fault in self._faults.at("model")}
        for fault in due.values():
            self._say(f"{process} {fault}")
        stall = due.get("stall")
        text, rounds = _said(messages[:-1] if is_output else messages)
        self.refused += _otherwise(request, text)
        answer_s = _SLOW_S if _IS_SLOW in text else _ANSWER_S
        await asyncio.sleep(answer_s if stall is None else stall.size * _STALL_S)
        if "break" in due:
            raise RuntimeError("a bug in an adapter")
        if "fail" in due:
            return CallFailure("unavailable", "try again later")
        answer = self._answer(text, rounds, len(messages), cut="cut" in due)
        if is_output and isinstance(answer, Reply) and not answer.calls:
            fits = _sent_back(messages) >= max(n for word, n in _BAD_VALUES.items() if word in text)
            return replace(answer, text='{"n": 1}' if fits else "one")
        return answer

    def _answer(self, text: str, rounds: int, length: int, *, cut: bool) -> Reply | CallFailure:
        if text == SUMMARY_INSTRUCTION:
            return _reply("in short", ())
        if _OVERFLOWS in text and length > _LONG:
            return CallFailure("context_overflow", "too long")
        if _FAILS in text and not self._failed[text]:
            self._failed[text] += 1
            return CallFailure("rate_limited", "too often")
        if rounds >= len(wanted := _rounds(text)):
            return _reply(f"done: {text}", ())
        calls = tuple(_call(name, rounds) for name in wanted[rounds])
        if cut:
            last = RequestedCall(None, calls[-1].name, '{"n": ')
            return _reply("", (*calls[:-1], last), finish_reason="length")
        return _reply("", calls)


def _otherwise(request: Request, text: str) -> Iterator[str]:
    """Yield what is not set, or not told, as the user's text says that it is in this turn."""
    if text != SUMMARY_INSTRUCTION and (_IS_WARM in text) != _is_set(request):
        yield f"{text}: asked with {request.parameters}"
    known = text.partition(_KNOWS)[2].partition(",")[0]
    if known not in request.system_prompt:
        yield f"{text}: told {request.system_prompt}"


def _is_set(request: Request) -> bool:
    return request.parameters.temperature is not None


def _sent_back(messages: Sequence[RequestMessage]) -> int:
    """Return how many answers were sent back since the user spoke last."""
    count = 0
    for message in reversed(messages[:-1]):
        if isinstance(message, UserText) and not message.text.startswith(_NOTE):
            break
        count += isinstance(message, UserText)
    return count


def _said(messages: Sequence[RequestMessage]) -> tuple[str, int]:
    """Return what the user said last, and how many rounds there were since."""
    rounds = 0
    for message in reversed(messages):
        if isinstance(message, UserText) and not message.text.startswith(_NOTE):
            return message.text, rounds
        rounds += isinstance(message, AssistantReply) and bool(message.calls)
    return "", rounds


def _rounds(text: str) -> list[list[str]]:
    if not text.startswith("do "):
        return []
    rounds = text.removeprefix("do ").partition(",")[0]
    return [round.strip().split("+") for round in rounds.split(";")]


def _call(name: str, round: int) -> RequestedCall:
    if name in _BROKEN:
        return RequestedCall(None, *_BROKEN[name])
    return RequestedCall(None, name, json.dumps({"n": round}))


def _reply(text: str, calls: tuple[RequestedCall, ...], finish_reason: str | None = None) -> Reply:
    return Reply(
        model="simulated",
        text=text,
        calls=calls,
        finish_reason=finish_reason or ("tool_calls" if calls else "stop"),
        usage=_USAGE,
        cost_usd=Decimal(0),
        attempts=_ATTEMPTS,
    )


def _broken(messages: Sequence[RequestMessage]) -> str | None:
    if not messages or isinstance(messages[-1], AssistantReply):
        return "a request that ends with a reply, or is empty"
    return broken_rule(messages)

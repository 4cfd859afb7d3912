"""The offline model: a few fixed rules that need no key and no network. It is no language model.

What it does is decided from the request alone, first rule that fits:

0. A request for a title gets the first words of what the user said first; one for facts what
   follows on a few phrases, such as "my name is".
1. `call NAME {json}` lines in the user's last message call those tools, whatever the names and
   arguments are; several lines are parallel calls, `then` on a line of its own begins the next
   round. After the last round it reports the results.
2. Arithmetic (`What is 42 * 7?`) calls `calculate`, questions about the time call
   `get_current_time`, where these are offered; both in one message are parallel calls.
3. Thanks and greetings have a fixed answer.
4. To anything else it says what it is, and how to have a language model instead.

Where the answer must be an output, it is the plainest value that fits the schema, in place of what
would have been said: the tools are called all the same.

Rounds are counted from the replies after the user's last message, so that it always comes to an
end. Its tokens are words: what `str.split` makes of the texts.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from messagedb_agent.events.request import (
    FACTS_INSTRUCTION,
    TITLE_INSTRUCTION,
    AskedCall,
    AssistantReply,
    Delta,
    Reply,
    Request,
    RequestedCall,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import Attempt, JsonText, Usage
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.offline_facts import facts_in
from messagedb_agent.llm.offline_value import plain_value
from messagedb_agent.llm.questions import calculations, time_questions

WHAT_IT_IS = """\
I am the offline stand-in: a few fixed rules, not a language model. I can do arithmetic \
("What is 42 * 7?"), tell the time, and call any tool: write a line such as
call echo {"text": "hello"}
For real answers, name a model and set its provider's key, for example with \
--model anthropic/claude-haiku-4-5 and ANTHROPIC_API_KEY, or set MODEL_NAME."""

_WELCOME = "You are welcome!"
_HELLO = (
    "Hello! I am the offline stand-in, not a language model. "
    'Ask me for arithmetic ("What is 42 * 7?") or for the time.'
)

_THANKS = re.compile(r"\b(?:thanks|thank you|thx)\b", re.IGNORECASE)
_GREETING = re.compile(r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening))\b", re.IGNORECASE)

_TITLE_WORDS = 8

Round = tuple[RequestedCall, ...]


class OfflineModel:
    """Answers by the rules above; the same request always has the same answer."""

    async def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """Answer one request; it never fails, and costs nothing."""
        asked = request.messages if request.output_schema is None else request.messages[:-1]
        turn = _turn(asked)
        if turn.said.startswith(TITLE_INSTRUCTION):
            return _replied(request, _title(turn.said), (), on_delta)
        if turn.said.startswith(FACTS_INSTRUCTION):
            found = facts_in(turn.said.removeprefix(FACTS_INSTRUCTION))
            return _replied(request, found, (), on_delta)
        plan = _plan(turn.said, frozenset(tool.name for tool in request.tools))
        done = sum(1 for reply in turn.replies if reply.calls)
        calls = plan[done] if done < len(plan) else ()
        text = "" if calls else _output(request.output_schema) or _report(turn) or _talk(turn.said)
        return _replied(request, text, calls, on_delta)


def _replied(request: Request, text: str, calls: Round, on_delta: OnDelta | None) -> Reply:
    stream_words(text, on_delta)
    return Reply(
        model="offline",
        text=text,
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=counted_usage(request, text, calls),
        cost_usd=Decimal(0),
        attempts=(Attempt(model="offline", kind="answered", elapsed_ms=0),),
    )


def _title(said: str) -> str:
    """Return the first words of what was said first in the conversation that a request quotes."""
    begins = said.removeprefix(TITLE_INSTRUCTION).strip().removeprefix("User:").strip()
    return " ".join(begins.partition("\n")[0].split()[:_TITLE_WORDS])


@dataclass(frozen=True, slots=True)
class _Turn:
    """What was said last, and what has come of it."""

    said: str
    replies: tuple[AssistantReply, ...]
    answers: tuple[ToolAnswer, ...]


def _turn(messages: Sequence[RequestMessage]) -> _Turn:
    said = [index for index, message in enumerate(messages) if isinstance(message, UserText)]
    start = said[-1] if said else 0
    last = messages[start] if messages else None
    after = messages[start:]
    return _Turn(
        said=last.text if isinstance(last, UserText) else "",
        replies=tuple(message for message in after if isinstance(message, AssistantReply)),
        answers=tuple(message for message in after if isinstance(message, ToolAnswer)),
    )


def _output(schema: JsonText | None) -> str:
    try:
        wanted = json.loads(schema or "null")
        return json.dumps(plain_value(wanted)) if isinstance(wanted, dict) else ""
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return ""  # the schema is somebody else's, and may be no schema at all


def _plan(said: str, offered: frozenset[str]) -> list[Round]:
    """Return the calls of each round."""
    if scripted := _scripted(said, offered):
        return scripted
    asked: list[tuple[str, dict[str, str]]] = []
    if "calculate" in offered:
        asked += [("calculate", {"expression": found}) for found in calculations(said)]
    if "get_current_time" in offered:
        asked += [
            ("get_current_time", {"timezone": zone} if zone else {})
            for zone in time_questions(said)
        ]
    if not asked:
        return []
    return [_numbered(((name, json.dumps(arguments)) for name, arguments in asked), 0)]


def _scripted(said: str, offered: frozenset[str]) -> list[Round]:
    rounds: list[list[tuple[str, str]]] = [[]]
    for line in said.splitlines():
        match line.strip().split(maxsplit=2):
            case ["then"]:
                rounds.append([])
            case ["call", name]:
                rounds[-1].append((name, "{}"))
            case ["call", name, arguments] if _is_call(name, arguments, offered):
                rounds[-1].append((name, arguments))
    filled = [calls for calls in rounds if calls]
    return [_numbered(calls, index) for index, calls in enumerate(filled)]


def _is_call(name: str, arguments: str, offered: frozenset[str]) -> bool:
    """Tell a call from a sentence that begins with the word, such as "call me tomorrow"."""
    return name in offered or arguments.startswith(("{", "[", '"'))


def _numbered(calls: Iterable[tuple[str, str]], round_index: int) -> Round:
    return tuple(
        RequestedCall(f"offline_{round_index}_{index}", name, arguments)
        for index, (name, arguments) in enumerate(calls)
    )


def _report(turn: _Turn) -> str:
    """Say what the tools gave, in the order they were asked; nothing where none were."""
    texts = {answer.call_id: answer.text for answer in turn.answers}
    asked = [call for reply in turn.replies for call in reply.calls]
    return "\n".join(_told(call, texts[call.call_id]) for call in asked if call.call_id in texts)


def _told(call: AskedCall, text: str) -> str:
    # A result of these two begins with a digit or a sign; a failure is told in words.
    is_value = re.match(r"-?\d", text) is not None
    if is_value and call.name == "get_current_time":
        return f"It is {text}."
    if call.name == "calculate":
        return f"{_expression(call)} = {text}." if is_value else f"{_expression(call)}: {text}"
    return f"{call.name}: {text}"


def _expression(call: AskedCall) -> str:
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return call.name
    expression = arguments.get("expression") if isinstance(arguments, dict) else None
    return expression if isinstance(expression, str) else call.name


def _talk(said: str) -> str:
    if _THANKS.search(said):
        return _WELCOME
    return _HELLO if _GREETING.match(said) and len(said.split()) <= 6 else WHAT_IT_IS


def stream_words(text: str, on_delta: OnDelta | None) -> None:
    """Tell `on_delta` the text word by word; the pieces together are the text."""
    if on_delta is not None:
        for piece in re.findall(r"\s*\S+|\s+$", text):
            on_delta(Delta("text", piece))


def counted_usage(request: Request, text: str, calls: Iterable[RequestedCall]) -> Usage:
    """Return words as tokens: of the request, and of the answer's text and calls."""
    asked = [request.system_prompt, *(_words_of(message) for message in request.messages)]
    answered = [text, *(f"{call.name} {call.arguments}" for call in calls)]
    return Usage(
        input_tokens=sum(len(part.split()) for part in asked),
        output_tokens=sum(len(part.split()) for part in answered),
    )


def _words_of(message: RequestMessage) -> str:
    match message:
        case UserText() | ToolAnswer():
            return message.text
        case AssistantReply():
            calls = (f"{call.name} {call.arguments}" for call in message.calls)
            return " ".join((message.text, *calls))

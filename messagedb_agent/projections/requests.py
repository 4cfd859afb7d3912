"""Requests to a model, folded from a conversation; each with its digest and a name for ever."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import overload

from messagedb_agent.events.chain import GENESIS
from messagedb_agent.events.request import (
    FACTS_INSTRUCTION,
    TITLE_INSTRUCTION,
    AssistantReply,
    Request,
    RequestMessage,
    UserText,
)
from messagedb_agent.events.schema import LlmCallStarted
from messagedb_agent.events.strategy import recorded
from messagedb_agent.events.values import MessageRange, ModelParameters
from messagedb_agent.projections.conversation import Conversation, Entry
from messagedb_agent.projections.digest import (
    message_digest,
    messages_digest,
    request_digest,
    settings_digest,
)
from messagedb_agent.projections.halving import older_half, shortened
from messagedb_agent.projections.window import CountTokens, heeded, kept, left_out
from messagedb_agent.records import record

SUMMARY_INSTRUCTION = (
    "Summarise the conversation above for yourself: you will go on with nothing but this summary."
    " Keep every fact, decision, name, number and open question. Answer with the summary alone."
)

_TITLE_MESSAGES = 8  # of a conversation, that its title is made of
_TITLE_CHARS = 1_000  # of each of them
_FACTS_CHARS = 4_000  # of each message that facts are looked for in


OUTPUT_INSTRUCTION = (
    "Your answer must be one JSON value that fits the JSON Schema below, and nothing else:"
    " no other text, no code fence.\n\n"
)
"""What a request for an output ends with, before the schema."""


@record
class FoldedRequest:
    """A request and where it came from.

    Attributes:
        request: what the model is asked with.
        digest: its digest, as `LlmCallStarted` records it.
        projection: name of the projection it was folded by.
        version: version of that projection.
        through: last event that a summary stands for; None in requests for an answer, and where
            there is nothing to summarise.
        left_out: the messages of the conversation that are not in it, by their places.
    """

    request: Request
    digest: str
    projection: str
    version: int
    through: int | None = None
    left_out: tuple[MessageRange, ...] = ()


class Messages(Sequence[RequestMessage]):
    """The messages of conversation entries, not copied: conversations are long."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def __getitem__(self, index: int) -> RequestMessage: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RequestMessage, ...]: ...
    def __getitem__(self, index: int | slice) -> RequestMessage | tuple[RequestMessage, ...]:
        if isinstance(index, slice):
            return tuple(entry.message for entry in self._entries[index])
        return self._entries[index].message

    def __iter__(self) -> Iterator[RequestMessage]:
        return (entry.message for entry in self._entries)


def answer_request(shown: Conversation, left_out: tuple[MessageRange, ...] = ()) -> FoldedRequest:
    """Return what the model is asked with for an answer: `conversation`, version 1 or 2.

    Args:
        shown: a conversation that has a definition and no open call or round.
        left_out: messages that are not shown; version 2 is version 1 without them.
    """
    entries = shown.entries
    if not left_out:
        chain = entries[-1].digest if entries else GENESIS
        request = _request(shown, Messages(entries))
        whole = FoldedRequest(request, request_digest(shown.settings, chain), "conversation", 1)
        return _for_output(shown, whole, chain)
    parts = [entries[part.start : part.stop] for part in kept(Messages(entries), left_out)]
    chain = GENESIS
    for place, part in enumerate(parts):
        at_once = place == 0 and left_out[0].first > 0  # it begins as the conversation does
        chain = part[-1].digest if at_once else messages_digest(Messages(part), chain)
    request = _request(shown, tuple(entry.message for part in parts for entry in part))
    digest = request_digest(shown.settings, chain)
    folded = FoldedRequest(request, digest, "conversation", 2, left_out=left_out)
    return _for_output(shown, folded, chain)


def next_request(shown: Conversation, count_tokens: CountTokens) -> FoldedRequest:
    """Return what the model is to be asked with next for an answer, as the strategy says.

    Args:
        shown: a conversation that has a definition and no open call or round.
        count_tokens: counts the tokens of a text as the model does.
    """
    if shown.definition is None:
        return answer_request(shown)
    strategy = recorded(shown.definition.context_strategy)
    messages = Messages(shown.entries)
    return answer_request(shown, left_out(strategy, messages, shown.left_out, count_tokens))


def _for_output(shown: Conversation, folded: FoldedRequest, chain: bytes) -> FoldedRequest:
    """Let a request ask for the output that the answer must be, if it must be one.

    Args:
        shown: the conversation.
        folded: the request without that.
        chain: the chain over its messages.
    """
    if shown.output is None or shown.definition is None:
        return folded
    schema = shown.output.schema
    instruction = UserText(OUTPUT_INSTRUCTION + schema)
    messages = (*folded.request.messages, instruction)
    request = replace(folded.request, messages=messages, output_schema=schema)
    settings = settings_digest(shown.definition, schema)
    digest = request_digest(settings, message_digest(chain, instruction))
    return replace(folded, request=request, digest=digest)


def summary_request(shown: Conversation) -> FoldedRequest:
    """Return what the model is asked with for a summary: `summary`, version 1.

    It stands for all but what the user has said last, which is still to be answered; what came
    into the conversation by one event stays together.
    """
    size = len(shown.entries)
    while size and isinstance(shown.entries[size - 1].message, UserText):
        size -= 1
    through = _position(shown, size - 1) if size else None
    while through is not None and size < len(shown.entries) and _position(shown, size) <= through:
        size += 1
    messages = (*(entry.message for entry in shown.entries[:size]), UserText(SUMMARY_INSTRUCTION))
    request = _request(shown, messages)
    digest = request_digest(shown.settings, messages_digest(messages))
    return FoldedRequest(request, digest, "summary", 1, through)


def summary_without(shown: Conversation, left_out: tuple[MessageRange, ...]) -> FoldedRequest:
    """Return what the model is asked with for a summary: `summary`, version 2.

    Args:
        shown: a conversation that has a definition and no open call or round.
        left_out: messages that it is not asked with; long ones are shortened.
    """
    entries = shown.entries
    places = [place for part in kept(Messages(entries), left_out) for place in part]
    told = (shortened(entries[place].message) for place in places)
    messages = (*told, UserText(SUMMARY_INSTRUCTION))
    through = _position(shown, places[-1]) if places else None
    digest = request_digest(shown.settings, messages_digest(messages))
    request = _request(shown, messages)
    return FoldedRequest(request, digest, "summary", 2, through, left_out)


def next_summary(shown: Conversation) -> FoldedRequest:
    """Return what the model is to be asked with for a summary of about the older half.

    Args:
        shown: a conversation that has a definition and no open call or round.
    """
    entries = shown.entries
    ends = [i for i in range(1, len(entries)) if _position(shown, i) > _position(shown, i - 1)]
    out = heeded(Messages(entries), shown.left_out)
    end = older_half(Messages(entries), out, (*ends, len(entries)))
    if end is None:
        return summary_without(shown, (MessageRange(last=len(entries)),))
    rest = (MessageRange(first=end, last=len(entries) - 1),) if end < len(entries) else ()
    return summary_without(shown, (*out, *rest))


def title_request(shown: Conversation) -> FoldedRequest:
    """Return what the model is asked with for a title: `title`, version 1.

    It is shown how the conversation begins, in one message: texts of users and of replies, no call
    and no result. Neither its prompt nor its tools are in it, nor what they are set to.

    Args:
        shown: a conversation that has a definition.
    """
    if shown.definition is None:
        raise ValueError("a conversation without a definition cannot be asked")
    lines: list[str] = []
    for entry in shown.entries:
        match entry.message:
            case UserText(text=text):
                lines.append(f"User: {text[:_TITLE_CHARS]}")
            case AssistantReply(text=text) if text.strip():
                lines.append(f"Assistant: {text[:_TITLE_CHARS]}")
            case _:
                pass
        if len(lines) == _TITLE_MESSAGES:
            break
    messages = (UserText("\n\n".join((TITLE_INSTRUCTION, *lines))),)
    given = shown.definition.parameters
    parameters = ModelParameters(timeout_ms=given.timeout_ms, max_retries=given.max_retries)
    request = Request(shown.definition.model, "", messages, (), parameters)
    digest = request_digest(settings_digest(request), messages_digest(messages))
    return FoldedRequest(request, digest, "title", 1)


def facts_request(shown: Conversation, left_out: tuple[MessageRange, ...] = ()) -> FoldedRequest:
    """Return what the model is asked with for facts about users: `facts`, version 1.

    It is shown a part of the conversation, in one message: a line for each text of a user, with its
    number, and of a reply; no call and no result. Neither its prompt nor its tools are in it.

    Args:
        shown: a conversation that has a definition.
        left_out: the messages of it that are not shown.
    """
    if shown.definition is None:
        raise ValueError("a conversation without a definition cannot be asked")
    lines = []
    for part in kept(Messages(shown.entries), left_out):
        for place in part:
            match shown.entries[place].message:
                case UserText(text=text):
                    lines.append({"message": place, "user": text[:_FACTS_CHARS]})
                case AssistantReply(text=text) if text.strip():
                    lines.append({"assistant": text[:_FACTS_CHARS]})
                case _:
                    pass
    told = (json.dumps(line, ensure_ascii=False) for line in lines)
    messages = (UserText("\n".join((FACTS_INSTRUCTION, "", *told))),)
    given = shown.definition.parameters
    parameters = ModelParameters(timeout_ms=given.timeout_ms, max_retries=given.max_retries)
    request = Request(shown.definition.model, "", messages, (), parameters)
    digest = request_digest(settings_digest(request), messages_digest(messages))
    return FoldedRequest(request, digest, "facts", 1, left_out=left_out)


def _position(shown: Conversation, index: int) -> int:
    """Return where an entry was closed in the thread's own stream; a fork's prefix at its start."""
    stream, position = shown.entries[index].closed
    return position if stream == shown.state.stream else 0


def _request(shown: Conversation, messages: Sequence[RequestMessage]) -> Request:
    if shown.definition is None:
        raise ValueError("a conversation without a definition cannot be asked")
    return Request(
        model=shown.definition.model,
        system_prompt=shown.definition.told,
        messages=messages,
        tools=shown.definition.tools,
        parameters=shown.definition.parameters,
    )


REQUESTS: Mapping[tuple[str, int], Callable[[Conversation, LlmCallStarted], FoldedRequest]] = {
    ("conversation", 1): lambda shown, _: answer_request(shown),
    ("conversation", 2): lambda shown, started: answer_request(shown, started.left_out),
    ("facts", 1): lambda shown, started: facts_request(shown, started.left_out),
    ("title", 1): lambda shown, _: title_request(shown),
    ("summary", 1): lambda shown, _: summary_request(shown),
    ("summary", 2): lambda shown, started: summary_without(shown, started.left_out),
}
"""How requests of the past are folded again, by the name and the version of their projection, from
the conversation that they were folded from, and the start of the call."""

"""What a summary is made of: about the older half of what was shown, and no long text in full.

The newer half stays as it was said. The half that is summarised fits into a model's context where
the whole did not, unless that was twice too long; and one tool's result of half a megabyte is
no reason that a conversation cannot be summarised.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.values import MessageRange
from messagedb_agent.projections.window import kept, text_of

MOST_CHARACTERS = 16_000
"""How many characters of a text a summary is made of: of a longer one its beginning and end."""


def older_half(
    messages: Sequence[RequestMessage], left_out: Sequence[MessageRange], ends: Sequence[int]
) -> int | None:
    """Return the place before which all is summarised; None where there is nothing to summarise.

    What the user has said last is still to be answered, and stays; a summary of nothing but what
    the user said, or of a summary alone, is none.

    Args:
        messages: the conversation.
        left_out: what of it the model was not shown.
        ends: places that it may be cut before: those where a new event begins, and its end.
    """
    shown = [place for part in kept(messages, left_out) for place in part]
    sizes = {place: len(text_of(shortened(messages[place]))) for place in shown}
    last = len(messages)
    while last and isinstance(messages[last - 1], UserText):
        last -= 1
    latest = next((end for end in ends if end >= last), None)  # an event's messages stay together
    begin = left_out[-1].last + 1 if left_out else 0
    half, before, has_reply, at = sum(sizes.values()) / 2, 0, False, 0
    for end in ends:
        if latest is None or end > latest:
            break
        for place in range(at, end):
            before += sizes.get(place, 0)
            has_reply = has_reply or (
                place in sizes and isinstance(messages[place], AssistantReply)
            )
        at = end
        is_between = not isinstance(messages[end - 1], UserText)  # not a question and its answer
        if has_reply and end >= begin and (end == latest or (is_between and before >= half)):
            return end
    return None


def shortened(message: RequestMessage) -> RequestMessage:
    """Return a message as a summary is asked with it; most are short, and stay as they are."""
    match message:
        case UserText(text=text) | ToolAnswer(text=text):
            return message if len(text) <= MOST_CHARACTERS else replace(message, text=_short(text))
        case AssistantReply() as reply:
            if len(text_of(reply)) <= MOST_CHARACTERS:
                return reply
            calls = tuple(_short_call(call) for call in reply.calls)
            return AssistantReply(_short(reply.text), calls)


def _short_call(call: AskedCall) -> AskedCall:
    if len(call.arguments) <= MOST_CHARACTERS:
        return call
    return replace(call, arguments=json.dumps({"shortened": _short(call.arguments)}))


def _short(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"

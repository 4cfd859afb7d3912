"""What a fold weighs in memory: what is kept is bounded by it."""

from messagedb_agent.agents.view import View
from messagedb_agent.events.request import AssistantReply, RequestMessage

CHARS = 5_000
"""So many characters of text weigh as much as one message, or one event."""

_NEWEST = 20  # messages whose texts are counted: keeping a fold must not cost a walk through it


def text_weight(seen: View) -> int:
    """Return as how many messages the texts of a fold weigh: those of the newest, and the prompt.

    Texts of a snapshot's pages are not counted, as they are unpacked when they are needed.
    """
    talk = seen.conversation
    prompt = len(talk.definition.system_prompt) if talk.definition else 0
    newest = talk.entries.own(_NEWEST)
    return (prompt + sum(_chars(entry.message) for entry in newest)) // CHARS


def _chars(message: RequestMessage) -> int:
    chars = len(message.text)
    if isinstance(message, AssistantReply):
        chars += len(message.provider_blocks or "")
        chars += sum(len(call.arguments) for call in message.calls)
    return chars

"""What every provider asks of the conversation it is sent: of our own messages, and as sent."""

import json
import re
from collections.abc import Sequence

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import CallModel, Compact
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import (
    AssistantReply,
    Request,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.events.strategy import estimated_tokens
from messagedb_agent.events.values import ForkPoint
from messagedb_agent.llm.litellm_request import request_messages, request_tools
from messagedb_agent.projections.conversation import Conversation, conversation
from messagedb_agent.projections.digest import messages_digest, request_digest, settings_digest
from messagedb_agent.projections.requests import FoldedRequest, next_request, next_summary
from tests import provider_rules
from tests.given import definition

_NAME = re.compile("[A-Za-z0-9_-]{1,64}")
_RESULTS = ("given", "", " \n")


def broken_rule(messages: Sequence[RequestMessage]) -> str | None:
    """Return the first rule that a conversation breaks, or None."""
    if messages and not isinstance(messages[0], UserText):
        return "the first message is not the user's"
    seen: set[str] = set()
    unanswered: list[str] = []
    for message in messages:
        if isinstance(message, ToolAnswer):
            if message.call_id not in unanswered:
                return f"a result without a call: {message.call_id}"
            unanswered.remove(message.call_id)
            if not message.text.strip():
                return "an empty result"
            continue
        if unanswered:
            return f"calls without a result right after them: {unanswered}"
        if isinstance(message, UserText):
            if not message.text.strip():
                return "an empty text of the user"
            continue
        if (rule := _broken_by_reply(message, seen)) is not None:
            return rule
        unanswered = [call.call_id for call in message.calls]
        seen.update(unanswered)
    return f"calls without a result: {unanswered}" if unanswered else None


def _broken_by_reply(reply: AssistantReply, seen: set[str]) -> str | None:
    if not reply.text.strip() and not reply.calls:
        return "an empty reply"
    if reply.text and not reply.text.strip():
        return "a text of blanks"
    ids = [call.call_id for call in reply.calls]
    if len(set(ids)) < len(ids) or seen.intersection(ids):
        return f"call ids that are not unique: {ids}"
    for call in reply.calls:
        if not _NAME.fullmatch(call.name):
            return f"a tool name that no provider takes: {call.name!r}"
        if not isinstance(json.loads(call.arguments), dict):
            return f"arguments that are no object: {call.arguments}"
    return None


def broken_fork(shown: Conversation, last: Recorded, number: int) -> str | None:
    """Return the first rule that a fork breaks which begins after `last`, or None.

    It is given a result for every other call of the open round.
    """
    ids = [call.call_id for call in shown.round.calls] if shown.round else []
    given = {id: _RESULTS[(number + i) % len(_RESULTS)] for i, id in enumerate(ids) if i % 2}
    point = ForkPoint(
        stream_name=last.stream,
        position=last.position,
        event_id=last.id,
        results=json.dumps(given),
    )
    start = SessionStarted(thread_id="f", definition=definition(), forked_from=point)
    fork = conversation.evolve(shown, Recorded("f", "agent:v0-branch", 0, start))
    if fork.round or fork.held or fork.state.calls or fork.state.has_open_claims:
        return "a fork that goes on with what its parent had open"
    answers = {m.call_id: m.text for e in fork.entries if isinstance(m := e.message, ToolAnswer)}
    for id in given.keys() & answers.keys() - (shown.round.outcomes if shown.round else {}).keys():
        if answers[id] != (given[id].strip() or "(no output)"):
            return f"a result that was given and is not shown: {id}"
    return broken_rule([entry.message for entry in fork.entries]) or broken_request(fork)


def broken_request(shown: Conversation) -> str | None:
    """Return the first rule that what the model is asked with next breaks, or None."""
    match decide(shown.state):
        case CallModel():
            folded = next_request(shown, estimated_tokens)
        case Compact():
            folded = next_summary(shown)
        case _:
            return None
    return broken_messages(folded.request) or broken_digest(folded)


def broken_messages(request: Request) -> str | None:
    """Return the first rule that the conversation of a request breaks, or None."""
    messages = tuple(request.messages)
    if not messages:
        return "an empty request"
    if isinstance(messages[-1], AssistantReply):
        return "a request that ends with a reply"
    return broken_rule(messages) or _broken_as_sent(request)


def _broken_as_sent(request: Request) -> str | None:
    """Return what a strict provider answers the request with status 400 for, or None."""
    body: dict[str, object] = {"messages": request_messages(request, litellm_name="openai/x")}
    if offered := request_tools(request.tools):
        body["tools"] = offered
    return provider_rules.broken_rule("/v1/chat/completions", body)


def broken_digest(folded: FoldedRequest) -> str | None:
    """The digest that grew along with the conversation is that of the whole request."""
    settings = settings_digest(folded.request, folded.request.output_schema)
    anew = request_digest(settings, messages_digest(folded.request.messages))
    return None if folded.digest == anew else "a digest that does not follow from the request"

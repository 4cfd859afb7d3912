"""What holds of every context strategy, in every session and every stream."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.counting import counts
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import AssistantReply, RequestMessage, ToolAnswer, UserText
from messagedb_agent.events.schema import ContextCompacted
from messagedb_agent.events.strategy import estimated_tokens, parsed
from messagedb_agent.events.values import MessageRange
from messagedb_agent.projections.conversation import REJECTED, Conversation, conversation
from messagedb_agent.projections.requests import Messages, answer_request
from messagedb_agent.projections.window import kept, left_out, text_of
from tests.properties.conversation_rules import broken_digest, broken_messages
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, Moves, session_of
from tests.properties.streams import SESSIONS

_STRATEGIES = (
    "last_n:1",
    "last_n:4",
    "last_n:5,sliding",
    "first_last:1,3",
    "first_last:2,4,sliding",
    "token_window:40",
    "token_window:60,sliding",
    "first_last:1,8 | token_window:60",
    "summarize:5 | last_n:6,sliding | token_window:80",
    "last_n:9 | first_last:2,5 | token_window:70,sliding",
)
NAMES = st.sampled_from(_STRATEGIES)


def asked(
    name: str, stream: Sequence[Recorded]
) -> Iterator[tuple[Conversation, tuple[MessageRange, ...]]]:
    """Yield each conversation that a model could be asked with, and what is left out of it."""
    shown = conversation.initial
    out: tuple[MessageRange, ...] = ()
    for recorded in stream:
        if isinstance(recorded.event, ContextCompacted) and counts(shown.state, recorded):
            out = ()
        shown = conversation.evolve(shown, recorded)
        messages = Messages(shown.entries)
        if shown.definition and messages and not isinstance(messages[-1], AssistantReply):
            out = left_out(parsed(name), messages, out, estimated_tokens)
            yield shown, out


def sent(shown: Conversation, out: Sequence[MessageRange]) -> list[RequestMessage]:
    messages = Messages(shown.entries)
    return [messages[i] for part in kept(messages, out) for i in part]


@examples(250)
@given(NAMES, SESSIONS)
def test_no_strategy_yields_what_a_provider_would_refuse(
    name: str, stream: tuple[Recorded, ...]
) -> None:
    for shown, out in asked(name, stream):
        if out:
            folded = answer_request(shown, out)
            assert broken_messages(folded.request) is None
            assert broken_digest(folded) is None
            told = list(folded.request.messages)
            if shown.output:  # what asks for it stands behind the conversation
                assert told.pop() not in Messages(shown.entries)
            assert told == sent(shown, out)


@examples(150)
@given(NAMES, st.integers(0, 6), MOVES)
def test_no_strategy_yields_what_a_provider_would_refuse_of_a_session(
    name: str, agent: int, moves: Moves
) -> None:
    for shown, out in asked(name, session_of(agent, moves).log.records):
        if out:
            assert broken_messages(answer_request(shown, out).request) is None


@examples(150)
@given(NAMES, st.integers(0, 6), MOVES)
def test_an_answer_is_sent_back_with_what_it_answers(name: str, agent: int, moves: Moves) -> None:
    for shown, out in asked(name, session_of(agent, moves).log.records):
        messages, told = Messages(shown.entries), sent(shown, out)
        if is_sent_back(told[-1]) and len(messages) > 1:
            assert told[-2] == messages[-2]
            said = [one for one in messages if isinstance(one, UserText) and not is_sent_back(one)]
            assert said[-1] in told


def is_sent_back(message: RequestMessage) -> bool:
    return isinstance(message, UserText) and message.text.startswith(REJECTED.partition("{")[0])


@examples(150)
@given(NAMES, st.integers(0, 6), MOVES)
def test_what_the_model_has_not_seen_is_always_shown(name: str, agent: int, moves: Moves) -> None:
    for shown, out in asked(name, session_of(agent, moves).log.records):
        messages = Messages(shown.entries)
        at = len(messages)
        while at and not isinstance(messages[at - 1], AssistantReply):
            at -= 1
        assert sent(shown, out)[at - len(messages) :] == list(messages[at:])


@examples(150)
@given(st.integers(0, 6), MOVES)
def test_no_more_is_shown_than_the_strategy_allows_but_for_what_must_be(
    agent: int, moves: Moves
) -> None:
    stream = session_of(agent, moves).log.records
    for most, name in ((4, "last_n:4"), (7, "first_last:2,5,sliding")):
        for shown, out in asked(name, stream):
            messages = sent(shown, out)
            assert len(messages) <= most or _is_least(messages, head=2)
    for shown, out in asked("token_window:60", stream):
        messages = sent(shown, out)
        tokens = sum(estimated_tokens(text_of(message)) + 4 for message in messages)
        assert tokens <= 60 or _is_least(messages)


def _is_least(messages: Sequence[RequestMessage], *, head: int = 0) -> bool:
    """Say whether nothing could be left out: a head, one message that is answered, the newest."""
    newest = len(messages)
    while newest and not isinstance(messages[newest - 1], AssistantReply):
        newest -= 1
    if any(
        isinstance(message, ToolAnswer) or is_sent_back(message) for message in messages[newest:]
    ):
        newest -= 1
    return newest <= head + 1


@examples(150)
@given(st.integers(0, 6), MOVES)
def test_a_request_begins_as_the_one_before_until_that_would_be_too_much(
    agent: int, moves: Moves
) -> None:
    before: tuple[Conversation, tuple[MessageRange, ...]] | None = None
    for shown, out in asked("last_n:4", session_of(agent, moves).log.records):
        if before and before[0].entries[0] == shown.entries[0]:  # no summary came between
            earlier, as_before = sent(*before), sent(shown, before[1])
            assert as_before[: len(earlier)] == earlier
            assert out == before[1] or len(as_before) > 4
        before = shown, out


@examples(100)
@given(NAMES, st.integers(0, 6), MOVES)
def test_what_was_left_out_once_is_not_shown_again(name: str, agent: int, moves: Moves) -> None:
    begun = 0
    for shown, out in asked(name, session_of(agent, moves).log.records):
        if not out and begun:  # but behind a summary, where all is counted anew
            assert any("Summary of" in e.message.text for e in shown.entries)
            begun = 0
        end = out[-1].last + 1 if out else 0
        if end < begun:
            assert isinstance(shown.entries[0].message, UserText)
            assert "Summary of" in shown.entries[0].message.text
        begun = end

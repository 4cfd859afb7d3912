"""Which messages a context strategy shows: where it cuts, and where it never does."""

from collections.abc import Sequence

import pytest

from messagedb_agent.events.request import (
    AskedCall,
    AssistantReply,
    RequestMessage,
    ToolAnswer,
    UserText,
)
from messagedb_agent.events.strategy import parsed
from messagedb_agent.events.values import MessageRange
from messagedb_agent.projections.conversation import REJECTED
from messagedb_agent.projections.window import kept, left_out


def words(text: str) -> int:
    return len(text.split())


def turn(number: int) -> Sequence[RequestMessage]:
    return UserText(f"q{number}"), AssistantReply(f"a{number}")


def round_of(number: int, *, calls: int = 1) -> Sequence[RequestMessage]:
    ids = [f"c{number}.{i}" for i in range(calls)]
    reply = AssistantReply("", tuple(AskedCall(id, "look", "{}") for id in ids))
    return reply, *(ToolAnswer(id, "look", f"r{id[1:]}") for id in ids)


def shown(
    strategy: str, messages: Sequence[RequestMessage], before: Sequence[MessageRange] = ()
) -> str:
    """Return what is sent, in short."""
    out = left_out(parsed(strategy), messages, before, words)
    return " ".join(name(messages[i]) for part in kept(messages, out) for i in part)


def name(message: RequestMessage) -> str:
    if isinstance(message, AssistantReply) and message.calls:
        return f"calls{message.calls[0].call_id.partition('.')[0][1:]}"
    return message.text


def talk(turns: int) -> list[RequestMessage]:
    return [*(m for i in range(1, turns + 1) for m in turn(i)), UserText("now")]


def test_all_is_shown_where_it_is_not_too_much() -> None:
    assert left_out(parsed("last_n:7"), talk(3), (), words) == ()
    assert left_out(parsed("all"), talk(99), (), words) == ()


def test_what_is_too_much_is_dropped_in_a_jump_to_half_of_it() -> None:
    assert shown("last_n:6", talk(3)) == "q3 a3 now"
    assert shown("last_n:6,sliding", talk(3)) == "q2 a2 q3 a3 now"


def test_between_two_jumps_each_request_is_the_one_before_and_what_is_new() -> None:
    out: tuple[MessageRange, ...] = ()
    sizes, jumps = [], 0
    for turns in range(40):
        messages = talk(turns)
        after = left_out(parsed("last_n:20"), messages, out, words)
        jumps += after != out
        out = after
        sizes.append(sum(map(len, kept(messages, out))))
    assert sizes[:13] == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 9, 11, 13]
    assert max(sizes) == 19
    assert jumps == 5  # in place of 30


def test_the_first_and_the_last_messages_are_shown() -> None:
    assert shown("first_last:2,3", talk(4)) == "q1 a1 now"
    assert shown("first_last:2,6", talk(4)) == "q1 a1 q4 a4 now"
    assert shown("first_last:2,7", talk(4)) == "q1 a1 q2 a2 q3 a3 q4 a4 now"
    assert shown("first_last:1,5,sliding", talk(4)) == "q1 q3 a3 q4 a4 now"


def test_the_first_message_is_shown_even_where_a_round_would_be_parted() -> None:
    messages = [UserText("q1"), *round_of(1, calls=2), AssistantReply("a1"), *talk(4)]
    assert shown("first_last:2,3,sliding", messages) == "q1 q4 a4 now"
    assert shown("first_last:4,3,sliding", messages) == "q1 calls1 r1.0 r1.1 q4 a4 now"


def test_tokens_are_counted_of_all_that_is_sent() -> None:
    # A word and four tokens around it each; a call has a name and arguments.
    assert shown("token_window:25,sliding", talk(3)) == "q2 a2 q3 a3 now"
    messages = [UserText("q"), *round_of(1), *talk(1)]
    assert shown("token_window:31", messages) == "q calls1 r1.0 q1 a1 now"
    assert shown("token_window:30,sliding", messages) == "q1 a1 now"


def test_a_call_is_never_parted_from_its_results() -> None:
    messages = [UserText("q1"), *round_of(1, calls=3), AssistantReply("a1"), UserText("now")]
    for most in range(1, 9):
        told = shown(f"last_n:{most},sliding", messages)
        assert ("calls1" in told) == ("r1.0" in told) == ("r1.2" in told)


def test_a_long_turn_is_cut_between_its_rounds_and_begins_with_what_it_answers() -> None:
    messages = [*talk(2), *(m for i in range(9) for m in round_of(i))]
    assert shown("last_n:7", messages) == "now calls8 r8.0"
    assert shown("last_n:7,sliding", messages) == "now calls6 r6.0 calls7 r7.0 calls8 r8.0"
    assert shown("first_last:1,5,sliding", messages) == "q1 now calls7 r7.0 calls8 r8.0"


def test_what_the_model_has_not_seen_is_shown_however_much_it_is() -> None:
    messages = [*talk(3), *round_of(1, calls=9), UserText("and"), UserText("also")]
    assert shown("last_n:2", messages).split()[:2] == ["now", "calls1"]
    assert shown("last_n:2", messages).endswith("r1.8 and also")
    assert shown("token_window:1", [*talk(3), UserText("and")]) == "now and"


NOTE = UserText(REJECTED.format(problem="it is empty"))


def test_an_answer_is_sent_back_with_what_it_answers() -> None:
    sent_back = [*talk(3), AssistantReply("bad"), NOTE]
    for strategy in ("last_n:2", "first_last:1,2", "token_window:9"):
        assert shown(strategy, sent_back).endswith(f"now bad {NOTE.text}")
    behind = [*sent_back, AssistantReply("good"), UserText("and")]
    assert shown("last_n:4,sliding", behind) == "now good and"


def test_a_conversation_that_begins_as_a_note_does_is_opened_by_it() -> None:
    assert shown("last_n:2", [NOTE, *round_of(1), *round_of(2)]) == f"{NOTE.text} calls2 r2.0"


def test_strategies_bound_each_other_whatever_stands_first() -> None:
    assert shown("last_n:8 | token_window:10", talk(4)) == "now"
    for text in ("first_last:2,9 | last_n:6,sliding", "last_n:6,sliding | first_last:2,9"):
        assert shown(text, talk(8)) == "q1 a1 q8 a8 now"


@pytest.mark.parametrize(
    "before",
    [
        (MessageRange(last=6),),  # what is new is left out
        (MessageRange(last=2**53),),
        (MessageRange(first=5, last=1),),
        (MessageRange(last=1),),  # between a call and its result
    ],
)
def test_whatever_somebody_says_was_left_out_the_next_request_is_sound(
    before: tuple[MessageRange, ...],
) -> None:
    messages = [UserText("q1"), *round_of(1), AssistantReply("a1"), *talk(1)]
    told = shown("last_n:4,sliding", messages, before)
    assert told.startswith(("q1", "now"))
    assert told.endswith("now")

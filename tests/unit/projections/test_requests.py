"""What a model is asked with."""

from messagedb_agent.events.request import TITLE_INSTRUCTION, AssistantReply, UserText
from messagedb_agent.projections.requests import (
    SUMMARY_INSTRUCTION,
    answer_request,
    summary_request,
    title_request,
)
from tests.given import (
    claim,
    compacted,
    done,
    failed,
    given,
    replied,
    runs,
    spoken,
    started,
    tool,
    user,
)


def test_an_answer_is_asked_for_with_the_whole_conversation_and_the_agent_in_force() -> None:
    thread = given(started(tool("look")), user("hi"))
    folded = answer_request(thread.shown)
    assert tuple(folded.request.messages) == (UserText("hi"),)
    assert folded.request.system_prompt == "Be brief."
    assert folded.request.model == "scripted"
    assert [t.name for t in folded.request.tools] == ["look"]
    assert (folded.projection, folded.version, folded.through) == ("conversation", 1, None)


def test_a_request_is_not_changed_by_what_is_said_later() -> None:
    thread = given(started(), user("hi"))
    folded = answer_request(thread.shown)
    later = thread.and_(user("more"))
    assert len(later.messages) == 2
    assert tuple(folded.request.messages) == (UserText("hi"),)


def test_a_summary_is_asked_for_without_what_the_user_said_last() -> None:
    thread = spoken(replied(text="hi"), user("a"), user("b"))
    folded = summary_request(thread.shown)
    assert tuple(folded.request.messages) == (
        UserText("hello"),
        AssistantReply("hi"),
        UserText(SUMMARY_INSTRUCTION),
    )
    assert (folded.projection, folded.version, folded.through) == ("summary", 1, 3)


def test_a_summary_stands_for_a_whole_round_and_what_was_said_during_it() -> None:
    thread = spoken(replied("pay"), runs("pay"), user("hurry"), done("pay"))
    folded = summary_request(thread.shown)
    assert len(folded.request.messages) == len(thread.messages) + 1
    assert folded.through == 6


def test_there_is_nothing_to_summarise_before_the_model_has_spoken() -> None:
    assert summary_request(spoken(failed("context_overflow")).shown).through is None
    once = spoken(replied(text="hi"), user("a"), claim("summary"), compacted(3))
    assert summary_request(once.shown).through is None


def test_what_a_fork_shares_with_its_parent_is_summarised_up_to_its_start() -> None:
    fork = spoken(replied(text="hi"), user("a")).forked().and_(user("b"))
    folded = summary_request(fork.shown)
    assert folded.through == 0
    assert tuple(folded.request.messages)[-2:] == (UserText("a"), UserText(SUMMARY_INSTRUCTION))


def test_what_a_summary_was_asked_with_is_what_it_replaces() -> None:
    thread = spoken(replied("pay"), runs("pay"), done("pay"), claim(), replied(text="ok"))
    thread = thread.and_(user("a"))
    folded = summary_request(thread.shown)
    assert folded.through is not None
    after = thread.and_(claim("summary"), compacted(folded.through))
    assert after.messages[1:] == thread.messages[len(folded.request.messages) - 1 :]


def test_a_title_is_asked_for_with_the_first_texts_and_nothing_of_the_agent_but_its_model() -> None:
    long = "x" * 2_000
    thread = spoken(replied("look"), runs("look"), done("look"))
    thread = thread.and_(claim(), replied(text=long), user("more"))
    folded = title_request(thread.shown)
    text = f"{TITLE_INSTRUCTION}\n\nUser: hello\n\nAssistant: {long[:1_000]}\n\nUser: more"
    assert tuple(folded.request.messages) == (UserText(text),)
    assert (folded.request.system_prompt, folded.request.tools) == ("", ())
    assert folded.request.model == "scripted"
    assert (folded.projection, folded.version, folded.through) == ("title", 1, None)
    assert folded.digest == "m1Tl0vdM4ad2mRUnJyFM_r91ZPE5vZfYNGEqjfXTw0w"  # of version 1, for ever
    many = thread.and_(*(user(str(n)) for n in range(20)))
    (message,) = title_request(many.shown).request.messages
    assert message.text.endswith("User: 4")

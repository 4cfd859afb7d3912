"""What the model is shown."""

import pytest

from messagedb_agent.events.request import AskedCall, AssistantReply, ToolAnswer, UserText
from messagedb_agent.events.schema import AgentRedefined, Event
from messagedb_agent.projections.conversation import NOT_RUN, SUMMARY_PREFIX
from messagedb_agent.projections.digest import messages_digest
from tests.given import (
    Given,
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    compacted,
    definition,
    denied,
    done,
    ended,
    ending,
    failed,
    given,
    replied,
    resolved,
    runs,
    spoken,
    started,
    tool,
    user,
)


def shown(thread: Given) -> list[str]:
    """Return the conversation as one line each: who, and what."""
    lines = []
    for message in thread.messages:
        match message:
            case UserText(text=text):
                lines.append(f"user: {text}")
            case AssistantReply(text=text, calls=calls):
                lines.append(f"model: {text}{''.join(f' [{c.name}]' for c in calls)}")
            case ToolAnswer(name=name, text=text):
                lines.append(f"{name}: {text}")
    return lines


class TestOrder:
    """Where things stand."""

    def test_messages_and_replies_stand_in_turn(self) -> None:
        thread = spoken(replied(text="hi"), user("bye"), claim(), replied(text="see you"))
        assert shown(thread) == ["user: hello", "model: hi", "user: bye", "model: see you"]

    def test_results_stand_after_their_reply_in_its_order(self) -> None:
        round_ = spoken(replied("pay", "look", text="wait"), runs("pay"), runs("look"))
        assert shown(round_.and_(done("look", "seen"), done("pay", "paid"))) == [
            "user: hello",
            "model: wait [pay] [look]",
            "pay: paid",
            "look: seen",
        ]

    def test_an_unfinished_round_is_left_out(self) -> None:
        round_ = spoken(replied("pay", "look"), runs("pay"), runs("look"), done("pay"))
        assert shown(round_) == ["user: hello"]

    def test_a_message_during_a_call_stands_after_its_reply(self) -> None:
        thread = spoken(user("quick"))
        assert shown(thread) == ["user: hello"]
        assert shown(thread.and_(replied(text="hi"))) == [
            "user: hello",
            "model: hi",
            "user: quick",
        ]

    def test_a_message_during_a_call_stands_after_the_results_of_its_reply(self) -> None:
        thread = spoken(user("quick"), replied("pay"), runs("pay"), user("quicker"), done("pay"))
        assert shown(thread)[-3:] == ["pay: done", "user: quick", "user: quicker"]

    def test_a_message_during_a_call_that_fails_is_shown_then(self) -> None:
        assert shown(spoken(user("quick"), failed("empty"))) == ["user: hello", "user: quick"]

    def test_a_message_during_a_side_call_is_shown_at_once(self) -> None:
        thread = given(started(), claim("title"), user("hi"))
        assert shown(thread) == ["user: hi"]


class TestWhatIsLeftOut:
    """What no provider would take."""

    @pytest.mark.parametrize("text", ["", " \n\t"])
    def test_an_empty_reply_is_left_out(self, text: str) -> None:
        assert shown(spoken(replied(text=text))) == ["user: hello"]

    def test_a_blank_text_beside_calls_is_left_out(self) -> None:
        thread = spoken(replied("pay", text=" \n"), runs("pay"), done("pay"))
        assert shown(thread) == ["user: hello", "model:  [pay]", "pay: done"]

    def test_an_empty_message_of_a_foreign_writer_is_shown_as_such(self) -> None:
        assert shown(given(started(), user(" "))) == ["user: (empty message)"]

    @pytest.mark.parametrize(
        ("wrote", "sent"),
        [
            ('{"a": 1}', '{"a": 1}'),
            ("", "{}"),
            ("null", "{}"),
            ("[1]", "{}"),
            ('{"a":', "{}"),
            ('{"a": NaN}', "{}"),
            ('{"a": "\\ud800"}', "{}"),
            ("[" * 3_000, "{}"),
        ],
    )
    def test_arguments_are_an_object_whatever_the_model_wrote(self, wrote: str, sent: str) -> None:
        thread = spoken(replied(call("pay", wrote)), runs("pay"), done("pay"))
        id = thread.history.call("pay")
        assert thread.messages[1] == AssistantReply("", (AskedCall(id, "pay", sent),))

    @pytest.mark.parametrize(
        ("wrote", "sent"),
        [("", "unknown"), ("do it!", "do_it_"), ("x" * 65, "x" * 64), ("größe", "gr__e")],
    )
    def test_names_are_as_providers_take_them(self, wrote: str, sent: str) -> None:
        thread = spoken(replied(call(wrote, problem="unknown_tool")), broke(wrote))
        id = thread.history.call(wrote)
        assert thread.messages[1:] == (
            AssistantReply("", (AskedCall(id, sent, "{}"),)),
            ToolAnswer(id, sent, "Error (raised): no luck"),
        )


class TestOutcomes:
    """How results read."""

    @pytest.mark.parametrize("result", ["", " ", "\n"])
    def test_a_blank_result_is_said_to_be_one(self, result: str) -> None:
        assert shown(spoken(replied("pay"), runs("pay"), done("pay", result)))[-1] == (
            "pay: (no output)"
        )

    def test_a_failure_names_its_kind(self) -> None:
        thread = spoken(replied("pay"), runs("pay"), broke("pay", "timed_out", "too slow"))
        assert shown(thread)[-1] == "pay: Error (timed_out): too slow"

    def test_a_denial_gives_the_reason_where_there_is_one(self) -> None:
        waiting = spoken(replied("rm"), asked("rm"))
        assert shown(waiting.and_(denied("rm")))[-1] == "rm: The user did not allow this call."
        assert shown(waiting.and_(denied("rm", "not here")))[-1] == (
            "rm: The user did not allow this call: not here"
        )

    def test_arguments_that_a_person_changed_are_told(self) -> None:
        changed = spoken(replied("rm"), asked("rm"), approved("rm", '{"path":"b"}'))
        assert changed.shown.round is not None
        id = changed.history.call("rm")
        assert changed.shown.round.call(id).arguments == '{"path":"b"}'
        assert shown(changed.and_(runs("rm"), done("rm")))[-1] == (
            'rm: (Run with arguments changed by the user: {"path":"b"})\ndone'
        )

    def test_what_really_happened_is_a_note_in_the_users_place(self) -> None:
        lost = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown", "gone"))
        id = lost.history.call("pay")
        assert shown(lost.and_(resolved("pay", "it was paid")))[-1] == (
            f"user: [Note: call {id} has completed after all: it was paid]"
        )

    def test_a_note_during_a_call_stands_after_its_reply(self) -> None:
        lost = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown"), claim())
        thread = lost.and_(resolved("pay"), replied(text="sorry"))
        assert shown(thread)[-2] == "model: sorry"
        assert shown(thread)[-1].startswith("user: [Note: ")


class TestStopping:
    """What becomes of what was dropped."""

    @pytest.mark.parametrize("stop", [cancelled(), ended()])
    def test_calls_that_were_dropped_are_answered_as_not_run(self, stop: Event) -> None:
        thread = spoken(replied("pay", "rm"), runs("pay"), stop, done("pay", "paid"))
        assert shown(thread) == [
            "user: hello",
            "model:  [pay] [rm]",
            "pay: paid",
            f"rm: {NOT_RUN}",
        ]

    def test_a_round_without_running_calls_is_closed_by_the_cancel_itself(self) -> None:
        thread = spoken(replied("rm"), asked("rm"), user("well?"), cancelled())
        assert shown(thread)[-3:] == ["model:  [rm]", f"rm: {NOT_RUN}", "user: well?"]

    def test_a_reply_to_a_cancelled_call_is_kept_and_its_calls_are_not_run(self) -> None:
        thread = spoken(cancelled(), user("instead"), replied("pay", text="I will pay"))
        assert shown(thread)[1:] == ["model: I will pay [pay]", f"pay: {NOT_RUN}", "user: instead"]

    def test_completion_closes_a_round_as_a_cancel_does(self) -> None:
        thread = spoken(replied("rm"), asked("rm"), ending(), ended(), user("again"))
        assert shown(thread)[-2:] == [f"rm: {NOT_RUN}", "user: again"]


class TestSummaries:
    """What a summary stands for."""

    def test_a_summary_stands_in_the_users_place_for_all_that_was_closed_by_then(self) -> None:
        thread = spoken(replied(text="hi"), user("more"), claim(), failed("context_overflow"))
        after = thread.and_(claim("summary"), compacted(3, "they greeted"))
        assert shown(after) == [f"user: {SUMMARY_PREFIX}they greeted", "user: more"]

    def test_a_round_is_summarised_whole_or_not_at_all(self) -> None:
        thread = spoken(replied("pay"), runs("pay"), done("pay"), claim("summary"))
        assert len(shown(thread.and_(compacted(4)))) == 1 + 2  # closed at 5 by its last result
        assert len(shown(thread.and_(compacted(5)))) == 1

    def test_a_message_during_a_summary_stands_after_it(self) -> None:
        thread = spoken(replied(text="hi"), claim("summary"), user("more"), compacted(3))
        assert shown(thread) == [f"user: {SUMMARY_PREFIX}all of it", "user: more"]

    def test_a_later_summary_stands_for_an_earlier_one(self) -> None:
        first = spoken(replied(text="a"), user("b"), claim("summary"), compacted(2, "one"))
        again = first.and_(claim(), replied(text="c"), claim("summary"))
        assert shown(again)[0] == f"user: {SUMMARY_PREFIX}one"
        assert shown(again.and_(compacted(4, "two"))) == [
            f"user: {SUMMARY_PREFIX}two",
            "model: c",
        ]

    def test_a_bound_beyond_the_stream_stands_for_all_there_is_and_no_more(self) -> None:
        thread = spoken(replied(text="a"), claim("summary"), compacted(10_000, "one"))
        later = thread.and_(user("b"), claim(), replied(text="c"), claim("summary"))
        assert shown(later.and_(compacted(5, "two"))) == [
            f"user: {SUMMARY_PREFIX}two",
            "user: b",
            "model: c",
        ]

    def test_a_summary_in_a_fork_stands_for_all_of_its_parents(self) -> None:
        fork = spoken(replied(text="a")).forked().and_(user("b"), claim("summary"), compacted(0))
        assert shown(fork) == [f"user: {SUMMARY_PREFIX}all of it", "user: b"]


class TestTheFold:
    """What the fold keeps beside the messages."""

    def test_the_agent_in_force_is_the_newest(self) -> None:
        other = definition(tool("new"))
        thread = given(started(), AgentRedefined(definition=other))
        assert thread.shown.definition == other
        assert given().shown.definition is None

    def test_every_entry_knows_where_it_came_from_and_what_closed_it(self) -> None:
        thread = spoken(user("quick"), replied("pay"), runs("pay"), done("pay"))
        places = [(entry.source[1], entry.closed[1]) for entry in thread.shown.entries]
        assert places == [(1, 1), (4, 6), (6, 6), (3, 6)]

    def test_the_digest_grows_along(self) -> None:
        thread = spoken(replied("pay"), runs("pay"), done("pay"), claim(), replied(text="paid"))
        assert thread.shown.entries[-1].digest == messages_digest(thread.messages)

    def test_the_digest_begins_anew_with_a_summary(self) -> None:
        thread = spoken(replied(text="a"), user("b"), claim("summary"), compacted(2))
        assert len(thread.messages) == 3
        assert thread.shown.entries[-1].digest == messages_digest(thread.messages)

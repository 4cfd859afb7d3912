"""Events that do not count change nothing, in the state and in the conversation."""

import pytest

from messagedb_agent.agent.bounds import MAX_TEXT_BYTES
from messagedb_agent.agent.steps import CallModel, Wait
from messagedb_agent.events.request import AssistantReply
from messagedb_agent.events.schema import Event, LlmResponseReceived, ToolExecutionStarted
from messagedb_agent.events.values import ToolCall
from messagedb_agent.events.words import Purpose
from tests.given import (
    Given,
    History,
    Told,
    approved,
    asked,
    broke,
    call,
    cancelled,
    claim,
    compacted,
    continued,
    denied,
    done,
    ending,
    failed,
    given,
    replied,
    resolved,
    runs,
    spoken,
    started,
    stopped,
    tool,
    user,
)

ANSWERED = spoken(replied(text="hello"))
WAITING = spoken(replied("rm"), asked("rm"))
RUNNING = spoken(replied("pay"), runs("pay"))


@pytest.mark.parametrize(
    ("thread", "event"),
    [
        pytest.param(ANSWERED, started(tool("x")), id="a second start"),
        pytest.param(ANSWERED, replied(text="again"), id="a second reply"),
        pytest.param(ANSWERED, failed("internal"), id="a failure of an answered call"),
        pytest.param(spoken(), compacted(1), id="a summary for an answer"),
        pytest.param(ANSWERED, claim(), id="a call that nobody waits for"),
        pytest.param(spoken(), claim(), id="a call beside an open one"),
        pytest.param(spoken(), claim("summary"), id="a summary beside an open call"),
        pytest.param(RUNNING, claim(), id="a call during a round"),
        pytest.param(spoken(replied("rm")), approved("rm"), id="an approval nobody asked for"),
        pytest.param(WAITING, asked("rm"), id="a second request"),
        pytest.param(WAITING.and_(approved("rm")), approved("rm", "{}"), id="a second approval"),
        pytest.param(WAITING.and_(approved("rm")), denied("rm"), id="a denial of an approved call"),
        pytest.param(RUNNING, denied("pay"), id="a denial of a running call"),
        pytest.param(WAITING, runs("rm"), id="a start of a call that waits"),
        pytest.param(WAITING, done("rm"), id="a result of a call that waits"),
        pytest.param(WAITING, broke("rm"), id="a failure of a call that waits"),
        pytest.param(RUNNING, runs("pay"), id="a second start of the same attempt"),
        pytest.param(RUNNING.and_(done("pay")), done("pay"), id="a second result"),
        pytest.param(RUNNING.and_(done("pay")), runs("pay", 2), id="a start after the result"),
        pytest.param(RUNNING, resolved("pay"), id="a resolution of what is not unknown"),
        pytest.param(ANSWERED, stopped("callsPerTurn"), id="a stop where nothing is owed"),
        pytest.param(given(), continued(), id="continuing before the start"),
        pytest.param(given(), ending(), id="a request to end before the start"),
        pytest.param(given(), claim(), id="a call before the start"),
    ],
)
def test_it_changes_nothing(thread: Given, event: Told) -> None:
    after = thread.and_(event)
    assert after.state == thread.state
    assert after.shown == thread.shown


def test_a_start_of_an_unknown_call_changes_nothing() -> None:
    def unknown(history: History) -> LlmResponseReceived:
        id = history.claim()
        calls = (ToolCall(call_id=f"{id}_0", name="pay", arguments="{}"),)
        return LlmResponseReceived(
            llm_call_id=id, model="m", text="hi", tool_calls=calls, finish_reason="stop"
        )

    thread = spoken(unknown)  # the call's id does not follow from the claim and its place
    thread.says(Wait("user"))
    assert thread.messages[-1] == AssistantReply("hi")
    assert thread.and_(runs("pay"), done("pay")).shown == thread.shown


@pytest.mark.parametrize("purpose", ["title", "judge"])
def test_a_side_call_neither_blocks_nor_fails_the_turn(purpose: Purpose) -> None:
    side = claim(purpose)
    beside = given(started(), user("hi"), side)
    beside.says(CallModel())
    beside.and_(failed("internal")).says(CallModel())
    beside.and_(failed("context_overflow")).says(CallModel())
    spoken(replied("pay"), side, replied("pay", text="a title")).says(
        spoken(replied("pay")).next  # its calls are nobody's
    )


def test_a_side_call_does_not_enter_the_conversation() -> None:
    beside = given(started(), user("hi"), claim("title"), replied(text="Greeting"))
    assert beside.messages == given(started(), user("hi")).messages


def test_a_side_call_is_answered_once() -> None:
    beside = given(started(), user("hi"), claim("title"), replied(tokens=5))
    assert beside.and_(replied(tokens=5)).state == beside.state


def test_a_side_call_outlives_a_cancel() -> None:
    beside = given(started(), user("hi"), claim("title"), cancelled())
    assert not beside.state.to_cancel
    assert beside.and_(replied(tokens=5)).state.total.tokens == 5


def test_a_later_attempt_supersedes_an_earlier_one() -> None:
    again = RUNNING.and_(runs("pay", 2))
    (running,) = again.state.calls.values()
    assert running.attempt == 2
    again.and_(done("pay")).says(CallModel())  # whichever attempt it was


def test_a_problem_is_closed_by_a_failure_and_by_nothing_else() -> None:
    refused = spoken(replied(call("pay", problem="bad_arguments")))
    assert refused.and_(runs("pay"), done("pay")).shown == refused.shown
    refused.and_(broke("pay", "bad_arguments")).says(CallModel())


LARGE = "x" * MAX_TEXT_BYTES


def test_a_start_counts_unless_its_key_is_too_large_to_be_written_again() -> None:
    """What it says it runs with is nothing that anybody writes again; that it runs is."""
    ready = spoken(replied("pay"))

    def start(history: History) -> Event:
        return ToolExecutionStarted(
            call_id=history.call("pay"), tool_name="pay", arguments=LARGE, idempotency_key="k"
        )

    def keyed(history: History) -> Event:
        return ToolExecutionStarted(
            call_id=history.call("pay"), tool_name="pay", arguments="{}", idempotency_key=LARGE
        )

    ready.and_(start).says(Wait("effect"))
    assert ready.and_(keyed).state == ready.state


def test_an_approval_counts_unless_its_arguments_are_too_large_to_run_with() -> None:
    assert WAITING.and_(approved("rm", LARGE)).state == WAITING.state
    assert WAITING.and_(approved("rm", LARGE[:-4])).state != WAITING.state

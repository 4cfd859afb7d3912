"""What may be said to a thread from outside."""

import pytest

from messagedb_agent.agent.commands import (
    Cancel,
    Command,
    Continue,
    Delete,
    End,
    Redefine,
    Say,
    Start,
)
from messagedb_agent.agent.steps import CallModel, Complete, Done, Wait
from messagedb_agent.errors import Refused, TurnUnderWay, ValidationError
from messagedb_agent.events.schema import (
    AgentRedefined,
    SessionContinued,
    SessionDeleted,
    SessionStarted,
    SessionTerminationRequested,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.events.values import ForkPoint, Limits
from tests.given import (
    approve,
    approved,
    asked,
    broke,
    cancelled,
    claim,
    continued,
    definition,
    denied,
    deny,
    done,
    ended,
    ending,
    failed,
    given,
    replied,
    resolve,
    resolved,
    run,
    runs,
    spoken,
    started,
    stopped,
    tool,
    user,
)

FORK = ForkPoint(stream_name="agent:v0-parent", position=3, event_id="e")


def test_a_start_begins_a_thread() -> None:
    given().when(Start("thread", definition(), user="ada", metadata='{"a":1}')).then(
        SessionStarted(thread_id="thread", definition=definition(), user="ada", metadata='{"a":1}'),
        next=Wait("user"),
    )


def test_a_thread_starts_once() -> None:
    given(started()).when(Start("thread", definition())).is_refused(Refused, "started already")


def test_a_fork_starts_on_top_of_what_it_shares() -> None:
    given(started(), user("hi")).when(Start("fork", definition(), forked_from=FORK)).then(
        SessionStarted(thread_id="fork", definition=definition(), forked_from=FORK)
    )


@pytest.mark.parametrize(
    "command", [Say("hi"), Continue(), Cancel(), End(), Redefine(definition())]
)
def test_nothing_may_be_said_before_the_start_or_after_the_deletion(command: Command) -> None:
    given().when(command).is_refused(Refused, "not started")
    given(started(), SessionDeleted()).when(command).is_refused(Refused, "deleted")


def test_a_thread_is_deleted_once_and_not_before_its_start() -> None:
    deleted = SessionDeleted(by="ada", reason="private")
    given(started()).when(Delete("ada", "private")).then(deleted, next=Done())
    spoken().when(Delete("ada", "private")).then(deleted, next=Wait("effect"))
    given(started(), ended()).when(Delete("ada", "private")).then(deleted, next=Done())
    given(started(), deleted).when(Delete("bob")).then(next=Done())
    given().when(Delete()).is_refused(Refused, "not started")


def test_a_message_is_owed_an_answer() -> None:
    given(started()).when(Say("hi", user="ada")).then(
        UserMessageAdded(text="hi", user="ada"), next=CallModel()
    )


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003"])
def test_an_empty_message_is_refused_and_says_which_field(text: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        given(started()).when(Say(text)).then()
    assert refusal.value.field == "text"


def test_a_message_is_taken_at_any_time() -> None:
    said = UserMessageAdded(text="hi")
    spoken().when(Say("hi")).then(said, next=Wait("effect"))
    spoken(failed("unavailable")).when(Say("hi")).then(said, next=CallModel())
    given(started(), ended()).when(Say("hi")).then(said, next=CallModel())
    given(started(), ending()).when(Say("hi")).then(said, next=CallModel())


def test_a_message_that_is_to_interrupt_cancels_the_turn_under_way_first() -> None:
    say = Say("stop that", user="ada", during="interrupt")
    said = UserMessageAdded(text="stop that", user="ada")
    stop = TurnCancelled(by="ada", reason="interrupted by a message")
    spoken().when(say).then(stop, said, next=Wait("effect"))
    given(started(), user("hi")).when(say).then(stop, said, next=CallModel())
    running = spoken(replied("pay", "rm"), runs("pay"))
    running.when(say).then(stop, said, next=Wait("effect"))
    given(started(), user("hi"), ended()).when(say).then(said, next=CallModel())
    given(started(), user("hi"), cancelled()).when(say).then(said, next=CallModel())


def test_a_message_for_a_thread_at_rest_alone_is_refused_while_a_turn_is_under_way() -> None:
    say = Say("hi", during="reject")
    for busy in (
        spoken(),
        given(started(), user("hi")),
        spoken(replied("pay"), runs("pay")),
        given(started(tool("rm", approval=True)), user("x"), claim(), replied("rm"), asked("rm")),
    ):
        busy.when(say).is_refused(TurnUnderWay, "under way")
    said = UserMessageAdded(text="hi")
    given(started()).when(say).then(said, next=CallModel())
    spoken(failed("unavailable")).when(say).then(said, next=CallModel())
    given(started(), user("hi"), stopped("callsPerTurn")).when(say).then(said, next=CallModel())
    spoken(cancelled()).when(say).then(said, next=Wait("effect"))


def test_another_agent_may_go_on() -> None:
    other = definition(limits=Limits(calls_per_turn=2))
    given(started()).when(Redefine(other)).then(AgentRedefined(definition=other))


def test_continuing_takes_up_what_failed_or_was_stopped() -> None:
    spoken(failed("unavailable")).when(Continue(by="ada")).then(
        SessionContinued(by="ada"), next=CallModel()
    )
    given(started(), user("hi"), stopped("callsPerTurn")).when(Continue()).then(
        continued(), next=CallModel()
    )


def test_continuing_what_does_not_wait_changes_nothing() -> None:
    given(started(), user("hi")).when(Continue()).then()
    spoken(replied("pay"), runs("pay")).when(Continue()).then()


def test_continuing_with_other_limits_is_recorded_at_any_time() -> None:
    more = Limits(calls_per_turn=9)
    given(started()).when(Continue(more)).then(continued(more))
    given(started(limits=more)).when(Continue(more)).then()  # they are in force already


def test_a_session_limit_must_be_raised_before_the_thread_goes_on() -> None:
    session = spoken(replied("pay", tokens=50), runs("pay"), done("pay"), tokens_per_thread=40)
    session = session.and_(stopped("tokensPerThread"))
    session.when(Continue()).is_refused(Refused, r"tokensPerThread \(50 of 40\)")
    session.when(Continue(Limits(tokens_per_thread=50))).is_refused(Refused, "50 of 50")
    more = Limits(tokens_per_thread=51)
    session.when(Continue(more)).then(continued(more), next=CallModel())


def test_money_that_was_spent_must_be_allowed_before_the_thread_goes_on() -> None:
    session = spoken(replied("pay", cost_usd="0.50"), runs("pay"), cost_usd_per_thread="0.5")
    session = session.and_(done("pay"), stopped("costUsdPerThread"))
    session.when(Continue()).is_refused(Refused, "costUsdPerThread")
    more = Limits.model_validate({"costUsdPerThread": "0.51"})
    session.when(Continue(more)).then(continued(more), next=CallModel())


def test_a_reached_session_limit_does_not_refuse_to_take_up_what_is_still_under_way() -> None:
    session = spoken(replied("pay", tokens=50), runs("pay"), tokens_per_thread=40)
    session.when(Continue()).then()


def test_a_call_that_waits_may_be_approved_and_then_runs() -> None:
    spoken(replied("rm"), asked("rm")).when(approve("rm")).then(approved("rm"), next=run("rm"))


def test_a_call_may_be_approved_with_other_arguments() -> None:
    spoken(replied("rm"), asked("rm")).when(approve("rm", '{"path":"b"}')).then(
        approved("rm", '{"path":"b"}'), next=run("rm")
    )


def test_a_call_that_waits_may_be_denied() -> None:
    spoken(replied("rm"), asked("rm")).when(deny("rm", "not here")).then(
        denied("rm", "not here"), next=CallModel()
    )


@pytest.mark.parametrize("command", [approve("rm"), deny("rm")])
def test_only_a_call_that_waits_may_be_approved_or_denied(command: Command) -> None:
    refused = "does not wait for approval"
    spoken(replied("rm")).when(command).is_refused(Refused, refused)
    spoken(replied("rm"), asked("rm"), approved("rm")).when(command).is_refused(Refused, refused)
    spoken(replied("rm"), asked("rm"), denied("rm")).when(command).is_refused(Refused, refused)
    spoken(replied("rm"), asked("rm"), cancelled()).when(command).is_refused(Refused, refused)


def test_an_unknown_outcome_may_be_resolved_once() -> None:
    lost = spoken(replied("pay"), runs("pay"), broke("pay", "outcome_unknown"))
    found = lost.when(resolve("pay")).then(resolved("pay"), next=CallModel())
    found.when(resolve("pay")).is_refused(Refused, "not unknown")


def test_what_ran_out_of_time_may_be_resolved_unless_it_does_no_harm() -> None:
    begun = spoken(replied("look", "pay"), runs("look"), runs("pay"))
    late = begun.and_(broke("look", "timed_out"), broke("pay", "timed_out"))
    late.when(resolve("pay")).then(resolved("pay"), next=CallModel())
    late.when(resolve("look")).is_refused(Refused, "not unknown")


def test_a_known_outcome_cannot_be_resolved() -> None:
    spoken(replied("pay"), runs("pay")).when(resolve("pay")).is_refused(Refused, "not unknown")
    spoken(replied("pay"), runs("pay"), done("pay")).when(resolve("pay")).is_refused(Refused)


def test_a_turn_under_way_may_be_cancelled() -> None:
    stop = Cancel(by="ada", reason="enough")
    event = TurnCancelled(by="ada", reason="enough")
    given(started(), user("hi")).when(stop).then(event, next=Wait("user"))
    spoken().when(stop).then(event, next=Wait("effect"))
    spoken(replied("rm"), asked("rm")).when(stop).then(event, next=Wait("user"))
    spoken(failed("unavailable")).when(stop).then(event, next=Wait("user"))


def test_cancelling_what_is_not_under_way_changes_nothing() -> None:
    given(started()).when(Cancel()).then()
    spoken(replied(text="hello")).when(Cancel()).then()


def test_a_cancel_in_force_is_not_recorded_again() -> None:
    spoken(cancelled()).when(Cancel()).then()
    spoken(replied("pay"), runs("pay"), cancelled()).when(Cancel()).then()
    spoken(cancelled(), user("hi")).when(Cancel()).then(TurnCancelled())


def test_a_session_may_be_ended_once() -> None:
    event = SessionTerminationRequested(by="ada", reason="done")
    given(started()).when(End(by="ada", reason="done")).then(event, next=Complete())
    given(started(), ending()).when(End()).then()
    given(started(), ended()).when(End()).then()

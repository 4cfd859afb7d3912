"""What holds of every stream, whatever stands in it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.decider import abandoned, decide
from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import CallModel, RefuseCalls, RequestApproval, RunTools
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.projections.effects import effects
from messagedb_agent.projections.projection import fold
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.projections.usage import usage
from tests.properties.conversation_rules import broken_fork, broken_request, broken_rule
from tests.properties.effort import examples
from tests.properties.streams import SESSIONS, STREAMS


def _check_all_prefixes(stream: Sequence[Recorded]) -> None:
    shown = conversation.initial
    for recorded in stream:
        shown = conversation.evolve(shown, recorded)
        messages = [entry.message for entry in shown.entries]
        assert broken_rule(messages) is None, messages
        assert broken_request(shown) is None, messages


@examples(600)
@given(STREAMS)
def test_no_prefix_of_any_stream_folds_to_what_a_provider_would_refuse(
    stream: tuple[Recorded, ...],
) -> None:
    _check_all_prefixes(stream)


@examples(800)
@given(SESSIONS)
def test_no_prefix_of_a_begun_session_folds_to_what_a_provider_would_refuse(
    stream: tuple[Recorded, ...],
) -> None:
    _check_all_prefixes(stream)


@examples(150)
@given(SESSIONS, st.integers(0, 2))
def test_a_fork_of_any_prefix_folds_to_what_no_provider_would_refuse(
    stream: tuple[Recorded, ...], number: int
) -> None:
    shown = conversation.initial
    for recorded in stream:
        shown = conversation.evolve(shown, recorded)
        assert broken_fork(shown, recorded, number) is None


@examples(150)
@given(SESSIONS)
def test_all_projections_agree_on_the_calls_of_unknown_outcome(
    stream: tuple[Recorded, ...],
) -> None:
    state, ever = State(), set[str]()
    for recorded in stream:
        state = evolve(state, recorded)
        ever |= state.unknown
    calls = [item.call for item in fold(transcript, stream) if item.call]
    assert {call.call_id for call in calls if call.outcome == "unknown"} == ever
    assert fold(usage, stream).tools.unknown == len(ever)
    shown = fold(effects, stream)
    assert {effect.call_id for effect in shown.unresolved} == state.unknown
    assert [(e.call_id, e.tool, e.arguments, e.outcome) for e in shown] == [
        (call.call_id, call.tool, call.arguments, call.outcome) for call in calls
    ]


@examples(250)
@given(SESSIONS)
def test_the_decider_and_the_conversation_fold_the_same_state(
    stream: tuple[Recorded, ...],
) -> None:
    state = State()
    for recorded in stream:
        state = evolve(state, recorded)
    assert state == fold(conversation, stream).state


@examples(250)
@given(SESSIONS)
def test_every_state_has_a_next_step_and_a_way_out_of_open_claims(
    stream: tuple[Recorded, ...],
) -> None:
    shown = conversation.initial
    for recorded in stream:
        shown = conversation.evolve(shown, recorded)
        state = shown.state
        step = decide(state)
        if isinstance(step, RunTools | RequestApproval | RefuseCalls):
            # What is claimed next is found in the open round, with name and arguments.
            assert shown.round is not None
            assert all(shown.round.call(id).call_id == id for id in step.call_ids)
        if isinstance(step, CallModel):
            assert state.owed is not None
            assert not state.has_open_claims
        assert bool(abandoned(state)) == state.has_open_claims

"""What holds of every session that an engine, a world and people can make together."""

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.counting import counts
from messagedb_agent.agent.state import Stage
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.events.request import UserText
from messagedb_agent.events.schema import (
    ContextCompacted,
    LlmCallStarted,
    SessionCompleted,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
    ToolExecutionStarted,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.projections.conversation import conversation
from tests.properties.conversation_rules import broken_fork, broken_request, broken_rule
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, Moves, session_of

AGENTS = st.integers(0, 6)


@examples(600)
@given(AGENTS, MOVES)
def test_no_prefix_of_a_session_folds_to_what_a_provider_would_refuse(
    agent: int, moves: Moves
) -> None:
    shown = conversation.initial
    for recorded in session_of(agent, moves).log.records:
        shown = conversation.evolve(shown, recorded)
        assert broken_rule([entry.message for entry in shown.entries]) is None
        assert broken_request(shown) is None


@examples(150)
@given(AGENTS, MOVES, st.integers(0, 2))
def test_a_fork_of_any_prefix_of_a_session_folds_to_what_no_provider_would_refuse(
    agent: int, moves: Moves, number: int
) -> None:
    shown = conversation.initial
    for recorded in session_of(agent, moves).log.records:
        shown = conversation.evolve(shown, recorded)
        assert broken_fork(shown, recorded, number) is None


@examples(150)
@given(AGENTS, MOVES)
def test_all_that_an_engine_writes_counts(agent: int, moves: Moves) -> None:
    shown = conversation.initial
    for recorded in session_of(agent, moves).log.records:
        assert counts(shown.state, recorded), recorded
        shown = conversation.evolve(shown, recorded)


@examples(150)
@given(AGENTS, MOVES)
def test_a_session_without_input_comes_to_rest(agent: int, moves: Moves) -> None:
    session = session_of(agent, moves)
    session.crash()
    session.take_over()
    assert isinstance(session.settle(), Wait | Done)
    assert not session.state.has_open_claims


@examples(150)
@given(AGENTS, MOVES)
def test_every_message_is_answered_unless_somebody_stopped_that(agent: int, moves: Moves) -> None:
    session = session_of(agent, moves)
    session.crash()
    session.take_over()
    if session.settle() != Wait("user"):
        return  # it waits for a person, with the debt kept
    assert session.state.owed is None
    for recorded in reversed(session.log.records):
        match recorded.event:
            case LlmCallStarted(purpose="answer") | TurnCancelled() | SessionCompleted():
                return
            case UserMessageAdded():
                raise AssertionError(f"nobody answers {recorded}")


@examples(150)
@given(AGENTS, MOVES)
def test_every_message_is_shown_once_in_order_until_a_summary_stands_for_it(
    agent: int, moves: Moves
) -> None:
    session = session_of(agent, moves)
    session.crash()
    session.take_over()
    session.settle()
    records = session.log.records
    summaries = [i for i, r in enumerate(records) if isinstance(r.event, ContextCompacted)]
    said = [r.event.text for r in records if isinstance(r.event, UserMessageAdded)]
    after = records[summaries[-1] :] if summaries else records
    must = [r.event.text for r in after if isinstance(r.event, UserMessageAdded)]
    shown = [e.message.text for e in session.log.shown.entries if isinstance(e.message, UserText)]
    shown += [text.text for text, _ in session.log.shown.held]
    texts = [text for text in shown if text in said]
    assert texts == said[len(said) - len(texts) :]
    assert texts[len(texts) - len(must) :] == must


@examples(150)
@given(AGENTS, MOVES)
def test_no_tool_call_starts_after_its_outcome_or_a_second_time_as_new(
    agent: int, moves: Moves
) -> None:
    ended: set[str] = set()
    attempts: dict[str, int] = {}
    for recorded in session_of(agent, moves).log.records:
        match recorded.event:
            case ToolExecutionStarted(call_id=id, attempt=attempt):
                assert id not in ended
                assert attempt == attempts.get(id, 0) + 1
                attempts[id] = attempt
            case (
                ToolExecutionCompleted(call_id=id)
                | ToolExecutionFailed(call_id=id)
                | ToolExecutionDenied(call_id=id)
            ):
                assert id not in ended
                ended.add(id)


@examples(150)
@given(AGENTS, MOVES)
def test_nothing_is_claimed_after_a_cancel_before_somebody_speaks_again(
    agent: int, moves: Moves
) -> None:
    stopped = False
    for recorded in session_of(agent, moves).log.records:
        match recorded.event:
            case TurnCancelled() | SessionCompleted():
                stopped = True
            case UserMessageAdded():
                stopped = False
            case LlmCallStarted() | ToolExecutionStarted():
                assert not stopped, recorded


@examples(150)
@given(AGENTS, MOVES)
def test_a_waiting_session_says_what_it_waits_for(agent: int, moves: Moves) -> None:
    session = session_of(agent, moves)
    session.crash()
    session.take_over()
    step, state = session.settle(), session.state
    match step:
        case Wait(reason="approval"):
            assert state.at(Stage.ASKED)
        case Wait(reason="retry"):
            assert state.failed
            assert state.owed is not None
        case Wait(reason="limit"):
            assert state.stopped
        case Wait(reason=reason):
            assert reason == "user"

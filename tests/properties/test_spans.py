"""What holds of the spans of every stream, whatever stands in it."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.evolution import evolve
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.observability.folding import Traces
from messagedb_agent.observability.spans import Span
from tests.properties.effort import examples
from tests.properties.sessions import MOVES, Moves, session_of
from tests.properties.streams import SESSIONS, STREAMS
from tests.unit.observability.folded import traced


def checked(stream: Sequence[Recorded]) -> tuple[list[Span], Traces]:
    spans, traces = traced(stream, with_content=True)
    ids = [span.context.span_id for span in spans]
    assert len(ids) == len(set(ids)), "a span ends once"
    assert all(span.end_ms >= span.start_ms for span in spans)
    return spans, traces


@examples(150)
@given(STREAMS | SESSIONS)
def test_any_stream_folds_to_spans_that_end_once(stream: tuple[Recorded, ...]) -> None:
    checked(stream)


@examples(150)
@given(st.integers(0, 9), MOVES)
def test_a_session_at_rest_has_no_span_left_open(agent: int, moves: Moves) -> None:
    records = session_of(agent, moves).log.records
    spans, traces = checked(records)
    state = State()
    for recorded in records:
        state = evolve(state, recorded)
    step = decide(state)
    if isinstance(step, Done) or step in (Wait("user"), Wait("retry"), Wait("limit")):
        assert not traces.turns
        assert not traces.begun
    if all(recorded.stream == records[0].stream for recorded in records) and not traces.turns:
        ended = {span.context for span in spans}
        assert all(span.parent in ended for span in spans if not span.is_turn)

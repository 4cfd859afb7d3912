"""The spans that a history folds to."""

from collections.abc import Iterable, Mapping

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.observability.folding import Traces, evolve
from messagedb_agent.observability.spans import Span
from messagedb_agent.projections.conversation import conversation

Properties = Mapping[int, str]


def traced(
    records: Iterable[Recorded], properties: Properties | None = None, *, with_content: bool = False
) -> tuple[list[Span], Traces]:
    """Fold a history; return the spans that ended, in order, and the fold.

    Args:
        records: the history.
        properties: what events carry from their senders, by position.
        with_content: whether spans tell what was said.
    """
    traces, shown, spans = Traces(with_content=with_content), conversation.initial, list[Span]()
    for recorded in records:
        after = conversation.evolve(shown, recorded)
        carried = (properties or {}).get(recorded.position)
        traces = evolve(traces, recorded, carried, shown, after)
        spans += traces.ended
        shown = after
    return spans, traces


def names(spans: Iterable[Span]) -> list[str]:
    return [span.name for span in spans]


def named(spans: Iterable[Span], name: str) -> Span:
    (span,) = (span for span in spans if span.name == name)
    return span

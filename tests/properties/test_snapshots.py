"""A snapshot and what came after it are the full fold: of any stream, at any position."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.agents.picture import Drawn, Picture, causes, draw, drawn
from messagedb_agent.agents.view import view
from messagedb_agent.engine.places import Noted
from messagedb_agent.engine.snapshot import (
    Page,
    Snapshot,
    data_of,
    pieces,
    snapshot_in,
    with_pieces,
)
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.projection import fold
from messagedb_agent.store.message import Message
from tests.properties.effort import examples
from tests.properties.streams import SESSIONS, STREAMS
from tests.properties.test_determinism import bytes_of

NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - as a store gives it, UTC without a zone


class Written:
    """Snapshots as they stand in streams, without a store."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def write(self, picture: Picture, before: Drawn | None, page_bytes: int) -> Message:
        parts = finished(picture, before, page_bytes)
        pages = {name: tuple(map(self._placed, some)) for name, some in parts.pages.items()}
        snapshot = Snapshot("agent:v0-s", 3, "h", "r", (), "code", 4, parts.rest, pages, "now")
        return Message("id", "agent:v0+snapshot-s", "Recorded", 0, 1, data_of(snapshot), None, NOON)

    def read(self, message: Message) -> tuple[Picture, Drawn]:
        snapshot = snapshot_in(message)
        assert (snapshot.stream, snapshot.position, snapshot.events) == ("agent:v0-s", 3, 4)
        pages = {name: tuple(map(self._filled, some)) for name, some in snapshot.pages.items()}
        return drawn(snapshot.rest, pages)

    def _placed(self, page: Page) -> Page:
        if page.place is not None:
            return page
        texts = pieces(page)
        self.pages.extend(texts)
        return replace(page, place=(len(self.pages) - len(texts), len(texts)))

    def _filled(self, page: Page) -> Page:
        first, count = page.place or (0, 0)
        return with_pieces(page, self.pages[first : first + count])


def finished(picture: Picture, before: Drawn | None, page_bytes: int) -> Drawn:
    drawing = draw(picture, before, page_bytes)
    while True:
        try:
            next(drawing)
        except StopIteration as end:
            done: Drawn = end.value
            return done


@examples(150)
@given(
    STREAMS | SESSIONS,
    st.lists(st.integers(0, 40), min_size=1, max_size=4),
    st.sampled_from([1, 300, 100_000]),
)
def test_a_snapshot_and_what_came_after_it_are_the_full_fold(
    stream: Sequence[Recorded], sizes: list[int], page_bytes: int
) -> None:
    """Each snapshot is read by another process, and takes over the pages of the one before."""
    written, before, folded, rest = Written(), None, view.initial, stream
    noted = (
        Noted(0, 7, Travelling("a:b-c", None, '{"x": 1}')),
        Noted(9, None, Travelling()),
    )
    for size in sizes:
        folded, rest = fold(view, rest[:size], folded), rest[size:]
        message = written.write(Picture(folded, size, noted), before, page_bytes)
        picture, before = written.read(message)
        assert (picture.dropped, picture.noted) == (size, noted)
        folded = picture.view
    assert bytes_of(folded) == bytes_of(fold(view, stream[: len(stream) - len(rest)]))
    assert bytes_of(fold(view, rest, folded)) == bytes_of(fold(view, stream))
    assert causes(folded) == causes(fold(view, stream[: len(stream) - len(rest)]))


@examples(50)
@given(SESSIONS, st.integers(1, 60))
def test_a_page_that_is_full_is_not_written_again(stream: Sequence[Recorded], first: int) -> None:
    folded = fold(view, stream[:first])
    one = finished(Picture(folded), None, 1)
    placed = {
        name: tuple(replace(page, place=(i, 1)) for i, page in enumerate(pages))
        for name, pages in one.pages.items()
    }
    two = finished(Picture(fold(view, stream[first:], folded)), replace(one, pages=placed), 1)
    assert two.pages["states"][: len(placed["states"])] == placed["states"]

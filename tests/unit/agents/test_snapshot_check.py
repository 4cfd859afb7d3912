"""`verify` compares every snapshot with the full fold, and names what is another."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from messagedb_agent.agents.picture import drawn
from messagedb_agent.agents.view import View
from messagedb_agent.changing import changed
from messagedb_agent.engine.snapshot import data_of, snapshot_in
from messagedb_agent.engine.snapshots import with_pages
from messagedb_agent.projections.conversation import Entry
from messagedb_agent.projections.grown import Grown
from messagedb_agent.store.message import Message
from tests.properties.test_snapshots import finished
from tests.unit.agents.snapshots import (
    ChangedStore,
    begun,
    beside,
    engine_on,
    snapshots_of,
    stream_of,
    turns,
)
from tests.unit.agents.wrong_snapshots import WRONG


async def test_snapshots_that_equal_the_full_fold_are_counted() -> None:
    store = ChangedStore()
    agent = await begun(store, count=6)
    fork = await turns(await engine_on(store), await agent.fork(), 3)
    engine = await engine_on(store)
    for one in (agent, fork):
        verified = await engine.verify(one.thread_id)
        assert verified.finding is None
        assert verified.snapshots == len(await snapshots_of(store, one)) > 0
        assert verified.other_snapshots == 0


FOREIGN = (
    *("no JSON", "NULL", "of another shape", "no object", "of another type", "of other code"),
    *("with an endless number", "with a page of nothing"),
)
UNSEEN = ("with too many pages",)


@pytest.mark.parametrize("what", sorted(WRONG.keys() - {*UNSEEN}))
async def test_a_wrong_snapshot_is_named_and_a_foreign_one_is_counted(what: str) -> None:
    store = ChangedStore()
    agent = await begun(store)
    count = len(await snapshots_of(store, agent))
    store.change = WRONG[what]
    verified = await (await engine_on(store)).verify(agent.thread_id)
    if what in FOREIGN:
        assert (verified.finding, verified.other_snapshots) == (None, count)
    else:
        assert verified.finding
        assert verified.finding.stream == beside(agent)
        assert verified.finding.type == "Recorded"


def _failed(seen: View) -> View:
    talk = seen.conversation
    return changed(seen, conversation=changed(talk, state=changed(talk.state, failed=True)))


def _other_answer(seen: View) -> View:
    return changed(seen, outcome=changed(seen.outcome, answer="5"))


def _other_entry(seen: View) -> View:
    talk = seen.conversation

    def other(entry: Entry) -> Entry:
        return changed(entry, source=("agent:v0-other", 3))

    first, *others = talk.entries
    return changed(seen, conversation=changed(talk, entries=Grown([other(first), *others])))


def _fewer_states(seen: View) -> View:
    line = seen.lineage
    return changed(seen, lineage=replace(line, states=Grown(line.states[:-1])))


@pytest.mark.parametrize("page_bytes", [1, 100_000])
@pytest.mark.parametrize(
    ("forge", "field", "recorded", "computed"),
    [
        (_failed, "conversation.state.failed", "True", "False"),
        (_other_answer, "outcome.answer", "5", "2 + 1 = 3."),
        (_other_entry, "conversation.entries[0]", None, None),
        (_fewer_states, "lineage.states, how many", "4", "5"),
    ],
)
async def test_a_forged_snapshot_is_named_with_the_field(
    forge: Callable[[View], View],
    field: str,
    recorded: str | None,
    computed: str | None,
    page_bytes: int,
) -> None:
    store = ChangedStore()
    agent = await begun(store, "every 29")
    (message,) = await snapshots_of(store, agent)
    snapshot = await with_pages(store, snapshot_in(message))
    picture, _ = drawn(snapshot.rest, snapshot.pages)
    parts = finished(replace(picture, view=forge(picture.view)), None, page_bytes)
    sealed = data_of(replace(snapshot, rest=parts.rest, pages=parts.pages))

    def forged(row: Message) -> Message:
        return replace(row, data=sealed) if row.id == message.id else row

    store.change = forged
    found = (await (await engine_on(store)).verify(agent.thread_id)).finding
    assert found
    assert (found.stream, found.position) == (beside(agent), 0)
    assert found.what == f"the snapshot is not what its events fold to: {field}"
    if recorded is not None:
        assert (found.recorded, found.computed) == (recorded, computed)


async def test_a_snapshot_behind_a_cut_tail_shows_the_cut() -> None:
    store = ChangedStore()
    agent = await begun(store)
    (*_, last) = await snapshots_of(store, agent)
    at = snapshot_in(last).position
    del store._streams[stream_of(agent)][at:]
    found = (await (await engine_on(store)).verify(agent.thread_id)).finding
    assert found
    assert (found.stream, found.position) == (beside(agent), last.position)
    assert f"the thread ends before {at}" in found.what

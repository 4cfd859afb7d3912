"""Importing what can be of a file, where some of its threads are refused; and saying so before."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from messagedb_agent import Engine
from messagedb_agent.audit import (
    StreamImport,
    check_import,
    import_threads,
    refused_exports,
    thread_ids,
)
from messagedb_agent.errors import DuplicateMessage, IntegrityError, RefusedPayload
from tests.contract.messages import new
from tests.unit.audit.test_archive import (
    CATEGORY,
    archive,
    exported,
    rows,
    sealed,
    source,
    talked,
    target,
)

__all__ = ["source", "target"]

Written = tuple[str, str | None, str | None]  # type, data, metadata


async def imported(engine: Engine, lines: list[str]) -> Sequence[StreamImport]:
    opened = archive(lines)
    plans = await check_import(engine, opened, skips_refused=True)
    return [one async for one in import_threads(engine, opened, plans, skips_refused=True)]


def changed(lines: list[str], thread_id: str, position: int, **values: Any) -> list[str]:
    """Return lines with another row in the place of one, and an end that fits."""
    found = list[str]()
    for line in lines:
        row = json.loads(line)
        is_it = (row.get("streamName"), row.get("position")) == (
            f"{CATEGORY}-{thread_id}",
            position,
        )
        found.append(json.dumps({**row, **values}) if is_it else line)
    return sealed(found)


@pytest.mark.parametrize(
    ("values", "kind", "why"),
    [
        ({"data": '{"text": "another"}'}, IntegrityError, "/1 UserMessageAdded: the hash"),
        ({"type": "Paid", "metadata": None, "data": "[1]"}, RefusedPayload, "/1 Paid: .* object"),
    ],
)
async def test_what_is_refused_is_left_out_by_name_and_the_others_are_imported(
    source: Engine, target: Engine, values: dict[str, Any], kind: type[Exception], why: str
) -> None:
    first, wrong, last = [(await talked(source)).thread_id for _ in range(3)]
    lines = changed(await exported(source, first, wrong, last), wrong, 1, **values)
    done = {one.id: one for one in await imported(target, lines)}
    assert list(done) == [first, wrong, last]
    with pytest.raises(kind, match=f"^{CATEGORY}-{wrong}{why}"):
        raise done[wrong].refused or AssertionError
    assert (done[wrong].new, done[wrong].there) == (0, 0)
    assert await thread_ids(target) == tuple(sorted((first, last)))
    for thread_id in (first, last):
        assert done[thread_id].refused is None
        assert await rows(target, thread_id) == await rows(source, thread_id)


@pytest.mark.parametrize("order", [1, -1])
async def test_a_fork_of_a_thread_that_is_left_out_is_left_out_unless_its_parent_is_here(
    source: Engine, target: Engine, order: int
) -> None:
    parent = await source.start("What is 42 * 7?")
    fork = await parent.fork()
    behind = len(await rows(source, parent.thread_id))
    await parent.advance("Thanks!")
    lines = await exported(source, parent.thread_id, fork.thread_id)
    first, *given, end = changed(lines, parent.thread_id, behind, type="Other")
    given.sort(key=lambda line: order * json.loads(line)["streamName"].endswith(fork.thread_id))
    lines = sealed([first, *given, end])
    done = await imported(target, lines)
    assert all(one.refused for one in done)
    of_fork = next(one for one in done if one.id == fork.thread_id)
    assert "which is not here" in str(of_fork.refused)
    assert await thread_ids(target) == ()

    await imported(target, await exported(source, parent.thread_id))
    done = await imported(target, lines)
    assert [one.id for one in done if one.refused] == [parent.thread_id]
    assert (await target.verify(fork.thread_id)).finding is None


async def test_what_is_refused_only_when_it_is_written_is_left_out_with_its_forks(
    source: Engine, target: Engine
) -> None:
    parent, sound = await talked(source), await talked(source)
    fork = await parent.fork()
    taken = (await rows(source, parent.thread_id))[3][0]
    await target.store.append("other-1", new("Paid", id=taken))
    lines = await exported(source, parent.thread_id, fork.thread_id, sound.thread_id)
    first, second, third = await imported(target, lines)
    assert isinstance(first.refused, DuplicateMessage)
    assert isinstance(second.refused, IntegrityError)
    assert third.refused is None
    assert await thread_ids(target) == (sound.thread_id,)


def altered(row: Any) -> Written:
    return (row[2], row[4].replace("42", "43") if row[4] else row[4], row[5])


def as_it_was(row: Any) -> Written:
    return (row[2], row[4], row[5])


@pytest.mark.parametrize("how", [altered, as_it_was])
async def test_what_no_import_takes_is_known_when_it_is_exported(
    source: Engine, target: Engine, how: Callable[[Any], Written]
) -> None:
    agent = await talked(source)
    for row in await rows(source, agent.thread_id):
        await target.store.append(row[1], new(*how(row), id=row[0]))
    refused = [one async for one in refused_exports(target, [agent.thread_id])]
    if how is as_it_was:
        assert refused == []
        return
    ((stream, why),) = refused
    with pytest.raises(IntegrityError) as same:
        await check_import(source, archive(await exported(target)))
    assert stream == f"{CATEGORY}-{agent.thread_id}"
    assert f"nothing is imported: {why}" == str(same.value)

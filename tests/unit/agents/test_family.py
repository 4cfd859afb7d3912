"""The tree of forks that a thread stands in."""

from messagedb_agent.agents.family import family
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import engine_on, scripted, stream_of


async def test_a_tree_is_bounded_and_always_has_the_ancestors() -> None:
    engine = engine_on(MemoryStore(), scripted("one"))
    line = [await engine.start("first")]
    for _ in range(3):
        line.append(await line[-1].fork())
    others = [await line[0].fork(title=f"{n}") for n in range(3)]
    last = line[-1].thread_id
    whole = await engine.family(last)
    assert whole.is_whole
    assert {b.thread_id for b in whole.threads} == {a.thread_id for a in (*line, *others)}
    category = stream_of(engine, last).partition("-")[0]
    cut = await family(engine.store, category, stream_of(engine, last), limit=2)
    assert not cut.is_whole
    assert [b.thread_id for b in cut.threads[:4]] == [a.thread_id for a in line]
    assert len(cut.threads) == 6

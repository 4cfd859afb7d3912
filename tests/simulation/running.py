"""One run: a scenario and a schedule, until all is at rest; then what is wrong with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from tests.simulation.checks import findings, look
from tests.simulation.faults import Fault, Point, drawn
from tests.simulation.loop import OUTSIDE
from tests.simulation.people import People
from tests.simulation.remembering import remembering
from tests.simulation.scenarios import SCENARIOS, Scenario
from tests.simulation.world import World

_IDLE_S = 60.0


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run.

    Attributes:
        scenario: name of the script.
        schedule: what was to go wrong.
        fired: what did.
        missed: kinds of faults that never happened; a run that misses one is void.
        wrong: what must not be; empty for a good run.
        trace: the log of the run.
        points: how many points there were of each sort, while the script ran.
        types: types of events that stand in the log.
        moments: steps at which a crash leaves another world behind than one right before.
        seed: what the schedule was drawn from, if it was.
    """

    scenario: str
    schedule: tuple[Fault, ...]
    fired: tuple[Fault, ...]
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    trace: tuple[str, ...]
    points: Mapping[Point, int]
    types: frozenset[str]
    moments: tuple[int, ...]
    seed: int | None = None

    @property
    def is_void(self) -> bool:
        """Whether a fault of the schedule never happened."""
        return bool(self.missed)

    def __str__(self) -> str:
        found = "\n".join(f"  {one}" for one in self.wrong)
        schedule = ",".join(map(str, self.schedule))
        again = f"--schedule {schedule or 'none'}" if self.seed is None else f"--seed {self.seed}"
        return (
            f"{self.scenario}, {schedule or 'nothing goes wrong'}:\n{found}\n"
            f"  again: python -m tests.simulation --scenario {self.scenario} {again}"
        )


def run(scenario: Scenario, schedule: tuple[Fault, ...], random: Random | None = None) -> Run:
    """Run a scenario to its end and check what came of it."""
    world = World(schedule, random)
    people = People(world)
    points: Counter[Point] = Counter()
    try:
        with remembering(for_more=random is None):
            main = world.loop.create_task(_main(scenario, world, people, points), context=OUTSIDE)
            wrong = world.loop.run_until_complete(main)
            world.loop.clear_away(world.processes)
    finally:
        world.loop.close()
    return Run(
        scenario.name,
        schedule,
        tuple(world.faults.fired),
        world.faults.missed,
        tuple(wrong),
        tuple(world.trace),
        points,
        world.server.statements.rows.types_written(),
        tuple(moment for moment in world.moments if moment < points["step"]),
    )


def run_seed(seed: int, only: str | None = None) -> Run:
    """Run what a seed stands for.

    Args:
        seed: any number.
        only: name of the scenario to take; None lets the seed choose.
    """
    random = Random(seed)
    [chosen] = random.choices(*_weighted())
    scenario = SCENARIOS[only or chosen]
    done = run(scenario, drawn(random, clean(scenario.name).points), random)
    return replace(done, seed=seed)


@cache
def _weighted() -> tuple[list[str], list[float]]:
    """Return all scenarios, and how often each is drawn by comparison.

    Scripts of few steps are drawn more often: so many more runs fit into the same time.
    """
    names = sorted(SCENARIOS)
    return names, [clean(name).points["step"] ** -2 for name in names]


@cache
def clean(name: str) -> Run:
    """Return the run of a scenario in which nothing goes wrong."""
    return run(SCENARIOS[name], ())


async def _main(
    scenario: Scenario, world: World, people: People, points: Counter[Point]
) -> list[str]:
    await scenario.script(people)
    await world.all_done()
    points.update(world.faults.passed)
    world.faults.active = False
    began = world.loop.time()
    looks = [await look(world, thread_id) for thread_id in world.threads]
    for index, thread_id in enumerate(world.threads):
        if not looks[index].is_at_rest:
            await world.take_on(thread_id)
            looks[index] = await look(world, thread_id)
    if world.loop.time() - began > _IDLE_S:
        world.wrong.append(f"not idle within {_IDLE_S:g} s, once nothing goes wrong any more")
    return await findings(world, people, looks)

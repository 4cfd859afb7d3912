"""What must hold after every run, whatever went wrong in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit import BesideChecking, engine_kinds
from messagedb_agent.engine.findings import Verification
from messagedb_agent.engine.history import read_rows
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    LlmCallFailed,
    LlmCallStarted,
    SessionCompleted,
    ToolExecutionStarted,
    TurnCancelled,
    UserMessageAdded,
)
from messagedb_agent.projections.conversation import Conversation
from tests.properties.conversation_rules import broken_request, broken_rule
from tests.simulation.grammar import broken_grammar
from tests.simulation.ledger import stream_of
from tests.simulation.people import People
from tests.simulation.policy import Row, broken_bookings, broken_policies
from tests.simulation.remembering import folded, once_a_run
from tests.simulation.tools import BOOKING
from tests.simulation.world import World

_RESTS = ("start", "user", "approval", "retry", "limit")
# After these a process may be gone, without its lock, or out of patience with the store.
_UPHEAVALS = frozenset({"crash", "pause", "drop", "outage", "deaf", "busy"})
# After these a process may be gone, or have given the store up, with a result that it had.
_SILENCINGS = frozenset({"crash", "outage", "deaf", "busy"})
# After these nobody knows whether a transaction was committed, and its call is claimed again.
_UNDOINGS = frozenset({"refuse", "lose", "drowse"})


@dataclass(frozen=True, slots=True)
class Look:
    """A thread as it stands in the store.

    Attributes:
        stream: full name of its stream.
        rows: its own events, without its ancestors'.
        ours: those of them that no stranger wrote.
        shown: the fold of all.
        wrong: prefixes that no provider would take.
    """

    stream: str
    rows: tuple[Row, ...]
    ours: tuple[Row, ...]
    shown: Conversation
    wrong: tuple[str, ...]

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is left to be done in it, and nobody does anything."""
        step = decide(self.shown.state)
        rests = isinstance(step, Done) or (isinstance(step, Wait) and step.reason in _RESTS)
        return not self.rows or (rests and not self.shown.state.has_open_claims)


async def look(world: World, thread_id: str) -> Look:
    """Read a thread from the store, past all that processes know of it."""
    stream = stream_of(thread_id)
    shown, evolve = folded.initial, folded.evolve
    rows, ours, wrong = list[Row](), list[Row](), list[str]()
    async for message, decoded in read_rows(world.server.statements.rows, stream):
        before, shown = shown, evolve(shown, decoded.recorded)
        if rule := _broken_prefix(before, shown):
            wrong.append(f"up to {message.position} no provider would take it: {rule}")
        if message.stream_name == stream:
            writer = decoded.metadata.writer
            rows.append(Row(decoded.recorded, message.global_position, writer))
            ours += rows[-1:] if writer else []
    return Look(stream, tuple(rows), tuple(ours), shown, tuple(wrong))


@once_a_run
def _broken_prefix(before: Conversation, shown: Conversation) -> str | None:
    """Return the rule that a prefix breaks and the one before it does not."""
    rule = None
    if shown.entries is not before.entries:
        rule = broken_rule([entry.message for entry in shown.entries])
    return rule or broken_request(shown)


async def findings(world: World, people: People, looks: Sequence[Look]) -> list[str]:
    """Return what is wrong after a run."""
    wrong = [*world.wrong, *world.loop.troubles]
    wrong += [f"the model was asked what it refuses: {rule}" for rule in world.provider.refused]
    verified = await _verified(world, looks)
    for seen in looks:
        wrong += [f"{seen.stream}: {one}" for one in _thread(seen, verified.get(seen.stream))]
    rows = [row for seen in looks for row in seen.rows]
    wrong += broken_policies(world.ledger.deeds, world.ledger.failures, rows)
    wrong += broken_bookings(world.server.statements.booked, rows)
    wrong += _lost(world, people, rows)
    wrong += await _forgotten(world, people)
    wrong += _needless(world, rows)
    wrong += _thrown_away(world, looks)
    claims = sum(isinstance(row.recorded.event, LlmCallStarted) for row in rows)
    if world.provider.asked > claims:
        wrong.append(f"the model was asked {world.provider.asked} times for {claims} claims")
    return wrong


async def _verified(world: World, looks: Sequence[Look]) -> dict[str, Verification]:
    """Verify all threads as a process of its own does, by what the store lets it read."""
    found: dict[str, Verification] = {}

    async def verified(engine: Engine) -> None:
        for thread_id, seen in zip(world.threads, looks, strict=True):
            if seen.rows:
                found[seen.stream] = await engine.verify(thread_id)

    await world.do("verifies", verified)
    return found


async def _forgotten(world: World, people: People) -> list[str]:
    """Return what was noted of users, and is not what is known, or does not verify."""
    wrong: list[str] = []

    async def recalled(engine: Engine) -> None:
        for (user, key), value in people.remembered.items():
            known = await engine.memory.get(user, key)
            if known is None or known.value != value:
                wrong.append(f"of {user} {key} {value} was noted, and {known} is known")
        checking = BesideChecking(engine.store, engine_kinds(engine))
        for user in dict.fromkeys(user for user, _ in people.remembered):
            if finding := (await checking.verify(engine.memory.stream(user))).finding:
                wrong.append(f"verify: {finding}")

    if people.remembered:
        await world.do("recalls", recalled)
    return wrong


def _thread(seen: Look, verification: Verification | None) -> list[str]:
    wrong = [*seen.wrong, *broken_grammar([row.recorded for row in seen.ours])]
    if verification is None:
        wrong += ["is not verified"] if seen.rows else []
    elif verification.finding:
        wrong.append(f"verify: {verification.finding}")
    step = decide(seen.shown.state)
    if not seen.is_at_rest:
        wrong.append(f"is not at rest: {step}")
    if step == Wait("user") and (forgotten := _unanswered(seen.rows)):
        wrong.append(f"nobody answers {forgotten}")
    return wrong


def _unanswered(rows: Sequence[Row]) -> Recorded | None:
    """Return a message that no answer was begun for, and no stop has dropped."""
    for row in reversed(rows):
        match row.recorded.event:
            case LlmCallStarted(purpose="answer") | TurnCancelled() | SessionCompleted():
                return None
            case UserMessageAdded():
                return row.recorded
    return None


def _needless(world: World, rows: Sequence[Row]) -> Iterator[str]:
    """Yield what was taken over, or asked again, though nobody had died or lost a thread."""
    fired = {fault.kind for fault in world.faults.fired}
    if fired & _UPHEAVALS:
        return
    undone = {BOOKING} if fired & _UNDOINGS else set()
    for row in rows:
        match row.recorded.event:
            case LlmCallFailed(kind="interrupted"):
                yield f"{row.recorded} is interrupted, and nobody died"
            case ToolExecutionStarted(attempt=n, tool_name=name) if n > 1 and name not in undone:
                yield f"{row.recorded} is taken over, and nobody died"


def _thrown_away(world: World, looks: Sequence[Look]) -> Iterator[str]:
    """Yield results that nobody was told, though whoever had them lived, and reached the store."""
    if {fault.kind for fault in world.faults.fired} & _SILENCINGS:
        return
    for seen in looks:
        for call in sorted(seen.shown.state.unknown & world.ledger.results):
            yield f"{seen.stream}: {call} gave a result, and is of unknown outcome"


def _lost(world: World, people: People, rows: list[Row]) -> Iterator[str]:
    standing = {row.recorded.id: row.recorded for row in rows}
    for id, place in world.acknowledged.items():
        found = standing.get(id)
        if found is None or (found.stream, found.position) != place:
            yield f"{id} was acknowledged at {place}, and stands at {found}"
    for id in people.said:
        if id not in standing or not isinstance(standing[id].event, UserMessageAdded):
            yield f"the message {id} was said, and is lost"

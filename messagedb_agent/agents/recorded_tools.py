"""Tool calls that are answered from the record of another thread: what a what-if runs on."""

from collections.abc import Awaitable, Callable, Mapping

from messagedb_agent.agents.run import Run
from messagedb_agent.agents.view import View
from messagedb_agent.engine.history import read_events
from messagedb_agent.events.canonical import is_object
from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import Place, Recorded
from messagedb_agent.events.schema import ToolExecutionStarted
from messagedb_agent.events.values import (
    MAX_FAILURE_CHARS,
    EventPlace,
    ForkPoint,
    JsonText,
    ToolSpec,
)
from messagedb_agent.events.words import Answering
from messagedb_agent.projections.dropped import given_results
from messagedb_agent.projections.record import Key, RecordedCall, key_of, record
from messagedb_agent.store.store import Reader
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.tool import (
    MayBegin,
    NotDone,
    Problem,
    ToolContext,
    ToolFailure,
    ToolResult,
    Tools,
    at_once,
)

ToolAnswer = ToolResult | ToolFailure

GIVEN_BY = "user"
"""Who is recorded as the giver of a result that a person was asked for."""

AskResult = Callable[[str, JsonText], Awaitable[str | None]]
"""Asks a person for the result of a call, by its tool and arguments; None where none is given."""


def silent_mode(seen: View) -> Answering | None:
    """Return what answers calls of a thread in which no tool runs; None for any other thread."""
    point = _point(seen)
    return point.tools if point and point.tools in ("recorded", "ask") else None


def _point(seen: View) -> ForkPoint | None:
    return seen.started.forked_from if seen.started else None


class Answers:
    """What the record says to the calls of a fork.

    The n-th of several calls of a fork that are the same gets what the n-th of them behind the fork
    point gave; where there are not so many, what the newest gave. A result that was given with the
    fork stands before all of these.

    Args:
        reader: where the threads are kept.
        run: the fork.
    """

    def __init__(self, reader: Reader, run: Run) -> None:
        self._reader = reader
        self._run = run
        self._calls: Mapping[str, RecordedCall] | None = None
        self._read = 0
        self._started: list[tuple[Key, str]] = []  # the fork's own calls, as they were begun

    @property
    def view(self) -> View:
        """The fork, as far as it was read."""
        return self._run.view

    async def find(
        self, name: str, arguments: str, call_id: str
    ) -> ToolResult | ToolFailure | None:
        """Return what a call gives; None where nothing is recorded."""
        started, point = self.view.started, _point(self.view)
        if started is None or point is None:
            return None
        known = await self._known(point)
        key = key_of(name, arguments)
        recorded = set(point.recorded)
        for id, text in given_results(started).items():
            call = known.get(id)
            if id not in recorded and call is not None and call.key == key:
                return ToolResult(text, _place(Place(self._run.journal.stream, 0)))
        alike = [call for call in known.values() if call.key == key and _is_told(call)]
        if not alike:
            return None
        later = [call for call in alike if _is_behind(call.asked, point)]
        index = await self._earlier(key, call_id)
        return _outcome(later[index] if index < len(later) else alike[-1])

    async def _known(self, point: ForkPoint) -> Mapping[str, RecordedCall]:
        if self._calls is None:
            known = record.initial
            async for recorded in read_events(self._reader, point.stream_name):
                known = record.evolve(known, recorded)
            self._calls = known.calls()
        return self._calls

    async def _earlier(self, key: Key, call_id: str) -> int:
        """Say how many calls of the fork that are the same were begun before this one."""
        async for message in self._reader.read(self._run.journal.stream, position=self._read):
            self._read = message.position + 1
            self._note(decode(message).recorded)
        before = 0
        for other, id in self._started:
            if id == call_id:
                break
            before += other == key
        return before

    def _note(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, ToolExecutionStarted) and event.attempt == 1:
            self._started.append((key_of(event.tool_name, event.arguments), event.call_id))


def _is_behind(place: Place, point: ForkPoint) -> bool:
    return place.stream == point.stream_name and place.position > point.position


def _is_told(call: RecordedCall) -> bool:
    return call.kind is not None and call.kind != "denied"


def _outcome(call: RecordedCall) -> ToolAnswer:
    place = _place(call.told) if call.told else None
    if call.kind == "raised" or call.kind == "timed_out":
        return ToolFailure(call.kind, call.text, place)
    return ToolResult(call.text, place)


def _place(place: Place) -> EventPlace:
    return EventPlace(stream_name=place.stream, position=place.position)


class ThreadTools:
    """The toolbox of a thread: a fork may say that its calls are answered from a record.

    Args:
        tools: the tools that are here.
        answers: what the record says, and how the thread stands.
        ask: asks a person for a result; None where nobody is there.
    """

    def __init__(self, tools: Tools, answers: Answers, ask: AskResult | None = None) -> None:
        self._tools = tools
        self._answers = answers
        self._ask = ask

    @property
    def _is_silent(self) -> bool:
        return silent_mode(self._answers.view) is not None

    def specs(self) -> tuple[ToolSpec, ...]:
        """Return the tools that are here; those that are recorded, where none runs."""
        definition = self._answers.view.conversation.definition
        return definition.tools if self._is_silent and definition else self._tools.specs()

    def problem(self, name: str, arguments: JsonText) -> Problem | None:
        """Say why a call cannot run; of a tool that is not here the name alone is known."""
        found = self._tools.problem(name, arguments)
        if found is None or found.kind != "unknown_tool" or not self._is_silent:
            return found
        if not any(spec.name == name for spec in self.specs()):
            return found
        is_fit = not arguments.strip() or is_object(arguments)
        return None if is_fit else Problem("bad_arguments", "the arguments are no JSON object")

    async def run(
        self,
        name: str,
        arguments: JsonText,
        context: ToolContext,
        *,
        may_begin: MayBegin = at_once,
    ) -> ToolAnswer:
        """Answer a call from the record, or by what the fork says is to answer it."""
        point = _point(self._answers.view)
        mode = point.tools if point else None
        if mode is None:
            return await self._tools.run(name, arguments, context, may_begin=may_begin)
        if (found := await self._answers.find(name, arguments, context.call_id)) is not None:
            return found
        if mode == "live":
            return await self._tools.run(name, arguments, context, may_begin=may_begin)
        if mode == "ask" and self._ask is not None:
            given = await self._ask(name, arguments)
            if given is not None:
                return ToolResult(given, given_by=GIVEN_BY)
        why = f"the record has no result of {name} {arguments}"
        return ToolFailure("not_recorded", why[:MAX_FAILURE_CHARS])

    async def reconcile(self, name: str, key: str) -> ToolResult | ToolFailure | NotDone:
        """Ask a tool what became of a call; where none runs, nothing has happened."""
        return NotDone() if self._is_silent else await self._tools.reconcile(name, key)

    def is_transactional(self, name: str) -> bool:
        """Say whether a tool writes in the transaction that its result is appended in."""
        return not self._is_silent and self._tools.is_transactional(name)

    def has(self, tool: AnyTool) -> bool:
        """Say whether this very tool is here."""
        return self._tools.has(tool)

    def added(self, *tools: AnyTool) -> "ThreadTools":
        """Return a set that has further tools behind these."""
        return ThreadTools(self._tools.added(*tools), self._answers, self._ask)

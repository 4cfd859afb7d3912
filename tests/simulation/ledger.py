"""What tools did to the world, kept outside of the store and written where it happens."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from messagedb_agent.store.stream_name import thread_stream
from messagedb_agent.tools.tool import ToolContext
from tests.simulation.faults import Fault, Faults
from tests.simulation.loop import PROCESS, Killed, Process, VirtualLoop
from tests.simulation.server import Server

CATEGORY, VERSION = "agent", "v0"


def stream_of(thread_id: str) -> str:
    return thread_stream(CATEGORY, VERSION, thread_id)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a tool did.

    Attributes:
        what: whether it began, or took effect.
        tool: the tool's name.
        stream: the thread's stream.
        call_id: our id of the call.
        attempt: which attempt of it.
        key: its idempotency key.
        process: who did it.
        at_s: when.
        seen: the newest global position of the store at that moment.
        owned: whether the process owned the thread then, as the server sees it.
        confirmed: the newest global position when the process last asked whether it owns it.
    """

    what: Literal["begun", "done"]
    tool: str
    stream: str
    call_id: str
    attempt: int
    key: str
    process: int
    at_s: float
    seen: int
    owned: bool
    confirmed: int


class Ledger:
    """The deeds of all tools, in order; and what goes wrong with tools.

    Args:
        loop: tells the time.
        server: whose rows are looked at.
        faults: what goes wrong.
        say: writes the log of the run.

    Attributes:
        deeds: what was done.
        failures: attempts that a tool has said of that they failed, by call id and attempt.
        results: ids of the calls that a tool gave a result of.
    """

    def __init__(
        self, loop: VirtualLoop, server: Server, faults: Faults, say: Callable[[str], None]
    ) -> None:
        self.deeds: list[Deed] = []
        self.failures: set[tuple[str, int]] = set()
        self.results: set[str] = set()
        self._loop = loop
        self._server = server
        self._faults = faults
        self._say = say
        self._fenced: set[tuple[str, int]] = set()  # key and number of a deed that is called off

    def begin(self, tool: str, context: ToolContext) -> dict[str, Fault]:
        """Note that a tool begins, and return what will go wrong with it."""
        self._note("begun", tool, context)
        due = {fault.kind: fault for fault in self._faults.at("tool")}
        for fault in due.values():
            self._say(f"{_process()} {fault}")
        return due

    def take_effect(self, tool: str, context: ToolContext) -> None:
        """Note that a tool does what it is for.

        Raises:
            RuntimeError: the target has said of this attempt that it is not done, and never will.
        """
        if (context.idempotency_key, context.attempt) in self._fenced:
            raise RuntimeError("called off")
        self._note("done", tool, context)

    def fail(self, context: ToolContext, error: Exception) -> Exception:
        """Note that an attempt fails, whether or not it has taken effect, and return its error."""
        self.failures.add((context.call_id, context.attempt))
        self._say(f"{_process()} failed {context.call_id} {context.attempt}")
        return error

    def settle(self, key: str) -> bool:
        """Say whether a call has taken effect; where it has not, no begun attempt ever will."""
        deeds = [deed for deed in self.deeds if deed.key == key]
        if any(deed.what == "done" for deed in deeds):
            return True
        self._fenced |= {(key, deed.attempt) for deed in deeds}
        return False

    def _note(self, what: Literal["begun", "done"], tool: str, context: ToolContext) -> None:
        process = _process()
        stream = stream_of(context.thread_id)
        deed = Deed(
            what,
            tool,
            stream,
            context.call_id,
            context.attempt,
            context.idempotency_key,
            process.number,
            self._loop.time(),
            self._server.statements.rows.last_global_position(),
            self._server.owns(process, stream),
            self._server.confirmed.get(process.number, 0),
        )
        self.deeds.append(deed)
        self._say(f"{process} {what} {tool} {context.call_id} {context.attempt}")


LEDGER: ContextVar[Ledger] = ContextVar("ledger")
"""The ledger of the world that a tool runs in."""


def _process() -> Process:
    process = PROCESS.get()
    if process is None or not process.alive:
        raise Killed
    return process

"""A turn as it goes on: pieces of answers, tool calls and results, and the new agent at the end."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from messagedb_agent.agent.commands import Cancel
from messagedb_agent.agent.counting import valid_calls
from messagedb_agent.agents.progress import Progress
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import view
from messagedb_agent.errors import AgentError
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.request import Delta
from messagedb_agent.events.schema import (
    LlmCallStarted,
    LlmResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionDenied,
    ToolExecutionFailed,
)
from messagedb_agent.store.stream_name import id_of

if TYPE_CHECKING:
    from messagedb_agent.agents.agent import Agent
    from messagedb_agent.agents.asking import Asking

CLOSED = "the stream was closed"
"""Why a turn was cancelled whose stream somebody has closed."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an answer as it arrives; the pieces since the last call or restart are its text.

    Attributes:
        text: the piece; a model that gives its answer at once gives one.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks, where its provider shows that.

    Attributes:
        text: the piece.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Restarted:
    """The pieces of this answer so far belong to an attempt that failed; it begins anew."""


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks for a tool.

    Attributes:
        call_id: our id of the call.
        name: the tool's name, as the model wrote it.
        arguments: its arguments, as the model wrote them: JSON text, right or wrong.
    """

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool call has its outcome.

    Attributes:
        call_id: our id of the call.
        name: the tool's name, as the model wrote it; empty where it was asked for before.
        text: the result, or why there is none.
        failed: whether there is none: it failed, or nobody allowed it.
    """

    call_id: str
    name: str
    text: str
    failed: bool = False


Piece: TypeAlias = Token | Reasoning | Restarted | ToolCalled | ToolReturned
"""What a stream gives before the new agent."""

StreamItem: TypeAlias = Union[Piece, "Agent"]
"""What a stream gives; the new agent comes last."""


async def streamed(
    engine: "Asking", advance: Callable[[Progress], Coroutine[Any, Any, "Agent"]]
) -> AsyncGenerator[StreamItem, None]:
    """See a turn through, and give what happens in it; see `Agent.stream`.

    Args:
        engine: what works on the thread.
        advance: sees the turn through, and tells a `Progress` of it.
    """
    heard = _Heard()
    turn = asyncio.create_task(advance(Progress(heard.on_delta, heard.on_event)))
    turn.add_done_callback(lambda _: heard.end())
    try:
        while (piece := await heard.next()) is not None:
            yield piece
        yield await turn
    finally:
        await _left(engine, turn, heard)


class _Heard:
    """What was heard of a turn and is not given yet."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stream = ""
        self._pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._names: dict[str, str] = {}
        self._answering = ""  # id of the claim of the answer under way
        self._is_told = False  # whether pieces of it were given

    async def next(self) -> Piece | None:
        return await self._pieces.get()

    def end(self) -> None:
        self.begun.set()
        self._pieces.put_nowait(None)

    def on_delta(self, delta: Delta) -> None:
        if delta.kind == "restart":
            self._pieces.put_nowait(Restarted())
            return
        self._is_told = self._is_told or delta.kind == "text"
        made = Token if delta.kind == "text" else Reasoning
        self._pieces.put_nowait(made(delta.text))

    def on_event(self, recorded: Recorded) -> None:
        self.stream = recorded.stream
        self.begun.set()
        match recorded.event:
            case LlmCallStarted(purpose="answer"):
                self._answering, self._is_told = recorded.id, False
            case LlmResponseReceived(llm_call_id=claim) as reply if claim == self._answering:
                self._replied(reply)
            case ToolExecutionCompleted(call_id=call, result=text):
                self._returned(call, text)
            case ToolExecutionFailed(call_id=call, kind=kind, message=message):
                self._returned(call, f"{kind}: {message}", failed=True)
            case ToolExecutionDenied(call_id=call, reason=reason):
                self._returned(call, reason or "", failed=True)

    def _replied(self, reply: LlmResponseReceived) -> None:
        if reply.text and not self._is_told:
            self._pieces.put_nowait(Token(reply.text))
        for call in valid_calls(reply):
            self._names[call.call_id] = call.name
            self._pieces.put_nowait(ToolCalled(call.call_id, call.name, call.arguments))

    def _returned(self, call: str, text: str, *, failed: bool = False) -> None:
        self._pieces.put_nowait(ToolReturned(call, self._names.get(call, ""), text, failed))


async def _left(engine: "Asking", turn: "asyncio.Task[Agent]", heard: _Heard) -> None:
    """Bring a turn to rest that nobody listens to any more."""
    try:
        await heard.begun.wait()  # what is about to be said is in the log, or never will be
        if not turn.done():
            await _cancel(engine, heard.stream)
            await asyncio.wait([turn])
    except AgentError:  # it cannot be said: the turn is left to whoever takes the thread up
        turn.cancel()
        await asyncio.wait([turn])
    finally:
        turn.cancel()  # cut off here too; nothing where it is done
        if turn.done() and not turn.cancelled():
            turn.exception()  # it is heard of by whoever reads the stream to its end, if at all


async def _cancel(engine: "Asking", stream: str) -> None:
    thread = Standing("", id_of(stream) or "", view.initial)
    await engine.ask(thread, Cancel(reason=CLOSED), detached=True)

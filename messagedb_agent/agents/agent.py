"""An agent: one immutable state of a thread, and what can be asked of it."""

from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from messagedb_agent.agent.commands import (
    ApproveTool,
    Cancel,
    Command,
    Continue,
    DenyTool,
    During,
    End,
    ResolveOutcome,
    Say,
)
from messagedb_agent.agents.forkable import Forkable
from messagedb_agent.agents.json_text import json_text
from messagedb_agent.agents.meant import unresolved_call
from messagedb_agent.agents.outputs import OutputType, wanted
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.streaming import StreamItem, streamed
from messagedb_agent.agents.turn_options import TurnOptions, recorded_first
from messagedb_agent.agents.valued import Kind, T, Valued
from messagedb_agent.events.values import Limits
from messagedb_agent.tools.object_tool import AnyTool


@dataclass(frozen=True, eq=False, repr=False)
class Agent(Valued[T], Forkable):
    """One state of a thread. It never changes: every step gives another agent.

    Its id says it all: agents with the same id are equal, and it alone rebuilds the agent in any
    process (`Engine.load_agent`). What is known of it stands in `Standing`, what can be read of its
    past in `Readable`, the value of its answer in `Valued`, what is made of it in `Forkable`, and
    what people write on its thread in `Filable`. `T` is the type of its `output`, for type
    checkers; it need not be named.
    """

    @recorded_first("max_retries", "timeout", "max_tool_rounds")
    async def advance(
        self,
        text: str,
        *,
        user: str | None = None,
        temperature: float | Decimal | None = None,
        max_tokens: int | None = None,
        top_p: float | Decimal | None = None,
        max_retries: int | None = 3,
        timeout: float | None = 120,  # noqa: ASYNC109  # of each attempt, and recorded
        max_tool_rounds: int | None = 10,
        tools: Sequence[AnyTool | str] | None = None,
        message_id: str | None = None,
        at_head: bool = False,
        during: During = "queue",
        traceparent: str | None = None,
        progress: Progress = SILENT,
        detached: bool = False,
        output: OutputType[Kind] | None = None,
        **changes: Any,
    ) -> "Agent[Kind]":
        """Say something and see the turn through.

        A state that is no longer the newest of its thread forks there: the new agent is of a
        thread of its own. This agent stays as it is, whatever happens; where it fails on the way,
        or is cancelled, `resume` goes on with what was written: of this agent, or of the error's.

        How the model is asked, and how many rounds it may have, is said for this turn alone: the
        next message finds the agent as it was. Whatever else is said of the agent stays so. None
        leaves all as it is recorded, and so does an option that is left out: the defaults of
        `max_retries`, `timeout` and `max_tool_rounds` are in force where nothing else is recorded.

        Args:
            text: what the user says.
            user: who says it.
            temperature: for this turn: a decimal number, usually 0 to 2.
            max_tokens: for this turn: most tokens of one answer.
            top_p: for this turn: a decimal number, 0 to 1.
            max_retries: for this turn: most attempts of a model call after the first.
            timeout: for this turn: most seconds that one attempt may take.
            max_tool_rounds: for this turn: most rounds of tool calls; where another model call
                would follow, the turn stops with `LimitReached`, each of its calls answered, and
                `resume` gives it as many again. An agent whose `Limits` bound the calls of a turn,
                and not its rounds, has no such default.
            tools: the tools that the agent has from here on, these and no others: tools, or names
                of the engine's. The new agent holds them; another process needs them named again,
                or in its engine.
            message_id: a UUID of the caller's, as text; the same id with the same text is one
                message, however often it is said.
            at_head: say it in the thread as it stands by then, and never fork.
            during: what becomes of it where a turn is under way in the thread by then: `queue`
                answers it afterwards, `interrupt` cancels the turn in the same append, `reject`
                refuses it. In a fork nothing is under way.
            traceparent: the span that the turn is to belong to, as W3C Trace Context names it; by
                default the current one, where tracing is on. One that is malformed is ignored.
            progress: told of the run while it goes on.
            detached: only write it down; workers answer.
            output: what the answer must be: a pydantic model, a dataclass, a `TypedDict` (before
                Python 3.12 that of `typing_extensions`) or any other type that pydantic can check,
                a `TypeAdapter`, or a JSON Schema. The new agent's `output` is the value. An
                answer that is not it is sent back once, with what is wrong.
            changes: fields of `Definition` that are to be other than recorded: `model`,
                `system_prompt`, `parameters`, `limits`, `context` (see `Engine.define`). None
                leaves a field as it is; the tools are the engine's where no others are named. Under
                `definition`, who the agent is from here on: an `AgentDefinition`, a saved one, or
                the name of one.

        Returns:
            The state that answers the text, or where the turn waits for an approval; where it is
            detached, the state right behind the text. Where others have spoken meanwhile it is
            not the thread's newest one, and forks when it advances.

        Raises:
            ModelError: the model call failed for good, or (kind `bad_output`) two answers in a row
                were not the output; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty, an option or a change is wrong, something is no
                tool, the message id is no UUID or no JSON Schema can be made of the output; nothing
                was written.
            ConfigurationError: a call was left open whose tool is not here; what was said stands.
            RefusedPayload: the text, or a change, is larger than the store takes (1 MiB a message
                by default).
            DuplicateMessage: the message id is taken by another text, another output or another
                thread.
            TurnUnderWay: a turn is under way, and `during` is `reject`.
            Refused: the thread is deleted, or holds an event that needs newer code. A state that
                forks is not refused for what came after it, but where another writer was first in
                the stream that its fork would have.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; what was written stands, and the same
                again with a message id is safe.
        """
        asked = None if output is None else wanted(output)
        engine = self.engine
        if tools is not None:
            engine, changes["tool_names"] = engine._equipped(tools)
        return await engine.ask(
            Agent(self.id, self.thread_id, self.view, engine, _wanted=asked),
            Say(text, user, during, asked.schema if asked else None),
            message_id=message_id,
            changes=changes,
            options=TurnOptions(
                temperature, max_tokens, top_p, max_retries, timeout, max_tool_rounds
            ),
            traceparent=traceparent,
            progress=progress,
            forks=not at_head,
            detached=detached,
        )

    def stream(self, text: str, **options: Any) -> AsyncGenerator[StreamItem, None]:
        """Say something, and give what happens as it happens: `async for item in ...`.

        It begins when the first item is asked for. What comes is a `Token` for each piece of an
        answer, `Reasoning`, `Restarted` where an attempt failed on the way, `ToolCalled` and
        `ToolReturned`, of `messagedb_agent.agents.streaming`; the new agent comes last.

        Who closes the stream early (`aclose`, or leaving the loop and dropping the stream) cancels
        the turn as `cancel` does: what was begun gets its outcome, the thread rests, and takes the
        next message. Where that cannot be said, as the store is away or the closing is cancelled
        too, the turn is left as a crash leaves it: `resume`, or a worker, goes on with it.

        Args:
            text: what the user says.
            options: what `advance` takes beside `progress` and `detached`.

        Raises:
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty, an option is wrong or the message id is no UUID;
                nothing was written.
            ConfigurationError: a call was left open whose tool is not here; what was said stands.
            RefusedPayload: the text, or a change, is larger than the store takes.
            DuplicateMessage: the message id is taken by another text or another thread.
            Refused: as for `advance`.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; what was written stands.
        """

        def advance(progress: Progress) -> Coroutine[Any, Any, Agent]:
            return self.advance(text, progress=progress, **options)

        return streamed(self.engine, advance)

    async def resume(
        self, *, limits: Limits | None = None, progress: Progress = SILENT, **changes: Any
    ) -> "Agent":
        """Go on where the thread stopped: after a crash, a failed call, or with raised limits.

        It is the thread's head that goes on. A thread that has nothing to do stays as it is.

        Args:
            limits: limits that replace those in force; one that is None stays as it is.
            progress: told of the run while it goes on.
            changes: fields of `Definition`, as for `advance`.

        Returns:
            The state where the thread rests then.

        Raises:
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: a change is wrong; nothing was written.
            ConfigurationError: a call was left open whose tool is not here.
            RefusedPayload: a change is larger than the store takes.
            Refused: a limit of the session is reached and was not raised, the thread is deleted,
                or it holds an event that needs newer code.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._ask(Continue(limits or Limits()), progress, changes)

    async def approve(
        self,
        call_id: str | None = None,
        *,
        arguments: Mapping[str, Any] | str | None = None,
        reason: str | None = None,
        by: str | None = None,
        progress: Progress = SILENT,
    ) -> "Agent":
        """Allow a tool call and see the turn through.

        What runs then is what `approvals` shows, or the changed arguments; nothing else.

        Args:
            call_id: its id, or a beginning or an end of it that no other waiting call's has; None
                where only one waits.
            arguments: what to run it with in place of the model's arguments, a JSON object; the
                model is told.
            reason: why, for the log.
            by: who allows it, for the log.
            progress: told of the run while it goes on.

        Returns:
            The state after the turn, or where it waits for the next approval.

        Raises:
            NotFound: in this state no call, or more than one, fits `call_id`.
            Refused: the call waits no more, in this state or in the thread's head; it is not the
                one that was asked about; the thread is deleted, or holds an event that needs newer
                code.
            ValidationError: the changed arguments are no JSON object, or the tool refuses them.
            ConfigurationError: another call was left open whose tool is not here; what was said
                stands.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            RefusedPayload: the reason is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; `resume` goes on with what was written.
        """
        if isinstance(arguments, Mapping):
            arguments = json_text(arguments, "arguments")
        call = self.approval(call_id).call_id
        return await self._ask(ApproveTool(call, by, reason, arguments), progress)

    async def deny(
        self,
        call_id: str | None = None,
        *,
        reason: str | None = None,
        by: str | None = None,
        progress: Progress = SILENT,
    ) -> "Agent":
        """Refuse a tool call, of which the model is told, and see the turn through.

        Args:
            call_id: its id, or a beginning or an end of it that no other waiting call's has; None
                where only one waits.
            reason: why, for the model and the log.
            by: who refuses it, for the log.
            progress: told of the run while it goes on.

        Returns:
            The state after the turn, or where it waits for the next approval.

        Raises:
            NotFound: in this state no call, or more than one, fits `call_id`.
            Refused: the call waits no more, in this state or in the thread's head; the thread is
                deleted, or holds an event that needs newer code.
            ConfigurationError: another call was left open whose tool is not here; what was said
                stands.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            RefusedPayload: the reason is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; `resume` goes on with what was written.
        """
        call = self.approval(call_id).call_id
        return await self._ask(DenyTool(call, by, reason), progress)

    async def cancel(self, *, reason: str | None = None, by: str | None = None) -> "Agent":
        """Stop the run at its next safe point; the thread takes the next message.

        Effects under way are cancelled by whoever performs them, within a second or so; calls
        that wait or have not begun never run, and messages that nobody has answered yet stay
        unanswered. A thread at rest stays as it is.

        Args:
            reason: why, for the log.
            by: who stops it, for the log.

        Returns:
            The thread's head, at rest.

        Raises:
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            RefusedPayload: the reason is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._ask(Cancel(by, reason), SILENT)

    async def resolve(
        self,
        call_id: str,
        status: Literal["completed", "failed"],
        text: str,
        *,
        by: str | None = None,
        progress: Progress = SILENT,
    ) -> "Agent":
        """Say what really happened to a call of unknown outcome; it is said once.

        The model is shown it as a note when it is asked next; this alone asks no model.

        Args:
            call_id: its id, or a beginning or an end of it that no other call of unknown outcome
                has.
            status: whether it took effect.
            text: the result, or why it failed.
            by: who says so, for the log.
            progress: told of the run while it goes on.

        Returns:
            The state where the thread rests then.

        Raises:
            NotFound: in this state no call of unknown outcome, or more than one, fits `call_id`.
            Refused: the late process itself, or somebody else, has said it meanwhile; the thread
                is deleted, or it holds an event that needs newer code.
            ConfigurationError: another call was left open whose tool is not here; what was said
                stands.
            ModelError: the model call failed for good; `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            RefusedPayload: the text is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        call = unresolved_call(self.view, call_id)
        return await self._ask(ResolveOutcome(call, status, text, by), progress)

    async def end(self, *, reason: str | None = None) -> "Agent":
        """End the session; a later message reopens it. Ended twice is ended once.

        Effects under way are cancelled first, by whoever performs them.

        Args:
            reason: why, for the log.

        Returns:
            The thread's head, ended, unless somebody has spoken since, which reopens it.

        Raises:
            Refused: the thread was never started or is deleted, or it holds an event that needs
                newer code.
            RefusedPayload: the reason is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self._ask(End(reason=reason), SILENT)

    async def _ask(
        self, command: Command, progress: Progress, changes: Mapping[str, Any] | None = None
    ) -> "Agent":
        return await self.engine.ask(self, command, changes=changes, progress=progress)

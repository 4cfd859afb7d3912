"""The engine: threads on one store, and the agents that are their states."""

from collections.abc import Mapping
from typing import Any

from messagedb_agent import ids
from messagedb_agent.agent.commands import Say, Start
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.defining import (
    DEFAULTS,
    check_strategy,
    check_there,
    chosen,
    defined,
    stated,
)
from messagedb_agent.agents.json_text import json_text
from messagedb_agent.agents.loading import Loading
from messagedb_agent.agents.outputs import OutputType, Wanted, wanted
from messagedb_agent.agents.progress import SILENT, Progress
from messagedb_agent.agents.valued import Kind
from messagedb_agent.agents.watching import named_sender
from messagedb_agent.closing import Closing
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.saved import SavedDefinition
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import Definition


class Engine(Closing, Loading):
    """Threads of one category on one store; `connect` makes it.

    It may be used by several tasks at once, of one event loop. What it works with are the fields
    of `Equipment`.
    """

    async def close(self) -> None:
        """Let go of the connections to the store and to models; closing twice is closing once.

        Afterwards whatever reads or writes raises `StoreUnavailable`.
        """
        try:
            await self._runs.close()
        finally:
            await self._let_go()

    async def ping(self) -> None:
        """Ask the store whether it is there.

        Raises:
            StoreUnavailable: it was not reached, or the engine is closed.
        """
        await self.store.stream_version(self._stream("ping"))

    async def init_schema(self) -> bool:
        """Install Message DB where it is missing; what is there is left as it is.

        Whoever connects needs one already: `await connect(url).init_schema()` makes it first. The
        embedded server has one, and a store in memory needs none.

        Returns:
            Whether anything was missing, and is there now.

        Raises:
            ConfigurationError: the role may not install.
            StoreUnavailable: the database was not reached.
            NotMessageDb: a table of that name is there, and is not Message DB's.
            UnsupportedMessageDb: another version is installed.
        """
        return await self.database.install() if self.database else False

    def clear_cache(self) -> None:
        """Drop what was folded; it is read again when it is needed. Any thread may call it."""
        self._runs.clear()
        self._states.clear()
        self.memory.clear_cache()

    def define(
        self,
        name: str | None = None,
        *,
        definition: AgentDefinition | SavedDefinition | None = None,
        **fields: Any,
    ) -> Definition:
        """Return a definition as threads record it, with this engine's tools.

        Args:
            name: what the agent is called, `assistant` where nobody says.
            definition: who the agent is, as its author wrote it, or as it was saved.
            fields: fields of `Definition`, which stand before what `definition` says; `model` is
                `offline` by default, and there is a short prompt for a helpful assistant.
                `context` is a strategy of `messagedb_agent.context`, or its text: what of the
                conversation the model is shown. A turn has 10 rounds of tool calls, where `limits`
                bound neither these nor its model calls.

        Raises:
            ValidationError: a field is unknown or wrong, a tool that `definition` names is not
                here, or there are two prompts; `field` is the name of what is at fault. A model's
                name is not looked up before it is asked.
        """
        check_strategy(fields.get("context_strategy"))
        given = stated({**fields, "definition": definition, "name": name})
        specs, names = given.pop("tools", self.tools.specs()), given.get("tool_names")
        check_there(specs, names)
        return defined({**DEFAULTS, **given, "tools": chosen(specs, names)})

    async def create_agent(
        self,
        name: str | None = None,
        *,
        definition: AgentDefinition | SavedDefinition | str | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Agent:
        """Begin a thread and return its first state; no model is asked.

        Args:
            name: what the agent is called, `assistant` where nobody says.
            definition: who the agent is, as its author wrote it, as it was saved, or by the name it
                was saved under, which means its newest revision.
            user: whose thread it is.
            metadata: what to note with it, a JSON object.
            fields: fields of `Definition`, such as `system_prompt` and `model`, and `context`; see
                `define`.

        Raises:
            ValidationError: a field is unknown or wrong, a tool that `definition` names is not
                here, or JSON cannot hold the metadata.
            NotFound: no definition has this name.
            IntegrityError: the definition of this name cannot be read here.
            RefusedPayload: the definition with the metadata is larger than the store takes (1 MiB
                a message by default).
            StoreUnavailable: the store was not reached; the thread may stand there all the same.
        """
        written = await self._written(definition)
        recorded = self.define(name, definition=written, **fields)
        return await self._begin(recorded, None, user, metadata, None, SILENT)

    async def start(
        self,
        text: str,
        *,
        definition: AgentDefinition | SavedDefinition | Definition | str | None = None,
        user: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        traceparent: str | None = None,
        progress: Progress = SILENT,
        detached: bool = False,
        output: OutputType[Kind] | None = None,
        **fields: Any,
    ) -> Agent[Kind]:
        """Begin a thread with a message and see its first turn through.

        Args:
            text: what the user says.
            definition: who the agent is, as its author wrote it, as it was saved, by the name it
                was saved under, or as `define` makes it, which is the default.
            user: whose thread it is, and who speaks.
            metadata: what to note with the thread, a JSON object.
            message_id: a UUID of the caller's, as text; a start repeated with it is one thread.
            traceparent: the span that the turn is to belong to, as W3C Trace Context names it; by
                default the current one, where tracing is on. One that is malformed is ignored.
            progress: told of the run while it goes on.
            detached: only write it down; workers answer.
            output: what the answer must be; see `Agent.advance`.
            fields: as for `create_agent`; none beside what `define` has made.

        Returns:
            The state that answers the text, or where the turn waits for an approval; where it is
            detached, the state right behind the text.

        Raises:
            ModelError: the model call failed for good, there is no such model (kind
                `configuration`), or two answers in a row were not the output (`bad_output`);
                `agent` is the recorded state.
            LimitReached: a limit stopped the turn; `agent` is the recorded state.
            ValidationError: the text is empty, a field is unknown or wrong, the message id is no
                UUID, JSON cannot hold the metadata, no JSON Schema can be made of the output, a
                tool that the definition names is not here, or its context strategy is not known.
            NotFound: no definition has this name.
            RefusedPayload: the text, or the definition with the metadata, is larger than the store
                takes (1 MiB a message by default).
            DuplicateMessage: the message id is taken by another text or another thread.
            Refused: the thread was started before with this message id, and is deleted by now or
                holds an event that needs newer code.
            IntegrityError: the stream is shorter than it was, or the definition of this name cannot
                be read here.
            StoreUnavailable: the store was not reached; the same again with a message id is safe.
        """
        if not isinstance(definition, Definition):
            definition = self.define(definition=await self._written(definition), **fields)
        elif fields:
            field = next(iter(fields))
            raise ValidationError(f"{field}: the definition is made already", field=field)
        asked = None if output is None else wanted(output)
        return await self._begin(
            definition,
            Say(text, user, output=asked.schema if asked else None),
            user,
            metadata,
            message_id,
            progress,
            detached=detached,
            traceparent=traceparent,
            asked=asked,
        )

    async def write_snapshot(self, thread_id: str) -> int | None:
        """Write a snapshot of a thread now, whatever the policy; see `connect`.

        Args:
            thread_id: its id, in full.

        Returns:
            The position it was taken at; None where the thread is so short that none would be
            used, or somebody else was writing one.

        Raises:
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            RefusedPayload: it holds what the store does not take.
            StoreUnavailable: the store was not reached.
        """
        return await self._turns.write_snapshot(thread_id)

    async def _begin(
        self,
        definition: Definition,
        say: Say | None,
        user: str | None,
        metadata: Mapping[str, Any] | None,
        message_id: str | None,
        progress: Progress,
        *,
        detached: bool = False,
        traceparent: str | None = None,
        asked: Wanted[Any] | None = None,
    ) -> Agent:
        await self._check_written(definition)
        given = None if message_id is None else ids.normalised_id(message_id)
        thread_id = ids.derived_id("", given, "thread") if given else ids.thread_id()
        text = json_text(metadata, "metadata") if metadata not in (None, {}) else None
        start = Start(thread_id, definition, user, text)
        sender = named_sender(traceparent)
        rest = await self._turns.begin(
            start, say, given, progress, detached=detached, sender=sender, wanted=asked
        )
        if detached:
            return self._agent(rest.thread_id, rest.view, asked)
        return self._settled(rest, asked)

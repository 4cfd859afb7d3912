"""A workshop: an engine's equipment, with what is made of it: runs, turns and definitions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

from messagedb_agent.agents.defining import check_several, check_strategy, check_there
from messagedb_agent.agents.equipment import Equipment
from messagedb_agent.agents.reading import Reading
from messagedb_agent.agents.runs import Runs
from messagedb_agent.agents.snapshotting import Snapshotting
from messagedb_agent.agents.states import FoldedStates, state_at
from messagedb_agent.agents.turns import Turns
from messagedb_agent.agents.view import View
from messagedb_agent.definitions.authoring import AgentDefinition
from messagedb_agent.definitions.named import Definitions
from messagedb_agent.definitions.saved import SavedDefinition
from messagedb_agent.engine.revisions import NotAsSaved, saved_prompt
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import Definition
from messagedb_agent.tools.object_tool import AnyTool


class Workshop(Equipment, Reading):
    """What threads of one category are worked on with, and what was read of them."""

    @cached_property
    def _turns(self) -> Turns:
        """What takes threads on."""
        return Turns(self._runs)

    @cached_property
    def _runs(self) -> Runs:
        """The threads, as far as they were read; workers use it."""
        ids, policy = self._workings.writing.ids, self._workings.snapshots
        return Runs(self, Snapshotting(self.store, ids, policy))

    @cached_property
    def definitions(self) -> Definitions:
        """The named definitions beside these threads, and templates."""
        writing, shelf = self._workings.writing, self._workings.shelf
        return Definitions(
            self.store, self.category, writing.clock, writing.ids, writing.writer, shelf
        )

    @cached_property
    def _states(self) -> FoldedStates:
        """States that were folded lately."""
        return FoldedStates()

    async def _folded(self, thread_id: str, position: int) -> View:
        """Return the fold of a thread up to an event, from the nearest one that is kept.

        Args:
            thread_id: its id, in full.
            position: position of the event in the thread's own stream, from 0.

        Raises:
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        stream = self._stream(thread_id)
        return await state_at(self.store, stream, position, self._states, self._runs.snapshots)

    def with_tools(self, *tools: AnyTool) -> Self:
        """Return an engine on the same connections that has further tools; closing one closes both.

        Raises:
            ValidationError: something is no tool, or a tool of that name is here already.
            ConfigurationError: a tool is transactional, and the store has no transactions.
        """
        engine = replace(self, tools=self.tools.added(*tools))
        # The threads that were read stay so: a run is told of what is new alone.
        vars(engine)["_runs"] = replace(self._runs, equipment=engine)
        vars(engine)["_states"] = self._states
        return engine

    def _equipped(self, tools: Sequence[AnyTool | str]) -> tuple[Self, tuple[str, ...]]:
        """Return an engine that has some tools, and their names.

        Args:
            tools: tools, or names of those that are here.

        Raises:
            ValidationError: something is no tool, another tool of its name is here already, or
                there is none of a name.
            ConfigurationError: a tool is transactional, and the store has no transactions.
        """
        check_several(tools, "tools")
        new = [t for t in tools if not isinstance(t, str) and not self.tools.has(t)]
        engine = self.with_tools(*new) if new else self
        names = tuple(tool if isinstance(tool, str) else tool.name for tool in tools)
        check_there(engine.tools.specs(), names)
        return engine, names

    async def _with_written(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        written = await self._written(changes.get("definition"))
        return changes if written is None else {**changes, "definition": written}

    async def _written(
        self, definition: AgentDefinition | SavedDefinition | str | None
    ) -> AgentDefinition | SavedDefinition | None:
        """Return a definition as its author wrote it, or the newest one of a name."""
        if isinstance(definition, str):
            return await self.definitions.get(definition)
        return definition

    async def _check_written(self, definition: Definition) -> None:
        """Refuse what a thread could not stand by later.

        Raises:
            ValidationError: its strategy is not known, or it is not what was saved as the revision
                that it names.
            StoreUnavailable: the store was not reached.
        """
        check_strategy(definition.context_strategy)
        if definition.revision is None:
            return
        try:
            prompt = await saved_prompt(self.store, definition.revision)
        except NotAsSaved as error:
            raise ValidationError(f"revision: {error}", field="revision") from error
        if prompt not in (None, definition.system_prompt):
            raise ValidationError("revision: its prompt is another", field="revision")

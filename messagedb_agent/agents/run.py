"""A thread being taken on, folded as it goes."""

from collections.abc import Callable, Sequence

from messagedb_agent.agent.commands import Say
from messagedb_agent.agent.steps import Done, Wait
from messagedb_agent.agents.picture import Drawn, Picture, causes
from messagedb_agent.agents.retelling import retell
from messagedb_agent.agents.settled import Settled
from messagedb_agent.agents.shared_past import opened_at
from messagedb_agent.agents.snapshotting import Snapshotting, Taken
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import View, view, with_conversation
from messagedb_agent.agents.watching import Watch
from messagedb_agent.engine.batch import Batch
from messagedb_agent.engine.effects import Effects
from messagedb_agent.engine.history import Segment, read_events
from messagedb_agent.engine.journal import Journal, Opened, Writing
from messagedb_agent.engine.saying import Saying
from messagedb_agent.engine.thread import attend, take_on
from messagedb_agent.errors import DuplicateMessage, TurnUnderWay
from messagedb_agent.events.chain import hash_bytes
from messagedb_agent.events.codec import clean_text, decode
from messagedb_agent.events.metadata import Travelling
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import UserMessageAdded
from messagedb_agent.events.trace_context import TraceContext, trace_context_in
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.projection import fold
from messagedb_agent.store.store import Store


class Run:
    """One thread, from what is said to it to its next rest.

    Args:
        store: where the thread is kept.
        stream: full name of its stream.
        thread_id: its id.
        writing: clock, ids and writer.
        snapshots: where the fold may begin, and is kept; None where that is the first event.
        watch: told of every event; None for nobody.
        parent: the state that it is to branch off from, for a fork that is begun.

    Attributes:
        journal: the thread's events.
        view: the fold of the thread, as far as it was read.
        events: how many events were folded, ancestors' included.
        watch: who is told of every event.
    """

    def __init__(
        self,
        store: Store,
        stream: str,
        thread_id: str,
        writing: Writing,
        snapshots: Snapshotting | None = None,
        watch: Watch | None = None,
        parent: Standing | None = None,
    ) -> None:
        self.thread_id = thread_id
        self.watch = watch
        opening = self._opened if snapshots or parent else None
        self._parent = parent
        self.journal = Journal(store, stream, writing, self._seen, opening)
        self.events = 0
        self._snapshots = snapshots
        self._writing = writing
        self._kept: Drawn | None = None  # the newest snapshot of this thread
        self._kept_events = 0
        self._begun_at = -1  # where the fold began, behind a snapshot
        self._owned = False
        self._settled = Settled(stream)
        self._said = -1
        self._store = store
        self.view = view.initial
        self._on_event: Callable[[Recorded], None] | None = None

    def has_moved_past(self, position: int) -> bool:
        """Say whether anything that matters stands after a position of the thread."""
        current = self.view.lineage.current
        return current is not None and current.position > position

    async def take_on(
        self, saying: Saying, effects: Effects, on_event: Callable[[Recorded], None] | None = None
    ) -> View:
        """Say something and see the thread through.

        Args:
            saying: what is said.
            effects: performs what the thread claims.
            on_event: told of every event from now on, once it stands in the log.

        Returns:
            The fold where what was said is answered, which may be before the thread rests: others
            speak to it too.

        Raises:
            DuplicateMessage: the message id is taken by something else.
            ConfigurationError: a call that was left open needs a tool that is not here.
            TurnUnderWay: it was not to be said during a turn.
        """
        self._on_event = on_event
        has_tool = effects.has_tool

        def say(batch: Batch) -> None:
            saying(batch)
            self._said = batch.head.version

        def own() -> None:
            self._owned = True

        try:
            await take_on(
                self._store,
                self.journal,
                effects.perform,
                say,
                has_tool=has_tool,
                on_own=own,
            )
        except (DuplicateMessage, TurnUnderWay) as refused:
            said = await self._said_before(saying)  # then it is its own turn that is under way
            if said is None:
                raise refused from None
            self._said = said.position
            await take_on(self._store, self.journal, effects.perform, has_tool=has_tool, on_own=own)
        finally:
            self._on_event = None
        return await self._answered()

    async def attend(
        self, effects: Effects, on_event: Callable[[Recorded], None] | None = None
    ) -> Wait | Done | None:
        """See the thread through to its next rest, if nobody else works on it.

        Args:
            effects: performs what the thread claims.
            on_event: told of every event from when there is something to do, once it stands in
                the log.

        Returns:
            What the thread waits for, or that it is done; None where somebody else owns it.

        Raises:
            ConfigurationError: the thread has something to do and needs tools that are not here.
        """

        def begin() -> None:
            self._on_event = on_event
            self._owned = True

        try:
            return await attend(
                self._store,
                self.journal,
                effects.perform,
                has_tool=effects.has_tool,
                on_begin=begin,
            )
        finally:
            self._on_event = None

    async def say(self, saying: Saying, on_event: Callable[[Recorded], None] | None = None) -> View:
        """Say something, and leave the thread to whoever works on it.

        Args:
            saying: what is said.
            on_event: told of every event from now on, once it stands in the log.

        Returns:
            The fold right behind what was said, or where it stood already.

        Raises:
            DuplicateMessage: the message id is taken by something else.
            TurnUnderWay: it was not to be said during a turn.
        """
        self._on_event = on_event
        try:
            await self.journal.catch_up()
            await self.journal.claim(saying)
        except (DuplicateMessage, TurnUnderWay) as refused:
            if await self._said_before(saying) is None:
                raise refused from None
        finally:
            self._on_event = None
        return self.view

    def rest(self) -> None:
        """Keep what was folded, where that is due and the thread was owned here. Waits for none."""
        owned, self._owned = self._owned, False
        if not owned or self._snapshots is None or self.journal.version < 0:
            return
        if self._snapshots.policy.is_due(self.events, self._kept_events):
            self._snapshots.begin(self.taken(), self._kept, self)

    async def write_snapshot(self) -> int | None:
        """Keep what was folded, if it is long enough; return the position it was taken at."""
        keeper = self._snapshots
        if keeper is None or self.journal.version < 0 or self.events <= keeper.policy.least:
            return None
        taken = self.taken()
        kept = await keeper.write(taken, self._kept)
        if kept is None:
            return None
        self.was_kept(taken, kept)
        return taken.position

    def taken(self) -> Taken:
        """Return the fold as it stands, to be kept; the thread has rows of its own."""
        journal = self.journal
        noted = journal.noted(causes(self.view))
        picture = Picture(self.view, self._settled.dropped, noted)
        past, events = journal.past, self.events
        return Taken(journal.stream, journal.version, journal.hash, past, events, picture)

    def was_kept(self, taken: Taken, kept: Drawn) -> None:
        """Hear that a snapshot stands."""
        self._kept, self._kept_events = kept, taken.events

    async def _opened(self, parts: Sequence[Segment]) -> Opened | None:
        """Begin where a state is known, or behind a snapshot, if there is one."""
        parent = None if self.watch else self._parent  # who watches hears of what came before
        if parent and (opened := await opened_at(self._store, parent, parts)):
            self.view = parent.view
            self.events = sum((part.until or 0) + 1 for part in parts[:-1])
            return opened
        restored = await self._snapshots.restored(parts) if self._snapshots else None
        if restored is None:
            return None
        snapshot, picture = restored.found.snapshot, restored.picture
        self.view, self.events = picture.view, snapshot.events
        self._kept, self._kept_events = restored.drawn, snapshot.events
        if snapshot.stream == self.journal.stream:
            self._begun_at = snapshot.position
            self._settled = Settled(snapshot.stream, picture.dropped)
            if self.watch:
                stream, until = snapshot.stream, snapshot.position
                await retell(self._store, stream, picture.view, until, self.watch)
        return Opened(
            restored.found.segment,
            snapshot.position,
            hash_bytes(snapshot.hash),
            picture.view.conversation,
            picture.noted,
        )

    async def _said_before(self, saying: Saying) -> Recorded | None:
        """Return the event of a message that stands already: its id, text and output."""
        message = await self._store.by_id(saying.message_id) if saying.message_id else None
        if message is None or message.stream_name != self.journal.stream:
            return None
        said = decode(message).recorded
        wanted = [
            (clean_text(command.text), command.output)
            for command in saying.asked(self.journal.shown)
            if isinstance(command, Say)
        ]
        event = said.event
        if not isinstance(event, UserMessageAdded):
            return None
        return said if [(event.text, event.output_schema)] == wanted else None

    async def _answered(self) -> View:
        """Return the fold where what was said is settled; as far as it goes, where it is not."""
        settled, current = self._settled, self.view.lineage.current
        if self._said < self._begun_at:  # before the snapshot: what settled it was not seen
            whole = Run(self._store, self.journal.stream, self.thread_id, self._writing)
            await whole.journal.catch_up()
            settled = whole._settled
        position = settled.after(self._said)
        if position is None or (current and current.position == position):
            return self.view
        events = read_events(self._store, self.journal.stream, until=position)
        return fold(view, [recorded async for recorded in events])

    def trace_of(self, call_id: str, position: int) -> TraceContext | None:
        """Return the span that a tool call runs in: its own, or its sender's where none is made.

        Args:
            call_id: id of the call.
            position: position of its start in the thread's stream.
        """
        own = self.watch.span_of_call(call_id) if self.watch else None
        return own or trace_context_in(self.journal.properties(position))

    def _seen(
        self, recorded: Recorded, shown: Conversation, travelling: Travelling, is_ours: bool
    ) -> None:
        before, self.view = self.view, with_conversation(self.view, recorded, shown)
        self._settled.add(before, recorded, self.view)
        self.events += 1
        if self.watch:
            carried = travelling.properties
            self.watch.see(recorded, carried, before.conversation, shown, is_ours=is_ours)
        if self._on_event:
            self._on_event(recorded)

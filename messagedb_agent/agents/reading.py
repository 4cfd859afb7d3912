"""Reading threads of one category: finding them, folding them, checking them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from messagedb_agent.agents.family import Family, family
from messagedb_agent.agents.filed import Filing
from messagedb_agent.agents.finding import (
    Listed,
    find_thread,
    left,
    list_threads,
    shortest_prefix,
)
from messagedb_agent.agents.measuring import measure
from messagedb_agent.agents.searching import SearchHit, search, searchable
from messagedb_agent.agents.snapshot_check import verify_all
from messagedb_agent.agents.waiting import WaitingCall, waiting_calls
from messagedb_agent.engine.findings import Verification
from messagedb_agent.engine.history import read_events
from messagedb_agent.events.anchor import Head
from messagedb_agent.projections.projection import Projection
from messagedb_agent.projections.stats import ThreadStats
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import News, Store
from messagedb_agent.store.stream_name import thread_category, thread_stream

S = TypeVar("S")


class Reading:
    """What can be read of the threads of one category; nothing here writes in them.

    Attributes:
        store: where the threads are kept.
        category: category of the threads, normalised.
        version: version in their stream names.
    """

    store: Store
    category: str
    version: str

    async def find_thread(self, name: str) -> str:
        """Return the id of the thread that a person means.

        Args:
            name: its id, a unique prefix of it, or `last` for the thread with the newest event.

        Raises:
            NotFound: there is no such thread.
            AmbiguousName: the prefix fits several; `candidates` holds some of their ids.
            RefusedName: the name is empty.
            StoreUnavailable: the store was not reached.
        """
        return await find_thread(self.store, self._stream_category, name)

    async def shortest_prefix(self, thread_id: str) -> str:
        """Return the shortest beginning of a thread's id that names no other thread.

        Args:
            thread_id: its id; whether there is such a thread is not asked.

        Returns:
            At least six characters of it, or all where it has fewer.

        Raises:
            RefusedName: no thread can have this id.
            StoreUnavailable: the store was not reached.
        """
        return await shortest_prefix(self.store, self._stream_category, self._stream(thread_id))

    async def threads(
        self,
        limit: int = 10,
        *,
        user: str | None = None,
        tag: str | None = None,
        archived: bool = False,
    ) -> tuple[Listed, ...]:
        """Return the threads with the newest events, newest first; deleted ones are left out.

        Args:
            limit: how many at most; none where it is below 1.
            user: only threads of this user, as their first event says, and forks of them.
            tag: only threads that have this tag.
            archived: only those that are archived; else they are left out.

        Raises:
            ValidationError: nobody can be called so, or there can be no such tag.
            StoreUnavailable: the store was not reached.
        """
        filing = Filing(user, tag, archived)
        return await list_threads(self.store, self._stream_category, limit, filing)

    async def approvals(self, limit: int = 100) -> tuple[WaitingCall, ...]:
        """Return the tool calls of all threads that wait for a person.

        Args:
            limit: how many at most; none where it is below 1.

        Returns:
            The call that was asked about last first.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        return await waiting_calls(self.store, self._stream_category, limit)

    async def family(self, thread_id: str) -> Family:
        """Return the tree of forks that a thread stands in, from the thread that is no fork on.

        Args:
            thread_id: its id, in full.

        Returns:
            The thread, its ancestors, and up to 100 of all that were forked from these.

        Raises:
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        return await family(self.store, self._stream_category, self._stream(thread_id))

    async def fold(self, thread_id: str, projection: Projection[S], *, at: int | None = None) -> S:
        """Fold a thread, a fork's ancestors first.

        Args:
            thread_id: its id, in full.
            projection: what is folded.
            at: position of the last event to fold, from 0, in the thread's own stream; None folds
                all there are.

        Returns:
            What the projection is then; `projection.initial` for a thread without events.

        Raises:
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.

        What the projection's `evolve` raises comes through.
        """
        state = projection.initial
        async for recorded in read_events(self.store, self._stream(thread_id), until=at):
            state = projection.evolve(state, recorded)
        return state

    async def search(
        self, text: str, *, user: str | None = None, limit: int = 20
    ) -> tuple[SearchHit, ...]:
        """Search what users and models said in all threads, but for those that are deleted.

        Args:
            text: words that a message must have, all of them; those in double quotes one right
                behind the other. A word is a run of letters and digits, in upper or lower case.
            user: only threads of this user, as their first event says, and forks of them.
            limit: how many messages at most; none where it is below 1.

        Returns:
            The messages that fit best, the best first, and of equal ones the newest. What forks
            share is found once, in the thread where it stands.

        Raises:
            ValidationError: there is no word in the text, or more than 64 are, or nobody can be
                called so.
            ConfigurationError: the database has no index for it (`db install --search`), or the
                store cannot be searched.
            StoreUnavailable: the store was not reached.
        """
        return await search(self.store, self._stream_category, text, user, limit)

    async def index_search(self, *, anew: bool = False) -> int:
        """Take in what a search reads, as each search does; the first time that may last.

        Args:
            anew: forget all that was taken in of this category first.

        Returns:
            How many messages were taken in.

        Raises:
            ConfigurationError: the database has no index for it (`db install --search`), or the
                store cannot be searched.
            StoreUnavailable: the store was not reached.
        """
        return await searchable(self.store).index(self._stream_category, anew=anew)

    async def stats(self, thread_id: str, *, at: int | None = None) -> ThreadStats:
        """Return a thread in numbers: messages, bytes, tokens, cost, tool calls, time.

        All of it is read.

        Args:
            thread_id: its id, in full.
            at: position of the last event to count, from 0, in the thread's own stream; None
                counts all there are.

        Raises:
            NotFound: there is no such thread.
            RefusedName: no thread can have this id.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        return await measure(self.store, self._stream(thread_id), at)

    def messages(
        self, thread_id: str, *, position: int = 0, until: int | None = None
    ) -> AsyncIterator[Message]:
        """Read a thread's own messages, without a fork's ancestors', as they stand in the store.

        Args:
            thread_id: its id, in full; a thread that is not there has no messages.
            position: position of the first to read, from 0.
            until: position of the last to read, inclusive; None reads to the end there is.

        Raises:
            RefusedName: no thread can have this id (at once).
            StoreUnavailable: the store was not reached (while reading).
        """
        return self.store.read(self._stream(thread_id), position=position, until=until)

    def all_messages(self, *, global_position: int = 1) -> AsyncIterator[Message]:
        """Read the messages of all threads in the order of the store, up to the newest now.

        Args:
            global_position: global position of the first to read, from 1.

        Raises:
            StoreUnavailable: the store was not reached (while reading).
        """
        return self.store.read_category(self._stream_category, global_position=global_position)

    def listen(self) -> AbstractAsyncContextManager[News]:
        """Hear of news in the threads while the context lasts.

        `News.wait(seconds)` returns when something was written, and else when the time is over.
        News are a hint: what other programs write is told by nobody, so who waits reads again
        also when the time is over. A store that cannot be reached is no error here.
        """
        return self.store.listen(self._stream_category)

    async def newest(self, thread_id: str) -> Message | None:
        """Return the newest message of a thread; None where there is none.

        Args:
            thread_id: its id, in full.

        Raises:
            RefusedName: no thread can have this id.
            StoreUnavailable: the store was not reached.
        """
        return await self.store.last(self._stream(thread_id))

    async def is_left(self, thread_id: str, position: int) -> bool:
        """Say whether nobody works on a thread that ends at a position.

        What runs there by the log was then begun by somebody who is gone.

        Args:
            thread_id: its id, in full.
            position: position of the last event that is known; not left where more have come.

        Raises:
            RefusedName: no thread can have this id.
            StoreUnavailable: the store was not reached.
        """
        stream = self._stream(thread_id)
        return stream in await left(self.store, {stream: position})

    async def verify(self, thread_id: str, anchored: Head | None = None) -> Verification:
        """Check that a thread's log says what was written; no model and no tool is called.

        Positions, the hash chain, ids, causes, outcomes, the steps that were taken and where a fork
        branched off are checked, a fork's ancestors' too, and every model request is folded again
        and compared with its digest; then snapshots are compared with what the events fold to. What
        is wrong is a finding and no error.

        What no chain can show by itself: a tail that was cut off or, behind the last hash, changed;
        a chain that was made anew as a whole. A head that was kept elsewhere shows that too. `time`
        and global positions are covered by nothing.

        Args:
            thread_id: its id, in full; a thread without events has nothing wrong with it, if no
                head of it is known.
            anchored: a head that the thread had earlier (`messagedb_agent.audit`).

        Raises:
            RefusedName: no thread can have this id.
            StoreUnavailable: the store was not reached.
        """
        return await verify_all(self.store, self._stream(thread_id), anchored)

    @property
    def _stream_category(self) -> str:
        return thread_category(self.category, self.version)

    def _stream(self, thread_id: str) -> str:
        return thread_stream(self.category, self.version, thread_id)

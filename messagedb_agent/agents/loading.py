"""Agents by their ids and names: states of threads, found and read."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

from messagedb_agent import ids
from messagedb_agent.agent.commands import Delete
from messagedb_agent.agent.tagging import check_text
from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.asking import Asking
from messagedb_agent.agents.many import newest
from messagedb_agent.agents.outputs import Wanted
from messagedb_agent.agents.paging import (
    AgentPage,
    Cursor,
    check_limit,
    count_threads,
    first_place,
    named_first,
    newest_first,
)
from messagedb_agent.agents.standing import Standing
from messagedb_agent.agents.view import View
from messagedb_agent.errors import IntegrityError, NotFound
from messagedb_agent.events.codec import clean_text
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import StreamHead
from messagedb_agent.store.stream_name import id_of, is_thread


class Loading(Asking):
    """What finds agents again, in any process, and what hides them.

    What was folded is kept, within bounds, so that only what is new is read.
    """

    async def load_agent(self, id: str) -> Agent:
        """Return the state that the event with this id completes, whatever came after it.

        Args:
            id: id of an agent, a UUID as text. An event that makes no state, such as a title,
                gives the state that it found.

        Raises:
            NotFound: no event of a thread of this engine has this id.
            ValidationError: it is no UUID.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        (agent,) = await self.load_agents((id,))
        return agent

    async def load_agents(self, agent_ids: Iterable[str]) -> tuple[Agent, ...]:
        """Return several states; see `load_agent`.

        Args:
            agent_ids: ids of agents, UUIDs as text. States of one thread are folded once.

        Returns:
            One agent for each id, in the order of the ids.

        Raises:
            NotFound: no event of a thread of this engine has one of these ids; `names` has all
                that are missing.
            ValidationError: one is no UUID; nothing was read.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        given = [(id, ids.normalised_id(id, "id")) for id in agent_ids]
        category = self._stream_category
        found = {id: await self.store.by_id(id) for _, id in given}
        here = {
            id: message
            for id, message in found.items()
            if message and is_thread(category, message.stream_name)
        }
        if missing := [id for id, normalised in given if normalised not in here]:
            raise NotFound("agent", *missing)
        made = {}
        in_order = sorted(here.items(), key=lambda item: (item[1].stream_name, item[1].position))
        for id, message in in_order:
            made[id] = await self._at(message)
        return tuple(made[normalised] for _, normalised in given)

    async def latest(self, thread: str) -> Agent:
        """Return the newest state of a thread.

        Args:
            thread: its id, a unique prefix of it, or `last` for the thread with the newest event.

        Raises:
            NotFound: there is no such thread.
            AmbiguousName: the prefix fits several; `candidates` holds some of their ids.
            RefusedName: the name is empty.
            IntegrityError: a fork's parent is missing or cut, or forks lead in a circle.
            StoreUnavailable: the store was not reached.
        """
        thread_id = await self.find_thread(thread)
        return self._agent(thread_id, await self._turns.latest(thread_id))

    async def list_agents(self, limit: int = 100, after: str | None = None) -> AgentPage[Agent]:
        """Return the newest state of each thread, newest first, page by page.

        Deleted threads are left out, archived ones are not. A thread that moves on between two
        pages is on one of them all the same, and once; what was begun since the first is on none.

        Args:
            limit: how many at most, up to 1,000. Each is folded, from where it was left, or from a
                snapshot where there is one.
            after: what the page before says is `after`; None begins anew.

        Returns:
            The agents; `after` says where the next page begins.

        Raises:
            ValidationError: the limit is no such number, or no page has given `after`.
            StoreUnavailable: the store was not reached.
        """
        check_limit(limit)
        place = await self._place(after)
        if place is None:
            return AgentPage()
        heads = newest_first(self.store, self._stream_category, place, limit)
        return await self._page(place, heads, limit)

    async def find_by_name(
        self, name: str, limit: int = 100, after: str | None = None
    ) -> AgentPage[Agent]:
        """Return the newest state of each thread whose agent is called so, page by page.

        It is the name in force that is asked for, and it must be the whole name. Of more than
        10,000 threads that were begun with it, or given it later, only the last are looked at.

        Args:
            name: what the agent is called.
            limit: how many at most, up to 1,000.
            after: what the page before says is `after`; None begins anew.

        Returns:
            The agents, in the order of `list_agents`, without those of deleted threads.

        Raises:
            ValidationError: the name is empty, the limit is no such number, or no page has given
                `after`.
            StoreUnavailable: the store was not reached.
        """
        check_limit(limit)
        check_text(name, "name")
        name = clean_text(name)
        place = await self._place(after)
        if place is None:
            return AgentPage()
        heads = named_first(self.store, self._stream_category, place, limit, name)
        return await self._page(place, heads, limit, name)

    async def count_agents(self) -> int:
        """Return how many threads there are, without those that are deleted.

        Raises:
            StoreUnavailable: the store was not reached.
        """
        return await count_threads(self.store, self._stream_category)

    async def delete(
        self, agent: Standing, *, by: str | None = None, reason: str | None = None
    ) -> Agent:
        """Hide the thread that an agent is a state of; deleted twice is deleted once.

        Nothing is removed, and the log says who hid it: lists leave the thread out and nothing is
        said to it any more, but each of its states can be loaded by its id, and forked. Forks of
        it stay as they are. Effects under way are cancelled first, by whoever performs them.

        Args:
            agent: a state of the thread, the newest or not.
            by: who deletes it, for the log.
            reason: why, for the log.

        Returns:
            The thread's head; its `status` is `deleted`.

        Raises:
            Refused: the thread was never started, or holds an event that needs newer code.
            RefusedPayload: the reason is larger than the store takes.
            IntegrityError: a fork's parent is missing or cut, or the stream is shorter than it was.
            StoreUnavailable: the store was not reached; asking again is safe.
        """
        return await self.ask(agent, Delete(by, reason))

    async def _place(self, after: str | None) -> Cursor | None:
        if after is not None:
            return Cursor.read(after)
        return await first_place(self.store, self._stream_category)

    async def _page(
        self,
        place: Cursor,
        heads: AsyncGenerator[StreamHead, None],
        limit: int,
        name: str | None = None,
    ) -> AgentPage[Agent]:
        agents, unreadable = list[Agent](), dict[str, IntegrityError]()
        after: str | None = None
        async with aclosing(heads):
            while some := await _next(heads, limit - len(agents) or 1):
                if len(agents) == limit:
                    return AgentPage(tuple(agents), after, unreadable)
                after = place.at(some[-1])
                async for head, seen in newest(self._runs, some):
                    thread_id = id_of(head.stream_name) or ""
                    if isinstance(seen, IntegrityError):
                        unreadable[thread_id] = seen
                        continue
                    agent = self._agent(thread_id, seen)
                    if agent.status != "deleted" and name in (None, agent.name):
                        agents.append(agent)
        return AgentPage(tuple(agents), None, unreadable)

    async def _at(self, message: Message) -> Agent:
        thread_id = id_of(message.stream_name) or ""
        return self._agent(thread_id, await self._folded(thread_id, message.position))

    def _agent(self, thread_id: str, seen: View, wanted: Wanted[Any] | None = None) -> Agent:
        self._states.keep(seen)
        return super()._agent(thread_id, seen, wanted)


async def _next(heads: AsyncIterator[StreamHead], count: int) -> list[StreamHead]:
    """Return the next heads, as many as there are, and at most `count`."""
    some = list[StreamHead]()
    while len(some) < count and (head := await anext(heads, None)):
        some.append(head)
    return some

"""Group commit: appends of one category that wait at the same time are written together.

Message DB locks the category until a commit, so a category has as many commits a second as the disk
has flushes, whatever their size. One statement is under way at a time; what arrives meanwhile is
the next one. There is no timer: a lone append waits for nobody.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.answering import answer
from messagedb_agent.store.append import Append, NotTogether, write_together
from messagedb_agent.store.message import Appended
from messagedb_agent.store.pool import Connection

MOST_TOGETHER = 100
"""Appends in one statement, at the most."""
MOST_CHARS = 4 * 1024 * 1024
"""Characters of the messages in one statement, at the most, where it has more than one append."""

Retrying = Callable[[Callable[[Connection], Awaitable[list[Appended]]]], Awaitable[list[Appended]]]
"""Does work on a connection, again on a fresh one where its own was lost."""


@dataclass(eq=False, slots=True)
class _Waiting:
    append: Append
    done: "asyncio.Future[Appended]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Group:
    """The appends of one category.

    Args:
        retrying: does work on a connection.
    """

    def __init__(self, retrying: Retrying) -> None:
        self._retrying = retrying
        self._is_writing = False
        self._waiting: list[_Waiting] = []
        self._batch: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is written and nothing waits."""
        return not self._is_writing

    async def write(self, append: Append) -> Appended:
        """Write an append, with those that wait beside it where something is being written.

        Raises:
            Conflict: see `Append.write`; that of another append is not told here.
            StoreUnavailable: the statement that it was part of did not reach the database, or
                waited there for too long. It was not tried again by itself.
            AgentError: as a statement of its own has raised it.
        """
        if self._is_writing:
            waiting = _Waiting(append)
            self._waiting.append(waiting)
            try:
                return await waiting.done
            except asyncio.CancelledError:
                await self._forget(waiting)
                raise
        self._is_writing = True
        try:
            return await self._alone(append)
        finally:
            self._go_on()

    async def _forget(self, waiting: _Waiting) -> None:
        """Leave out an append that nobody waits for; a statement that nobody waits for is ended."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        elif self._writing and all(other.done.done() for other in self._batch):
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _go_on(self) -> None:
        """Write what has come meanwhile."""
        self._batch = self._next_batch()
        self._is_writing = bool(self._batch)
        self._writing = None
        if self._batch:
            # In a task of its own: one caller's cancel may not stop the others' appends.
            self._writing = asyncio.create_task(self._write_on())
            self._writing.add_done_callback(self._go_on_if_cancelled)

    def _go_on_if_cancelled(self, writing: "asyncio.Task[None]") -> None:
        if writing.cancelled():
            self._go_on()

    async def _write_on(self) -> None:
        """Write batch after batch: one is sent before those of the last go on."""
        while self._batch:
            await self._write(self._batch)
            self._batch = self._next_batch()
        self._is_writing = False

    def _next_batch(self) -> list[_Waiting]:
        size, count = 0, 0
        for waiting in self._waiting[:MOST_TOGETHER]:
            size += len(waiting.append.json)
            if count and size > MOST_CHARS:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        alone = [*await self._together(batch)]
        while alone:
            waiting = alone.pop(0)
            if not waiting.done.done() and not await self._settle(waiting):
                self._waiting = [*alone, *self._waiting]  # and not each for as long as this one
                break

    async def _together(self, batch: list[_Waiting]) -> Sequence[_Waiting]:
        """Write a batch; return those that are to be written alone, each to hear its own error."""
        alone: list[_Waiting] = []
        left = batch
        while len(left) > 1:
            appends = [waiting.append for waiting in left]
            try:
                written = await self._retrying(partial(write_together, appends=appends))
            except NotTogether as refused:
                if refused.index is None:
                    break
                alone.append(left[refused.index])
                left = [*left[: refused.index], *left[refused.index + 1 :]]
                continue
            except StoreUnavailable as error:  # each would wait as long for the same answer
                _fail((*left, *alone), error)
                return ()
            except Exception:  # noqa: BLE001 - each hears of it by its own statement
                break
            answer([(w.done, appended) for w, appended in zip(left, written, strict=True)])
            return alone
        return [*alone, *left]

    async def _settle(self, waiting: _Waiting) -> bool:
        """Write an append by itself; say whether the database let us."""
        try:
            answer([(waiting.done, await self._alone(waiting.append))])
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            if not waiting.done.done():
                waiting.done.set_exception(error)
            return not isinstance(error, StoreUnavailable)
        return True

    async def _alone(self, append: Append) -> Appended:
        async def work(connection: Connection) -> list[Appended]:
            return [await append.write(connection)]

        [appended] = await self._retrying(work)
        return appended


def _fail(all_waiting: Iterable[_Waiting], error: StoreUnavailable) -> None:
    for waiting in all_waiting:
        if not waiting.done.done():
            failure = StoreUnavailable(*error.args)
            failure.__cause__ = error
            waiting.done.set_exception(failure)

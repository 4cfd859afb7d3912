"""Hearing what a process was told: appends that were acknowledged, and that were found again."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from messagedb_agent.store import append as appending
from messagedb_agent.store.message import Appended, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.pool import Connection
from messagedb_agent.store.transaction import OpenTransaction
from tests.chaos.ledger import Ledger


@contextmanager
def watched(ledger: Ledger) -> Iterator[None]:
    """Note what this process hears of its appends, while the context lasts.

    `acknowledged` lines hold what a caller of the store was told to stand, `found` lines what an
    append found standing whose answer was lost.
    """
    before = (MessageDbStore.append, OpenTransaction.commit, appending._rows)
    MessageDbStore.append = _noting(ledger, before[0])  # type: ignore[method-assign]  # the hook
    OpenTransaction.commit = _noting(ledger, before[1])  # type: ignore[method-assign]  # likewise
    appending._rows = _finding(ledger, before[2])
    try:
        yield
    finally:
        MessageDbStore.append, OpenTransaction.commit, appending._rows = before  # type: ignore[method-assign]  # as it was


def _noting(ledger: Ledger, append: Callable[..., Any]) -> Callable[..., Any]:
    async def noting(
        self: Any, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended | None:
        appended: Appended | None = await append(
            self, stream, *messages, expected_version=expected_version
        )
        ledger.add("acknowledged", sync=False, stream=stream, ids=[m.id for m in messages])
        return appended

    return noting


def _finding(ledger: Ledger, rows: Callable[..., Any]) -> Callable[..., Any]:
    async def finding(
        connection: Connection, statement: str, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = await rows(connection, statement, parameters)
        if found and statement == appending._STANDING:
            ledger.add("found", sync=False, stream=parameters["stream"])
        return found

    return finding

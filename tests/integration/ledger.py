"""A table that transactional tools write to, beside the log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Ledger:
    """A table of the test's own.

    Attributes:
        name: its name.
        url: of a role that may read all there is.
    """

    name: str
    url: str

    @property
    def insert(self) -> sql.Composed:
        return sql.SQL("INSERT INTO {} (key, line) VALUES (%s, %s)").format(self._table)

    @property
    def mark(self) -> sql.Composed:
        """Mark all lines of a call as what may be there once."""
        return sql.SQL("UPDATE {} SET once = 'once' WHERE key = %s").format(self._table)

    @property
    def lines(self) -> list[str]:
        """What was committed, in order."""
        query = sql.SQL("SELECT line FROM {} ORDER BY number").format(self._table)
        return [line for (line,) in self._rows(query)]

    @property
    def transactions(self) -> list[tuple[Any, ...]]:
        """The transaction of each line, and that of the outcome of its call, in order."""
        query = sql.SQL(
            "SELECT l.xmin::text, m.xmin::text FROM {} AS l JOIN message_store.messages AS m"
            " ON m.type = 'ToolExecutionCompleted' AND m.data->>'callId' = l.key ORDER BY number"
        ).format(self._table)
        return self._rows(query)

    def has_session(self, pid: int) -> bool:
        """Say whether a session is there, by its server process."""
        return bool(self._rows(sql.SQL("SELECT FROM pg_stat_activity WHERE pid = {}").format(pid)))

    @property
    def _table(self) -> sql.Identifier:
        return sql.Identifier(self.name)

    def _rows(self, query: sql.Composed) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def a_ledger(admin_url: str) -> Iterator[Ledger]:
    """Make a table that `message_store` may write to; at a commit, no two have the same `once`."""
    ledger = Ledger(f"ledger_{uuid4().hex}", admin_url)
    table = sql.Identifier("public", ledger.name)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL(
                "CREATE TABLE {} (number bigserial, key text, line text, once text,"
                " UNIQUE (once) DEFERRABLE INITIALLY DEFERRED);"
                " GRANT ALL ON {} TO message_store; GRANT ALL ON SEQUENCE {} TO message_store"
            ).format(table, table, sql.Identifier("public", f"{ledger.name}_number_seq"))
        )
        try:
            yield ledger
        finally:
            connection.execute(sql.SQL("DROP TABLE {}").format(table))

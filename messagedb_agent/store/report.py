"""Says whether a database holds Message DB, and what of it is missing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import class_row, scalar_row

from messagedb_agent.errors import (
    ConfigurationError,
    NotMessageDb,
    StoreUnavailable,
    UnsupportedMessageDb,
)

if TYPE_CHECKING:
    from messagedb_agent.store.sql import SqlFile

NEEDED_VERSION = "1.3.0"
"""Lowest version that serves: `get_last_stream_message` takes a type from here on."""

REMEDY = "install it with: messagedb-agent db install"

_SCHEMA = "message_store"
_COLUMNS = frozenset(
    {"global_position", "position", "time", "stream_name", "type", "data", "metadata", "id"}
)

# Source: Message DB 1.3.1, `database/functions/`; the types of the arguments as PostgreSQL
# names them.
_TEXT = "character varying"
_FUNCTIONS = {
    "acquire_lock": (_TEXT,),
    "cardinal_id": (_TEXT,),
    "category": (_TEXT,),
    "get_category_messages": (_TEXT, "bigint", "bigint", _TEXT, "bigint", "bigint", _TEXT),
    "get_last_stream_message": (_TEXT, _TEXT),
    "get_stream_messages": (_TEXT, "bigint", "bigint", _TEXT),
    "hash_64": (_TEXT,),
    "id": (_TEXT,),
    "is_category": (_TEXT,),
    "message_store_version": (),
    "stream_version": (_TEXT,),
    "write_message": (_TEXT, _TEXT, _TEXT, "jsonb", "jsonb", "bigint"),
}
_INDEXES = ("messages_id", "messages_stream", "messages_category")

# The catalogue is read by itself: `to_regclass` and its kin fail where a schema may not be used.
_LOOK = """
WITH schema AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s),
     relation AS (SELECT c.oid, c.relname, c.relkind FROM pg_catalog.pg_class c, schema
                  WHERE c.relnamespace = schema.oid)
SELECT
  pg_backend_pid() AS backend_pid,
  current_database() AS database,
  current_user AS role,
  EXISTS (SELECT FROM schema) AS schema,
  %(schema)s = ANY (current_schemas(false)) AS on_search_path,
  ARRAY (SELECT a.attname::text FROM pg_catalog.pg_attribute a, relation r
         WHERE r.relname = 'messages' AND r.relkind IN ('r', 'p') AND a.attrelid = r.oid
           AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  ARRAY (SELECT relname::text FROM relation WHERE relkind IN ('i', 'I')) AS indexes,
  EXISTS (SELECT FROM pg_catalog.pg_type t, schema
          WHERE t.typnamespace = schema.oid AND t.typname = 'message') AS type,
  EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'message_store') AS message_store_role,
  ARRAY (SELECT p.proname || '(' || array_to_string(ARRAY (
             SELECT format_type(u.type, NULL)
             FROM unnest(p.proargtypes) WITH ORDINALITY AS u (type, place) ORDER BY u.place
           ), ', ') || ')'
         FROM pg_catalog.pg_proc p, schema WHERE p.pronamespace = schema.oid) AS functions,
  (SELECT has_schema_privilege(oid, 'USAGE') FROM schema) AS may_use_schema,
  (SELECT has_table_privilege(oid, 'SELECT') FROM relation
   WHERE relname = 'messages' AND relkind IN ('r', 'p')) AS may_select,
  (SELECT has_table_privilege(oid, 'INSERT') FROM relation
   WHERE relname = 'messages' AND relkind IN ('r', 'p')) AS may_insert
"""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What a database holds of Message DB, as one connection sees it.

    Attributes:
        database: name of the database.
        role: the role that asked.
        version: what `message_store_version()` says; None where it cannot be asked.
        missing: what is not there, such as `function write_message`; empty when all is.
        denied: rights that the role lacks, such as `INSERT on table messages`.
        on_search_path: whether the role finds the functions by their bare names, which they
            need among themselves.
        is_pooled: whether a pooler answers for the server: the session is another than the one
            that the connection was told.
    """

    database: str
    role: str
    version: str | None
    missing: tuple[str, ...]
    denied: tuple[str, ...]
    on_search_path: bool
    is_pooled: bool

    def require_usable(self) -> None:
        """Return if a store can work on this connection.

        Raises:
            UnsupportedMessageDb: it is another version.
            NotMessageDb: something is missing.
            ConfigurationError: all is there, but the role may not use it or does not find it.
        """
        if self.version is not None and not self._version_serves():
            raise UnsupportedMessageDb(self.version, NEEDED_VERSION)
        if self.missing:
            raise NotMessageDb(self.database, self.missing, REMEDY)
        if self.denied:
            raise ConfigurationError(
                f"role {self.role!r} lacks {', '.join(self.denied)} in database "
                f"{self.database!r}; connect as message_store, or as a role it is granted to",
                field="MESSAGE_DB_URL",
            )
        if not self.on_search_path:
            raise ConfigurationError(
                f"the search path of role {self.role!r} lacks {_SCHEMA}; add "
                f"options=-csearch_path%3D{_SCHEMA} to the URL",
                field="MESSAGE_DB_URL",
            )

    def _version_serves(self) -> bool:
        return self.version is not None and serves(self.version)


@dataclass(frozen=True, slots=True)
class Found:
    """The raw findings; `columns` is empty where there is no table."""

    backend_pid: int
    database: str
    role: str
    schema: bool
    on_search_path: bool
    columns: list[str]
    indexes: list[str]
    type: bool
    message_store_role: bool
    functions: list[str]
    may_use_schema: bool | None
    may_select: bool | None
    may_insert: bool | None

    def missing(self) -> tuple[str, ...]:
        if not self.schema:  # and nothing in it
            return (f"schema {_SCHEMA}",)
        names: list[str] = []
        if not self.columns:
            names.append("table messages")
        names += [f"column {name}" for name in sorted(self._lacking_columns())]
        if not self.type:
            names.append("type message")
        names += [f"index {name}" for name in _INDEXES if name not in self.indexes]
        names += [
            f"function {name}"
            for name, types in _FUNCTIONS.items()
            if f"{name}({', '.join(types)})" not in self.functions
        ]
        return tuple(names)

    def denied(self) -> tuple[str, ...]:
        rights = {
            f"USAGE on schema {_SCHEMA}": self.may_use_schema,
            "SELECT on table messages": self.may_select,
            "INSERT on table messages": self.may_insert,
        }
        return tuple(name for name, granted in rights.items() if granted is False)

    def has_another_table(self) -> bool:
        return bool(self.columns and self._lacking_columns())

    def can_tell_version(self) -> bool:
        return "message_store_version()" in self.functions and bool(self.may_use_schema)

    def lacks(self, file: "SqlFile") -> bool:
        """Whether `file` makes something that is not there (or may be made again freely)."""
        folder, _, name = file.name.partition("/")
        match folder:
            case "roles":
                return not self.message_store_role
            case "tables":
                return not self.columns
            case "types":
                return not self.type
            case "indexes":
                return name.removesuffix(".sql").replace("-", "_") not in self.indexes
            case _:
                return True

    def _lacking_columns(self) -> frozenset[str]:
        return _COLUMNS - frozenset(self.columns) if self.columns else frozenset()


async def check(connection: AsyncConnection[object]) -> StoreReport:
    """Return what the database of `connection` holds of Message DB; reads only.

    Raises:
        StoreUnavailable: the database did not answer.
    """
    try:
        found = await look(connection)
        version = await version_of(connection, found)
        return _report(found, version, connection.info.backend_pid)
    except psycopg.Error as error:
        raise StoreUnavailable(first_line(error)) from error


async def look(connection: AsyncConnection[object]) -> Found:
    async with connection.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(_LOOK, {"schema": _SCHEMA})
        (found,) = await cursor.fetchall()
    return found


async def version_of(connection: AsyncConnection[object], found: Found) -> str | None:
    if not found.can_tell_version():
        return None
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute("SELECT message_store.message_store_version()")
        (version,) = await cursor.fetchall()
    return str(version)


def _report(found: Found, version: str | None, told_pid: int) -> StoreReport:
    return StoreReport(
        database=found.database,
        role=found.role,
        version=version,
        missing=found.missing(),
        denied=found.denied(),
        on_search_path=found.on_search_path,
        is_pooled=found.backend_pid != told_pid,
    )


def serves(version: str) -> bool:
    """Whether `version`, such as `1.3.0`, is 1.3 or a later 1.x."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return major == "1" and minor.isdecimal() and int(minor) >= 3


def first_line(error: psycopg.Error) -> str:
    """Return the server's own sentence, without its details (which may hold data)."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""The official Message DB SQL that the wheel carries, in the order in which it is installed.

The build hook puts the files beside this package, as the top-level package `messagedb_sql`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from messagedb_agent.errors import ConfigurationError

_PACKAGE = "messagedb_sql"
_SOURCE_SETTING = "MESSAGE_DB_SOURCE"  # read by the build hook alone, never at run time

# Source: `database/install.sh` of Message DB 1.3.1, and the scripts that it calls.
_INSTALL_ORDER = (
    "roles/message-store.sql",
    "schema/message-store.sql",
    "extensions/pgcrypto.sql",
    "tables/messages.sql",
    "types/message.sql",
    "functions/message-store-version.sql",
    "functions/hash-64.sql",
    "functions/acquire-lock.sql",
    "functions/category.sql",
    "functions/is-category.sql",
    "functions/id.sql",
    "functions/cardinal-id.sql",
    "functions/stream-version.sql",
    "functions/write-message.sql",
    "functions/get-stream-messages.sql",
    "functions/get-category-messages.sql",
    "functions/get-last-stream-message.sql",
    "indexes/messages-id.sql",
    "indexes/messages-stream.sql",
    "indexes/messages-category.sql",
    "views/stream-summary.sql",
    "views/type-summary.sql",
    "views/stream-type-summary.sql",
    "views/type-stream-summary.sql",
    "views/category-type-summary.sql",
    "views/type-category-summary.sql",
    "privileges/schema.sql",
    "privileges/table.sql",
    "privileges/sequence.sql",
    "privileges/functions.sql",
    "privileges/views.sql",
)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file of the official SQL: `name` is its path below `database/`, `text` all of it."""

    name: str
    text: str


def sql_files() -> tuple[SqlFile, ...]:
    """Return the official SQL in the order in which it is installed.

    Each file may hold several statements and takes no parameters. `types/message.sql` drops its
    type with CASCADE, so the files are run all together or not at all.

    Raises:
        ConfigurationError: the package was built without the SQL, or with not all of it.
    """
    database = _database()
    if database is None:
        raise ConfigurationError(
            "this installation was built without the Message DB SQL; reinstall it with "
            f"{_SOURCE_SETTING} unset, or naming a Message DB checkout",
            field=_SOURCE_SETTING,
        )
    return tuple(_read(database))


def _database() -> Traversable | None:
    try:
        folder = files(_PACKAGE) / "database"
    except ModuleNotFoundError:
        return None
    return folder if folder.is_dir() else None


def _read(database: Traversable) -> Iterator[SqlFile]:
    for name in _INSTALL_ORDER:
        try:
            yield SqlFile(name, database.joinpath(*name.split("/")).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"the Message DB SQL of this installation lacks {name}; reinstall it",
                field=_SOURCE_SETTING,
            ) from error

"""The official SQL that the installed package carries."""

import re
from importlib.resources import as_file, files

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store import sql

OFFICIAL_FUNCTIONS = (
    "message_store_version",
    "hash_64",
    "acquire_lock",
    "category",
    "is_category",
    "id",
    "cardinal_id",
    "stream_version",
    "write_message",
    "get_stream_messages",
    "get_category_messages",
    "get_last_stream_message",
)


def test_the_sql_is_carried_with_its_licence_and_version() -> None:
    carried = files("messagedb_sql")
    assert "MIT" in (carried / "MIT-License.txt").read_text()
    assert (carried / "database" / "VERSION.txt").read_text().strip() == "1.3.0"


def test_every_carried_file_of_the_schema_is_installed_once() -> None:
    with as_file(files("messagedb_sql") / "database") as database:
        # Those at the top are benchmarks, not schema.
        carried = sorted(path.relative_to(database).as_posix() for path in database.glob("*/*.sql"))
    assert sorted(file.name for file in sql.sql_files()) == carried


def test_the_functions_come_in_the_official_order() -> None:
    text = "".join(file.text for file in sql.sql_files())
    created = re.findall(r"CREATE OR REPLACE FUNCTION message_store\.(\w+)", text)
    assert tuple(dict.fromkeys(created)) == OFFICIAL_FUNCTIONS


def test_what_is_needed_comes_before_what_needs_it() -> None:
    rooms = dict.fromkeys(file.name.split("/")[0] for file in sql.sql_files())
    assert tuple(rooms) == (
        "roles",
        "schema",
        "extensions",
        "tables",
        "types",
        "functions",
        "indexes",
        "views",
        "privileges",
    )


def test_a_package_built_without_the_sql_says_so_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sql, "_PACKAGE", "messagedb_sql_that_was_left_out")
    with pytest.raises(ConfigurationError, match="built without") as refusal:
        sql.sql_files()
    assert refusal.value.field == "MESSAGE_DB_SOURCE"


def test_a_package_that_lacks_a_file_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_INSTALL_ORDER", ("functions/no-such.sql",))
    with pytest.raises(ConfigurationError, match=r"functions/no-such\.sql"):
        sql.sql_files()

"""No command shows what may be a secret, wherever in an address it stands."""

from collections.abc import Iterator

import pytest
from psycopg import pq

from tests.cli import CommandLine

# Nobody answers on port 1.
PARTS = {
    "user": "me",
    "password": "pass",
    "port": "1",
    "dbname": "agents",
    "sslmode": "disable",
    "connect_timeout": "1",
}
HIDDEN = ("SECRET", 'x\'y"SECRET"z', "x://u:SECRET@h/d password=SECRET")
# A name that is only a name says where a database is, and may be shown.
NAMES = frozenset({"user", "dbname", "host"})


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def connection_strings() -> Iterator[str]:
    """Put a secret into each key word of libpq's in turn."""
    for option in pq.Conninfo.get_defaults():
        key = option.keyword.decode()
        for secret in HIDDEN:
            if not (key in NAMES and secret == "SECRET"):
                # libpq would ask a name server for most hosts.
                parts = {"host": "127.0.0.1", **PARTS, key: secret}
                yield " ".join(f"{name}={quoted(value)}" for name, value in parts.items())


URLS = (
    "postgresql://me:SECRET@127.0.0.1:1/agents",
    "postgresql://me:a@SECRET@127.0.0.1:1/agents",
    "postgresql://me:a/SECRET@127.0.0.1:1/agents",
    "postgresql://me:1/SECRET@127.0.0.1:1/agents",
    "postgresql://me:1/?user=SECRET@127.0.0.1:1/agents",
    "postgresql://me:1/SECRET?user=@127.0.0.1:1/agents",
    "postgresql://me:a?SECRET#b@127.0.0.1:1/agents",
    "postgresql://127.0.0.1?password=SECRET@localhost:1/agents",
    "postgresql://me@127.0.0.1:SECRET/agents",
    "postgresql://me@127.0.0.1:1/agents?SECRET",
    "postgresql://me@127.0.0.1:1/agents?SECRET=1",
    "postgresql://me@127.0.0.1:1/agents?sslmode=SECRET",
    "postgresql://me@127.0.0.1:1/agents?dbname=postgresql%3A%2F%2Fu%3ASECRET%40h%2Fd",
    "postgresql://me@127.0.0.1:1/postgresql%3A%2F%2Fu%3ASECRET%40h%2Fd",
    "postgresql://SECRET%3Dx@127.0.0.1:1/agents",
    "mysql://me:SECRET@127.0.0.1:1/agents",
    "me:SECRET@127.0.0.1:1/agents",
    "dbname=postgresql://u:SECRET@127.0.0.1:1/db",
    "host=127.0.0.1 port=1 password=a SECRET",
    "host=127.0.0.1 port=1 SECRET=x",
    "SECRET",
)


@pytest.mark.parametrize(
    ("command", "addresses"),
    [
        (("config",), (*URLS, *connection_strings())),
        (("db", "status"), (*URLS, *connection_strings())),
        (("list",), URLS),
    ],
    ids=["config", "status", "list"],
)
def test_no_command_shows_a_secret_of_an_address(
    cli: CommandLine, command: tuple[str, ...], addresses: tuple[str, ...]
) -> None:
    cli.set(LOG_LEVEL="DEBUG")  # with tracebacks
    leaking = []
    for address in addresses:
        cli.set(MESSAGE_DB_URL=address)
        ended = cli(*command)
        assert ended.code in ((0,) if command == ("config",) else (4, 5)), ended.err
        if "SECRET" in ended.out + ended.err:
            leaking.append((address, ended))
    assert leaking == []


def test_a_database_that_is_itself_an_address_is_refused_in_one_line(cli: CommandLine) -> None:
    cli.set(MESSAGE_DB_URL="dbname=postgresql://u:SECRET@host/db")
    for command in (("list",), ("db", "url"), ("db", "install"), ("db", "shell")):
        line = cli.refused(*command, code=4)
        assert "dbname is a connection string itself" in line
    shown = {s["name"]: s["value"] for s in cli("config", "--format", "json").json}
    assert shown["MESSAGE_DB_URL"] == "***"


@pytest.mark.parametrize("name", ["DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "DB_PORT"])
@pytest.mark.parametrize("value", ["postgresql://u:SECRET@h/d", "password=SECRET", "u:SECRET@h"])
def test_no_part_of_an_address_shows_a_secret(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("MESSAGE_DB_URL")
    cli.set(**{"DB_HOST": "127.0.0.1", "DB_PORT": "1", name: value, "LOG_LEVEL": "DEBUG"})
    for command in (("config",), ("db", "status"), ("list",)):
        ended = cli(*command)
        assert "SECRET" not in ended.out + ended.err


def test_an_address_with_blanks_around_it_and_signs_in_its_values_works(
    cli: CommandLine, store_url: str
) -> None:
    sign = "&" if "?" in store_url else "?"
    cli.set(MESSAGE_DB_URL=f"{store_url}{sign}application_name=a@b%40c#d%23e \n")
    assert cli("start", "What is 42 * 7?").out == "42 * 7 = 294.\n"

"""What is said of a connection that was refused, from libpq's text."""

import psycopg
import pytest

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.pool import Address
from messagedb_agent.store.server_errors import Where, refused_connection

WHERE = Where("agents", "me", "db:5432")


def said(text: str, kind: type[Exception]) -> str:
    error = refused_connection(psycopg.OperationalError(text), WHERE)
    assert isinstance(error, kind)
    return str(error).removeprefix(f"{WHERE}: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "fe_sendauth: no password supplied",
            "no password given; set DB_PASSWORD, or put one into MESSAGE_DB_URL",
        ),
        ('FATAL:  password authentication failed for user "me"', "wrong password"),
    ],
)
def test_no_password_is_told_from_a_wrong_one(text: str, why: str) -> None:
    before = 'connection failed: connection to server at "10.0.0.1", port 5432 failed: '
    assert said(before + text, ConfigurationError) == why


def test_lines_that_are_joined_keep_their_ends() -> None:
    text = (
        'connection to server at "127.0.0.1", port 1 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n"
    )
    assert said(text, StoreUnavailable).endswith(
        "failed: Connection refused. Is the server running on that host and accepting TCP/IP "
        "connections?"
    )
    assert said("All failures were:\n- one\n- two", StoreUnavailable) == (
        "All failures were: - one. - two"
    )


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://me@db/agents", "database 'agents' on db:5432 as role 'me'"),
        ("postgresql://db", "the default database on db:5432 as the default role"),
    ],
)
def test_only_names_that_were_given_stand_in_quotes(url: str, where: str) -> None:
    assert str(Address.parse(url, application_name="test").where) == where

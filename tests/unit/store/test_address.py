"""A database's address: what libpq takes is taken, what may be misread is refused and not shown."""

from urllib.parse import unquote

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.address import cleaned, parameters, require_well_formed, shown

PASSWORDS = st.text(st.sampled_from("a1@:/?#%&= [],'\\é"), max_size=8)


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("postgresql://me:secret@db:5432/agents", "postgresql://***@db:5432/agents"),
        ("postgres://me@[::1]/agents", "postgres://***@[::1]/agents"),
        ("postgresql://db/agents", "postgresql://db/agents"),
        ("postgresql://db/agents \n", "postgresql://db/agents"),
        ("postgresql://a:1,b:2/x?sslmode=require", "postgresql://a:1,b:2/x?sslmode=require"),
        ("postgresql://me@/x?host=%2Frun&password=secret", "postgresql://***@/x?host=/run"),
        ("postgresql://db/x?user=me@realm&password=se@c#ret", "postgresql://***@db/x"),
        ("postgresql://me@db/x?passfile=sec@ret", "postgresql://***@db/x?passfile=***"),
        ("postgresql://me@db/x?pass%77ord=secret", "postgresql://***@db/x"),
        ("postgresql://me@db/a%20secret%2Fb", "postgresql://***@db/***"),
        ("host=db user=me password='a secret' dbname=x", "user=*** password=*** dbname=x host=db"),
        (r"host=db password=a\ secret dbname=x", "password=*** dbname=x host=db"),
        ("host=db password=a secret", "***"),
        ("dbname=postgresql://me:secret@db/x", "***"),
        ("dbname='password=secret'", "***"),
        ("host=db sslmode=secret", "***"),
        ("secret", "***"),
        ("", "***"),
        ("me:secret@db/agents", "***"),
        ("mysql://me:secret@db/agents", "***"),
        ("postgresql://me:p@secret@db/agents", "***"),
        ("postgresql://me:12/secret@db/agents", "***"),
        ("postgresql://me:12/secret?user=@db/agents", "***"),
        ("postgresql://db?password=secret@db/agents", "***"),
        ("postgresql://me:secret", "***"),
    ],
)
def test_what_is_shown_of_an_address(address: str, visible: str) -> None:
    assert shown(address) == visible


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:secret@db:5432/agents",
        "postgresql://db/x?password=a@b#c&application_name=d?e",
        "postgresql://db/x?user=me@realm",
        "postgresql://me@db:5432/x?application_name=a@b/c",
        "postgresql://me@db/x?password=a%40b%23c%2F",
        "postgresql://me:a#b?c%40d@db/x#y/z",
        "postgresql://me:secret@/x?host=/run/my%20sockets&connect_timeout=%203",
        "postgresql://me@%2Frun/x",
        "postgresql://a:1,[::1]:2,10.0.0.1/x?target_session_attrs=read-write",
        "postgresql://me@db/x?ssl=true",
        "postgresql://",
        "host=db password='it''s' || 'no'",
        "host = db user = me password = 'p@ss w\\'ord' options='-c statement_timeout=5s'",
        "service=mine",
    ],
)
@pytest.mark.parametrize("around", ["", " ", "\n", "\r\n"])
def test_what_libpq_takes_is_taken_as_libpq_reads_it(address: str, around: str) -> None:
    try:
        read = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        with pytest.raises(ConfigurationError):
            parameters(around + address + around)
        return
    assert parameters(around + address + around) == read
    assert conninfo_to_dict(cleaned(address + around)) == read


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("dbname=postgresql://me:SECRET@db/x", "dbname is a connection string"),
        ("postgresql://db/postgres%3A%2F%2FSECRET", "dbname is a connection string"),
        ("postgresql://db/x?dbname=host%3DSECRET", "dbname is a connection string"),
        ("host=db sslmode=SECRET", "sslmode"),
        ("host=db port=SECRET", "port"),
        ("postgresql://me:SECRET/x", "port"),
        ("postgresql://me@SECRET%40db/x", "host"),
        ("host='SECRET here' hostaddr=SECRET", "host, hostaddr"),
        ("host=db connect_timeout=SECRET", "connect_timeout"),
        ("host=db keepalives=SECRET", "keepalives"),
        ("postgresql://me:p@SECRET@db/agents", "percent-encode"),
        ("postgresql://me:12/SECRET@db/agents", "percent-encode"),
        ("postgresql://db?password=SECRET@db/agents", "percent-encode"),
        ("postgresql://me:12/SECRET?user=x@db/agents", "percent-encode"),
        ("host=db SECRET=1", "percent-encode"),
        ("mysql://me:SECRET@db", "percent-encode"),
        ("SECRET", "percent-encode"),
        ("", "percent-encode"),
    ],
)
def test_a_refusal_names_what_is_wrong_and_repeats_nothing(address: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_well_formed(address)
    assert refused.value.field == "MESSAGE_DB_URL"
    assert str(refused.value).startswith("MESSAGE_DB_URL is wrong: ")
    assert named in str(refused.value)
    assert "SECRET" not in str(refused.value)


@given(PASSWORDS, PASSWORDS)
def test_no_part_of_a_password_is_shown_whatever_it_holds(before: str, after: str) -> None:
    assert "SECRET" not in shown(f"postgresql://me:{before}SECRET{after}@db/agents")


@given(PASSWORDS, PASSWORDS)
@example("", "?@/")
def test_a_url_that_passes_is_read_as_it_was_meant(before: str, after: str) -> None:
    password = f"{before}SECRET{after}"
    try:
        read = parameters(f"postgresql://me:{password}@db/agents")
    except ConfigurationError:
        return
    assert (read["host"], read["dbname"]) == ("db", "agents")
    assert read["password"] == unquote(password)

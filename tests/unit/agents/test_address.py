"""A database's address: what is shown of it, and what is refused as it may be misread."""

from urllib.parse import unquote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.agents.address import require_well_formed, shown
from messagedb_agent.errors import ConfigurationError

PASSWORDS = st.text(st.sampled_from("a1@:/?#%&= [],'\\é"), max_size=8)


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("postgresql://me:secret@db:5432/agents", "postgresql://***@db:5432/agents"),
        ("postgres://me@[::1]/agents", "postgres://***@[::1]/agents"),
        ("postgresql://db/agents", "postgresql://db/agents"),
        ("postgresql://a:1,b:2/x?sslmode=require", "postgresql://a:1,b:2/x?sslmode=require"),
        ("postgresql://me@/x?host=%2Frun&password=secret", "postgresql://***@/x?host=%2Frun&password=***"),
        ("postgresql://me@db/x?pass%77ord=secret", "postgresql://***@db/x?***"),
        ("host=db user=me password='a secret' dbname=x", "host=db user=*** password=*** dbname=x"),
        (r"host=db password=a\ secret dbname=x", "***"),
        ("host=db password=a secret", "***"),
        ("secret", "***"),
        ("", "***"),
        ("me:secret@db/agents", "***"),
        ("mysql://me:secret@db/agents", "***"),
        ("postgresql://me:p@secret@db/agents", "***"),
        ("postgresql://me:12/secret@db/agents", "***"),
        ("postgresql://me:secret", "***"),
    ],
)  # fmt: skip
def test_what_is_shown_of_an_address(address: str, visible: str) -> None:
    assert shown(address) == visible


@given(PASSWORDS, PASSWORDS)
def test_no_part_of_a_password_is_shown_whatever_it_holds(before: str, after: str) -> None:
    assert "SECRET" not in shown(f"postgresql://me:{before}SECRET{after}@db/agents")


@given(PASSWORDS, PASSWORDS)
def test_a_url_that_passes_is_read_as_it_was_meant(before: str, after: str) -> None:
    password = f"{before}SECRET{after}"
    url = f"postgresql://me:{password}@db/agents"
    try:
        require_well_formed(url)
        read = conninfo_to_dict(url)
    except (ConfigurationError, psycopg.ProgrammingError):
        return  # refused by us, or by libpq
    assert (read["host"], read["dbname"]) == ("db", "agents")
    assert read["password"] == unquote(password)


def test_a_refusal_repeats_nothing_of_the_url() -> None:
    with pytest.raises(ConfigurationError) as refused:
        require_well_formed("postgresql://me:p@SECRET@db/agents")
    assert "SECRET" not in str(refused.value)

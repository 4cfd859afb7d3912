"""Numbers that two rooms hold, since neither may import the other."""

from messagedb_agent.events import canonical
from messagedb_agent.store import encoding


def test_what_the_store_takes_the_chain_covers_as_json() -> None:
    assert encoding.MAX_DEPTH == canonical.MAX_DEPTH

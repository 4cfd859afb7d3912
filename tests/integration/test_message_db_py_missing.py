"""The reader over message-db-py where that extra is not installed."""

import re
import sys
from importlib.metadata import metadata

import pytest

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.store.message_db_py import MessageDbPyReader


@pytest.mark.parametrize("missing", ["message_db", "psycopg2"])
async def test_the_error_names_the_extra(
    missing: str, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("message_db", missing)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # an import of it fails
    with pytest.raises(ConfigurationError, match="is not installed") as error:
        await MessageDbPyReader.connect(store_url)
    assert error.value.field == "message-db-py"
    named = re.search(r"messagedb-agent\[(.+)\]", str(error.value))
    assert named is not None
    assert named[1] in metadata("messagedb-agent").get_all("Provides-Extra", [])

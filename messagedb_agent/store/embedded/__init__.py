"""A private PostgreSQL with Message DB in it: found where it runs, started where it does not.

It belongs to a folder and to nobody else: processes that use one folder share one server, and
a watcher of its own ends it when no client was connected for a while. It listens on a socket in
a folder that only its user may enter, and on no network.
"""

import sys

from messagedb_agent.errors import ConfigurationError

if sys.platform == "win32":
    raise ConfigurationError(
        "the embedded server needs Linux or macOS; name a Message DB by its URL",
        field="MESSAGE_DB_URL",
    )

from messagedb_agent.store.embedded.server import (
    data_folder,
    obstacle,
    psql,
    start,
    status,
    stop,
)
from messagedb_agent.store.embedded.values import EmbeddedServer, EmbeddedSettings, EmbeddedStatus

__all__ = [
    "EmbeddedServer",
    "EmbeddedSettings",
    "EmbeddedStatus",
    "data_folder",
    "obstacle",
    "psql",
    "start",
    "status",
    "stop",
]

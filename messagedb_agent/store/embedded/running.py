"""What runs in a folder: told by locks, files and the socket, without a session."""

import os

from messagedb_agent.store.embedded import locks, postmaster
from messagedb_agent.store.embedded.paths import Places
from messagedb_agent.store.embedded.values import EmbeddedServer, url_of


def is_alive(where: Places) -> bool:
    """Whether any process of the server lives; after its postmaster was killed, some still may."""
    return locks.is_held(where.server_lock)


def is_ready(where: Places) -> bool:
    """Whether the server takes connections."""
    return running(where) is not None


def running(where: Places) -> EmbeddedServer | None:
    """Return the server if it takes connections, and None if it is not there, coming or going.

    The socket is asked because a killed postmaster leaves all files as they were, and for a moment
    processes that hold the lock.
    """
    if not is_alive(where):
        return None
    file = postmaster.read_pid_file(where.data)
    if file is None or not file.is_ready or not postmaster.answers(file.socket_dir):
        return None
    return EmbeddedServer(
        url=url_of(file.socket_dir, role="message_store"),
        admin_url=url_of(file.socket_dir, role="postgres"),
        pid=file.pid,
        data=where.data,
        socket_dir=file.socket_dir,
    )


def touch(lock: int, idle_s: float) -> None:
    """Note a use of the server, and the idle time in force, for its watcher to see.

    Args:
        lock: descriptor of the held `lock`.
        idle_s: seconds.
    """
    os.pwrite(lock, f"{idle_s:>20.3f}\n".encode(), 0)  # of one length: it needs no cutting

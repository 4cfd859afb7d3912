"""Ends a server that nobody uses; a small process of its own, started beside each server.

It is run as a file by a bare interpreter and imports nothing but the standard library, all of it
at the start: where root started it, it gives its rights away at once, and can perhaps not read
another module then (nor a codec that is not built in).

It serves a folder, not one server: when the server is gone it ends too, unless a new one has
taken its place. The file `lock` holds the idle time in force (seconds, as text), and its
modification time changes with every `start`; that counts as use, so that whoever was just given
a URL finds a server there.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time

APPLICATION = "messagedb-agent watcher"
LOG_MAX_BYTES = 1_000_000
POLL_MAX_S = 5.0
SMART_S = 5.0  # a client that came in just before the end gets this long
FAST_S = 60.0

# `sessions` counts those that came and went between two looks; the statistics arrive a little
# late, which only makes a server live longer.
LOOK = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND application_name <> current_setting('application_name')),
       (SELECT coalesce(sum(sessions), 0) FROM pg_stat_database)
"""


class ServerError(Exception):
    """The server answered with an error; `code` is its SQLSTATE."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body.decode(errors="replace"))
        fields = [field for field in body.split(b"\0") if field[:1] == b"C"]
        self.code = fields[0][1:] if fields else b""


class Probe:
    """One connection, by PostgreSQL's protocol 3.0 with trust: a start-up and simple queries.

    Source: PostgreSQL 18, chapters "Message Flow" and "Message Formats".
    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        try:
            self._socket.connect(path)
            names = ("user", "postgres", "database", "postgres", "application_name", APPLICATION)
            body = struct.pack("!i", 196608) + b"".join(n.encode() + b"\0" for n in names) + b"\0"
            self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
            self._rows()
        except BaseException:
            self._socket.close()
            raise

    def row(self, query: str) -> tuple[bytes, ...]:
        """Return the one row of `query`.

        Raises:
            ServerError: the server refused it.
            OSError: the connection failed.
        """
        body = query.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        return self._rows()[0]

    def is_closed_within(self, seconds: float) -> bool:
        """Whether the server says something unasked (its farewell) in so many seconds."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        """Take leave; the server's process for this connection ends."""
        with contextlib.suppress(OSError):
            self._socket.sendall(b"X" + struct.pack("!i", 4))
        self._socket.close()

    def _rows(self) -> list[tuple[bytes, ...]]:
        rows = []
        while True:
            kind, length = struct.unpack("!ci", self._read(5))
            body = self._read(length - 4)
            if kind == b"D":
                rows.append(_fields(body))
            elif kind == b"E":
                raise ServerError(body)
            elif kind == b"Z":
                return rows

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts += part
        return bytes(parts)


def _fields(body: bytes) -> tuple[bytes, ...]:
    count, at, fields = struct.unpack_from("!h", body)[0], 2, []
    for _ in range(count):
        length = struct.unpack_from("!i", body, at)[0]
        at += 4
        fields.append(body[at : at + max(length, 0)])
        at += max(length, 0)
    return tuple(fields)


class Watcher:
    """Looks at the server of one folder again and again until it is idle or gone."""

    def __init__(self, root: str, socket_path: str, own_lock: int) -> None:
        # Opened while we still may: as root's descendant we lose the right to.
        self._server_lock = os.open(os.path.join(root, "server.lock"), os.O_RDWR)
        self._lock = os.open(os.path.join(root, "lock"), os.O_RDWR)
        self._own_lock = own_lock
        self._pid_file = os.path.join(root, "data", "postmaster.pid")
        self._socket_path = socket_path
        self._probe: Probe | None = None
        self._seen: object = None
        self._used_at = time.monotonic()

    def run(self) -> None:
        """Watch until the server is gone."""
        while not self._look():
            self._rest(min(POLL_MAX_S, max(0.1, self._idle_s() / 4)))

    def _rest(self, seconds: float) -> None:
        """Wait, but no longer than the server lives: it closes the connection when it ends."""
        if self._probe is None:
            time.sleep(min(seconds, 0.2))
        elif self._probe.is_closed_within(seconds):
            self._drop_probe()

    def _look(self) -> bool:
        """Look once; True when the watch is over."""
        _bound_log()
        if self._is_gone():
            return self._leave()
        if self._is_used():
            self._used_at = time.monotonic()
        if time.monotonic() - self._used_at < self._idle_s():
            return False
        return self._end()

    def _is_used(self) -> bool:
        """Whether somebody is connected, or was, or was given a URL, since the last look."""
        try:
            if self._probe is None:
                self._probe = Probe(self._socket_path)
            clients, sessions = self._probe.row(LOOK)
        except OSError:
            self._drop_probe()  # gone, perhaps: the next look tells
            return False
        except ServerError as error:
            self._drop_probe()
            return error.code[:2] != b"57"  # that is coming or going; else it may be full of users
        seen = (sessions, os.fstat(self._lock).st_mtime_ns)
        before, self._seen = self._seen, seen
        return clients != b"0" or seen != before

    def _end(self) -> bool:
        """End the idle server, if it is still idle once nobody can start or find it."""
        if not _try_lock(self._lock):
            return False
        try:
            if self._is_used():
                self._used_at = time.monotonic()
                return False
            self._drop_probe()
            self._signal(signal.SIGTERM)
            if not self._wait(SMART_S):
                self._signal(signal.SIGINT)
                if not self._wait(FAST_S):
                    return False
            os.close(self._own_lock)
            return True
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _leave(self) -> bool:
        """Let go of the folder, unless somebody is just putting a new server there."""
        if not _try_lock(self._lock):
            return False
        try:
            if not self._is_gone():
                return False
            os.close(self._own_lock)
            return True
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _is_gone(self) -> bool:
        """Whether no process of the server lives: each of them holds its lock."""
        if not _try_lock(self._server_lock, fcntl.LOCK_SH):
            return False
        fcntl.flock(self._server_lock, fcntl.LOCK_UN)
        return True

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self._is_gone():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError, ValueError):  # gone already
            fd = os.open(self._pid_file, os.O_RDONLY)  # not as text: that loads a codec
            try:
                os.kill(int(os.read(fd, 64).split(b"\n")[0]), number)
            finally:
                os.close(fd)

    def _idle_s(self) -> float:
        try:
            return float(os.pread(self._lock, 64, 0))
        except ValueError:
            return 600.0

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._probe.close()
        self._probe = None


def _try_lock(fd: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bound_log() -> None:
    """Empty the log when it has grown too large; it is our standard error and the server's."""
    with contextlib.suppress(OSError):
        if os.fstat(2).st_size > LOG_MAX_BYTES:
            os.ftruncate(2, 0)


def main(root: str, socket_path: str, own_lock: str, uid: str, gid: str) -> None:
    """Watch the server in `root`.

    Args:
        root: the server's folder.
        socket_path: its socket.
        own_lock: descriptor of the held `watcher.lock`.
        uid: account to become, as a number; -1 to stay.
        gid: group of that account.
    """
    try:
        watcher = Watcher(root, socket_path, int(own_lock))
    except FileNotFoundError:
        return  # the folder was removed meanwhile
    if int(uid) >= 0:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    watcher.run()


if __name__ == "__main__":
    main(*sys.argv[1:])

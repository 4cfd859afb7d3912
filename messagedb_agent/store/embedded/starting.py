"""Starting a server: the slow path, taken by one process at a time."""

import os
import signal
import sys
from pathlib import Path

from messagedb_agent.errors import StoreUnavailable
from messagedb_agent.store.embedded import binaries, cluster, locks, postmaster, watcher
from messagedb_agent.store.embedded.paths import Places
from messagedb_agent.store.embedded.running import is_alive, is_ready, touch
from messagedb_agent.store.embedded.values import PORT, EmbeddedSettings
from messagedb_agent.store.sql import sql_files

LOCK_TIMEOUT_S = 180.0  # a first start on a slow disk, and others queueing behind it
_READY_TIMEOUT_S = 120.0  # recovery after a crash reads the log since the last checkpoint
_END_TIMEOUT_S = 60.0
_FREE_TIMEOUT_S = 5.0  # a lock that is only looked at is held for microseconds
_TAIL_BYTES = 4_000
_TAIL_LINES = 5


async def bring_up(where: Places, settings: EmbeddedSettings, *, fsync: bool) -> None:
    """Make the server of `where` run, ready, prepared and watched, whatever was there before.

    Raises:
        StoreUnavailable: it cannot be started.
        ConfigurationError: there is no PostgreSQL, or no Message DB SQL.
    """
    where.make()
    async with locks.exclusive(where.lock, timeout_s=LOCK_TIMEOUT_S) as lock:
        touch(lock, settings.idle_s)
        if await _is_up(where):
            await _launch_watcher(where)  # the old one may have been killed
        else:
            await _start_anew(where, settings, fsync=fsync)
        if not where.prepared.exists():  # the process that started it was killed too early
            await _prepare(where)
        touch(lock, settings.idle_s)


async def _is_up(where: Places) -> bool:
    """Whether a server runs and answers; one that is coming or going is waited for.

    Raises:
        StoreUnavailable: it runs, but does not answer here.
    """
    if not is_alive(where):
        return False
    await locks.until(
        lambda: not is_alive(where) or is_ready(where),
        timeout_s=_END_TIMEOUT_S,
    )
    if not is_alive(where):
        return False
    if is_ready(where):
        return True
    raise StoreUnavailable(
        f"the embedded server in {where.root} runs, but does not answer on its socket in "
        f"{where.run}; end it with: messagedb-agent db stop --force (its log: {where.log})"
    )


async def _start_anew(where: Places, settings: EmbeddedSettings, *, fsync: bool) -> None:
    sql_files()  # without them there is no use in a server; says why
    where.prepared.unlink(missing_ok=True)
    major = cluster.major_version(where.data)
    found = binaries.find(settings.postgres_bin, major=major)
    programs = binaries.usable_by(where.account, found)
    if major is None:
        await cluster.make(programs, where, fsync=fsync)
        major = cluster.major_version(where.data) or 0
    _clear_what_was_left(where)
    cluster.write_hba(where)
    await _launch_watcher(where)  # first, so that a server is never without one
    try:
        await _launch(programs, where, major=major, fsync=fsync)
        await _prepare(where)
    except BaseException:
        if (file := postmaster.read_pid_file(where.data)) and is_alive(where):
            postmaster.send_signal(file.pid, signal.SIGINT, where.account)
        raise


async def _prepare(where: Places) -> None:
    await cluster.prepare(where)
    where.prepared.touch()


async def _launch(programs: Path, where: Places, *, major: int, fsync: bool) -> None:
    """Launch the server and wait until it takes connections.

    Raises:
        StoreUnavailable: it ended, or is not ready in time.
    """
    said_before = where.log.stat().st_size if where.log.exists() else 0
    lock_fd = await _take(where.server_lock)
    try:
        postmaster.launch(programs, where, major=major, lock_fd=lock_fd, fsync=fsync)
    finally:
        os.close(lock_fd)  # the server holds it on
    await locks.until(lambda: not is_alive(where) or is_ready(where), timeout_s=_READY_TIMEOUT_S)
    if not is_ready(where):
        raise StoreUnavailable(
            f"the embedded server did not start; its log {where.log} ends with: "
            f"{_tail(where.log, said_before)}"
        )


async def _launch_watcher(where: Places) -> None:
    """Give the server a watcher, unless it has one.

    The lock is taken here and inherited, so that of two starters one gives it one.
    """
    if locks.is_held(where.watcher_lock):
        return
    lock_fd = await _take(where.watcher_lock)
    uid, gid = (where.account.uid, where.account.gid) if where.account else (-1, -1)
    socket_path = where.run / f".s.PGSQL.{PORT}"
    script = [sys.executable, "-I", "-S", watcher.__file__]
    arguments = [str(where.root), str(socket_path), str(lock_fd), str(uid), str(gid)]
    try:
        # As ourselves, who can read the interpreter; it becomes the account by itself.
        postmaster.detach([*script, *arguments], log=where.log, lock_fd=lock_fd, account=None)
    finally:
        os.close(lock_fd)


async def _take(path: Path) -> int:
    """Take a lock that is free but for those who just look at it; return its descriptor."""
    taken: list[int] = []

    def is_taken() -> bool:
        if (fd := locks.take(path)) is not None:
            taken.append(fd)
        return bool(taken)

    if not await locks.until(is_taken, timeout_s=_FREE_TIMEOUT_S):
        raise StoreUnavailable(f"another process holds {path}")
    return taken[0]


def _clear_what_was_left(where: Places) -> None:
    """Remove what a killed server left; its lock is free, so no process of it lives.

    PostgreSQL does so itself, unless its number still is some process's: another's after a
    container was restarted, or its own where nobody waits for the ends of orphans. It would then
    refuse to start for good. A server that somebody started by hand on this folder holds no lock
    of ours, but answers.

    Raises:
        StoreUnavailable: there is such a server.
    """
    refuse_other_server(where)
    (where.data / "postmaster.pid").unlink(missing_ok=True)
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        (where.run / name).unlink(missing_ok=True)


def refuse_other_server(where: Places) -> None:
    """Refuse where a server that is not ours answers on the data; none of ours lives.

    Raises:
        StoreUnavailable: there is such a server.
    """
    file = postmaster.read_pid_file(where.data)
    if file is not None and postmaster.answers(file.socket_dir):
        raise StoreUnavailable(
            f"a PostgreSQL that was not started by this program (process {file.pid}) uses "
            f"{where.data}; end it first"
        )


def _tail(log: Path, start: int) -> str:
    """Return the last lines of the log, from `start` (bytes) on, in one line."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES, start if start <= size else 0))
        lines = file.read().decode(errors="replace").splitlines()
    return " | ".join(lines[-_TAIL_LINES:]) or "(nothing)"

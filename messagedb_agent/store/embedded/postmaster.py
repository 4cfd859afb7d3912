"""The server process: launched, seen, signalled."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from messagedb_agent.store.embedded.account import Account, identity
from messagedb_agent.store.embedded.paths import Places
from messagedb_agent.store.embedded.values import PORT

# No address listened on. Small, for one person's agents; everything that keeps data safe is at
# PostgreSQL's own default. ERROR is left out of the log: it is the client's to know, and a
# statement's error may repeat what a person wrote.
_OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "300",  # a worker may hold a dozen; one that is not used costs a slot
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
}


@dataclass(frozen=True, slots=True)
class PidFile:
    """What PostgreSQL writes into `postmaster.pid`.

    Source: PostgreSQL 18, `src/include/utils/pidfile.h`.
    """

    pid: int
    socket_dir: Path
    is_ready: bool


def read_pid_file(data: Path) -> PidFile | None:
    """Return what `postmaster.pid` says; None where there is none, or not yet a whole one."""
    try:
        fields = (data / "postmaster.pid").read_bytes().split(b"\n")
        return PidFile(
            pid=abs(int(fields[0])),
            socket_dir=Path(os.fsdecode(fields[4])),
            is_ready=fields[7].strip() == b"ready",
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return None


def launch(programs: Path, places: Places, *, major: int, lock_fd: int, fsync: bool) -> None:
    """Launch the server and return at once.

    It inherits `lock_fd`, and so holds the lock until its last process is gone.
    """
    options = _OPTIONS | {"hba_file": str(places.hba)}
    if major >= 18:
        options["io_method"] = "sync"  # else three more processes
    if not fsync:
        options["fsync"] = "off"
    arguments = [str(programs / "postgres"), "-D", str(places.data), "-k", str(places.run)]
    for name, value in options.items():
        arguments += ["-c", f"{name}={value}"]
    detach(arguments, log=places.log, lock_fd=lock_fd, account=places.account)


def detach(arguments: Sequence[str], *, log: Path, lock_fd: int, account: Account | None) -> None:
    """Run a program in a session of its own, with its words in `log`, and return at once.

    A shell starts it in the background and ends, so that it is nobody's child: it outlives us and
    our terminal, and leaves no zombie where we outlive it.
    """
    # Opened to append, so that it may be cut from outside while it is written to.
    log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *arguments],
            check=True,
            cwd="/",
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            pass_fds=(lock_fd,),
            start_new_session=True,
            umask=0o077,
            **identity(account),
        )
    finally:
        os.close(log_fd)


def environment() -> dict[str, str]:
    """Return the environment of the server's programs: no setting and no secret of ours."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"LC_ALL": "C", **kept}


def answers(socket_dir: Path) -> bool:
    """Whether something accepts connections on the socket in `socket_dir`."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fsencode(socket_dir / f".s.PGSQL.{PORT}"))
        except OSError:
            return False
    return True


def send_signal(pid: int, number: signal.Signals, account: Account | None) -> None:
    """Signal the server as the account that runs it.

    Root could hit any process if the number in `postmaster.pid`, which the account may write,
    were another's.
    """
    if account is None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        return
    subprocess.run(
        ["/bin/sh", "-c", 'kill -s "$0" "$1"', number.name.removeprefix("SIG"), str(pid)],
        check=False,  # gone already
        capture_output=True,
        cwd="/",
        **identity(account),
    )

"""What the tests of the embedded server's life have in common."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from messagedb_agent.store.embedded import EmbeddedSettings
from messagedb_agent.store.embedded.account import identity, server_account
from tests.waiting import PATIENCE_S

_STARTER = """
import asyncio, sys
from pathlib import Path
from messagedb_agent.store.embedded import EmbeddedSettings, start
settings = EmbeddedSettings(home=Path(sys.argv[1]), idle_s=float(sys.argv[2]))
server = asyncio.run(start(settings, _fsync=False))
print(server.pid, server.url, flush=True)
if sys.argv[3:]:
    import psycopg
    with psycopg.connect(server.url) as connection:
        print("connected", flush=True)
        sys.stdin.read()
"""


def starter(settings: EmbeddedSettings, *, stays: bool = False) -> "subprocess.Popen[str]":
    """Run another process that starts the server, and stays connected to it if asked to."""
    arguments = [str(settings.home), str(settings.idle_s), *(["stay"] if stays else [])]
    return subprocess.Popen(
        [sys.executable, "-c", _STARTER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for a starter, and return the server's process id and its URL."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    pid, url = out.split()
    return int(pid), url


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, and only waits for its parent to hear of it (seen in containers)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def psql_says(program: Path, url: str, query: str) -> str:
    """Return what psql prints, in an environment that is set up for another database."""
    done = subprocess.run(
        [program, url, "-XAtc", query],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={"PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "HOME": "/"},
        timeout=PATIENCE_S,
    )
    return done.stdout.strip()


@contextmanager
def process_of_the_servers_account() -> "Iterator[subprocess.Popen[bytes]]":
    """Run some process as the account that runs the server."""
    with subprocess.Popen(["sleep", "60"], cwd="/", **identity(server_account())) as process:
        try:
            yield process
        finally:
            process.kill()


def program_of(pid: int) -> Path:
    """Return the file that a process runs."""
    return Path(f"/proc/{pid}/exe").readlink()


def watcher_of(settings: EmbeddedSettings) -> int:
    """Return the process id of the one watcher of a server."""
    root = str(settings.home / "postgres")
    (pid,) = [
        pid for pid, command in _processes() if "watcher.py" in command and f"{root} " in command
    ]
    return pid


def _processes() -> Iterator[tuple[int, str]]:
    """Yield the processes of this machine; small Linux images have no `ps`, others no /proc."""
    if not Path("/proc/self").exists():
        listing = subprocess.run(
            ["ps", "-ww", "-axo", "pid=,args="], check=True, capture_output=True, text=True
        )
        for line in listing.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command
        return
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            yield (
                int(folder.name),
                os.fsdecode((folder / "cmdline").read_bytes()).replace("\0", " "),
            )


def write(url: str, stream: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT write_message(gen_random_uuid()::text, %s, 'Written', '{}')", (stream,)
        )


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM messages").fetchone()
    assert row is not None
    return int(row[0])

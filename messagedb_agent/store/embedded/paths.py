"""Where an embedded server keeps what is its own.

    <home>/postgres/           ours; as root /var/lib/messagedb-agent/<name of home>-<hash>/
    ├── lock                   held while a server is found, started or ended; see `watcher`
    ├── server.lock            held by every process of the server, as long as one lives
    ├── watcher.lock           held by the watcher
    ├── prepared               there while the running server is known to hold a Message DB
    ├── pg_hba.conf            who may connect
    ├── server.log             bounded by the watcher
    ├── data/                  PostgreSQL's data folder; owned by the account that runs it
    └── run/                   the socket; owned likewise; elsewhere where the path is too long

Only the server's account may enter `data` and `run`. Folders that are not ours keep their rights.
"""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.values import PORT

_ROOTS_PLACE = Path("/var/lib/messagedb-agent")
# Not TMPDIR: every process has to find the same folder. Its owner and rights are checked.
_SHORT_PLACE = Path("/tmp")  # noqa: S108 - see above
_SOCKET_PATH_MAX = 103  # bytes: macOS takes 103, Linux 107


@dataclass(frozen=True, slots=True)
class Places:
    """The files and folders of one server; see the module's docstring."""

    root: Path
    run: Path
    account: Account | None

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def server_lock(self) -> Path:
        return self.root / "server.lock"

    @property
    def watcher_lock(self) -> Path:
        return self.root / "watcher.lock"

    @property
    def prepared(self) -> Path:
        return self.root / "prepared"

    @property
    def hba(self) -> Path:
        return self.root / "pg_hba.conf"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    def make(self) -> None:
        """Make the root and the socket's folder, with their rights.

        Raises:
            StoreUnavailable: the socket's folder is somebody else's.
            OSError: a folder cannot be made or written to.
        """
        _make_root(self.root, self.account)
        own_folder(self.run, self.account)
        self.server_lock.touch(mode=0o600)  # the watcher, started before the server, opens it


def places(home: Path, account: Account | None) -> Places:
    """Return where the server of `home` has its files, whether they are there or not."""
    home = Path(os.path.abspath(home.expanduser()))
    root = home / "postgres"
    if account is not None:
        moved = _ROOTS_PLACE / f"{home.name or 'root'}-{_digest(home)}"
        if moved.is_dir() or not account.may_enter(root):  # once there, it stays there
            root = moved
    return Places(root=root, run=_run_folder(root), account=account)


def own_folder(path: Path, account: Account | None) -> None:
    """Make `path`, or make sure that it is a folder that only the server's account may enter.

    Raises:
        StoreUnavailable: it is there, and is not ours.
        OSError: it cannot be made.
    """
    if not os.path.lexists(path):
        # Made aside and moved: at no time does another process find it with the wrong owner.
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            if account:
                os.chown(draft, account.uid, account.gid)
            draft.rename(path)
        except OSError:
            draft.rmdir()
            if not os.path.lexists(path):
                raise
    check_own_folder(path, account)


def check_own_folder(path: Path, account: Account | None) -> None:
    """Make sure that what is at `path` is a folder that only the server's account may enter.

    Raises:
        StoreUnavailable: it is not.
    """
    found = path.lstat()
    uid = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise StoreUnavailable(
            f"{path} is not a folder that only the embedded server's account may enter; remove it"
        )


def make_parents(path: Path, account: Account | None) -> None:
    """Make the folders above `path` that are missing, so that the account may go through them.

    Raises:
        OSError: one of them cannot be made.
    """
    for folder in reversed(path.parents):
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        if account:
            folder.chmod(0o711)


def _make_root(root: Path, account: Account | None) -> None:
    make_parents(root, account)
    root.mkdir(mode=0o700, exist_ok=True)
    if account and root.stat().st_gid != account.gid:
        os.chown(root, os.geteuid(), account.gid)
        root.chmod(0o710)
    if not os.access(root, os.W_OK | os.X_OK):
        raise PermissionError(13, "Permission denied", str(root))


def _run_folder(root: Path) -> Path:
    run = root / "run"
    if len(os.fsencode(run / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_MAX:
        return run
    return _SHORT_PLACE / f"messagedb-agent-{_digest(root)}"


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def require_no_newline(home: Path) -> None:
    """Refuse a path that PostgreSQL's one-line files cannot hold.

    Raises:
        ConfigurationError: `home` has a line break in it.
    """
    if "\n" in str(home) or "\r" in str(home):
        raise ConfigurationError(
            "the path of the embedded server's home has a line break in it",
            field="MESSAGEDB_AGENT_HOME",
        )

"""What would keep a server from starting, found without starting it."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from messagedb_agent.errors import AgentError, StoreUnavailable
from messagedb_agent.store.embedded import binaries, cluster, starting
from messagedb_agent.store.embedded.paths import Places, check_own_folder, require_no_newline
from messagedb_agent.store.embedded.running import is_alive
from messagedb_agent.store.embedded.values import EmbeddedSettings
from messagedb_agent.store.sql import sql_files

_NEW_DATA_BYTES = 45_000_000  # a new database, measured, and a little


def find_obstacle(where: Places, settings: EmbeddedSettings) -> AgentError | None:
    """Return the first thing that would keep the server from starting; None where nothing is seen.

    Nothing is left behind: that a folder can be written to is tried with one that is removed.

    Raises:
        OSError: a file cannot be read, or a folder not be written to.
    """
    try:
        _look(where, settings)
    except AgentError as error:
        return error
    return None


def _look(where: Places, settings: EmbeddedSettings) -> None:
    require_no_newline(settings.home)
    if is_alive(where):
        raise StoreUnavailable(
            f"the embedded server in {where.root} runs, but does not answer; it may be starting or "
            f"ending (its log: {where.log})"
        )
    sql_files()
    major = cluster.major_version(where.data)
    programs = binaries.find(settings.postgres_bin, major=major)
    binaries.require_version(programs, major)
    copy = binaries.copy_for(where.account, programs)
    _require_writable(where.root)
    if copy is not None:
        _require_writable(copy)
    if os.path.lexists(where.run):
        check_own_folder(where.run, where.account)
    else:
        _require_writable(where.run)
    if major is None:
        _require_space(where.root)
    starting.refuse_other_server(where)


def _require_writable(folder: Path) -> None:
    """Try whether a folder can be made where it is missing, and written to.

    Raises:
        OSError: it cannot.
    """
    place = _nearest(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".messagedb-agent-", dir=place):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(_nearest(folder)).free
    if free < _NEW_DATA_BYTES:
        raise StoreUnavailable(
            f"there is no room for a new database in {folder}: {free // 1_000_000} MB are free, "
            f"{_NEW_DATA_BYTES // 1_000_000} MB are needed; set MESSAGEDB_AGENT_HOME to another "
            "folder"
        )


def _nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest above it that is there."""
    for path in (folder, *folder.parents):
        with suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
            return path
    return folder

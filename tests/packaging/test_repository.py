"""What a checkout holds, what it must not hold, and which versions it is held to."""

import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TOP_LEVEL = (
    ".ci/run",
    ".env.example",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "benchmarks",
    "docker-compose.yml",
    "docs",
    "examples",
    "hatch_build.py",
    "messagedb_agent",
    "pyproject.toml",
    "spec.md",
    "tasks.md",
    "tests",
)
# Put together here, so that this file does not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
    )
)


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(name: str) -> str:
    """Return a distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def constraints() -> dict[str, str]:
    pins = (tuple(line.split("==")) for line in project()["tool"]["uv"]["constraint-dependencies"])
    return dict(pins)


def settings_of_env_example() -> tuple[dict[str, str], dict[str, str]]:
    """Return what `.env.example` sets, and what it names behind a comment sign."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    found = [re.fullmatch(r"(# )?([A-Z_]+)=(.*)", line) for line in lines]
    active = {match[2]: match[3] for match in found if match and not match[1]}
    commented = {match[2]: match[3] for match in found if match and match[1]}
    return active, commented


def tracked_files() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_the_top_level_is_complete(name: str) -> None:
    assert (ROOT / name).exists()


def test_no_file_names_a_registry_host() -> None:
    hosts = re.compile("|".join(map(re.escape, REGISTRY_HOSTS)).encode())
    guilty = [path.name for path in tracked_files() if hosts.search(path.read_bytes())]
    assert guilty == []


def test_neither_the_lock_file_nor_official_sql_is_kept_here() -> None:
    kept = [path.relative_to(ROOT).as_posix() for path in tracked_files()]
    assert [name for name in kept if name == "uv.lock" or name.startswith("messagedb_sql")] == []


def test_the_installed_version_is_that_of_the_project_file() -> None:
    assert version("messagedb-agent") == project()["project"]["version"]


def test_every_constraint_is_one_exact_version() -> None:
    lines = project()["tool"]["uv"]["constraint-dependencies"]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line)] == []
    assert lines == sorted(set(lines))


def test_every_declared_dependency_is_held_by_a_constraint() -> None:
    declared = [
        *project()["project"]["dependencies"],
        *project()["project"]["optional-dependencies"]["message-db-py"],
        *project()["dependency-groups"]["dev"],
    ]
    names = {normal(re.split(r"[\[<>=!~ ;]", line)[0]) for line in declared}
    assert names - constraints().keys() == set()


def test_what_is_installed_is_what_the_constraints_say() -> None:
    installed = {}
    for name in constraints():
        try:
            installed[name] = version(name)
        except PackageNotFoundError:  # for another Python or platform
            continue
    assert installed
    assert installed == {name: constraints()[name] for name in installed}


def test_a_copy_of_the_example_settings_keeps_the_embedded_server_and_the_offline_model() -> None:
    active, commented = settings_of_env_example()
    off = {"MESSAGE_DB_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"}
    off |= {"MODEL_NAME", "MODEL_API_BASE", "GCP_PROJECT", "GCP_LOCATION"}
    assert off <= commented.keys()
    assert off & active.keys() == set()


def test_the_example_settings_fit_the_compose_file() -> None:
    _, commented = settings_of_env_example()
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["message-db"]
    assert service["image"] == "ethangarofolo/message-db:1.3.1"
    assert service["ports"] == [f"127.0.0.1:{commented['DB_PORT']}:5432"]
    assert service["environment"] == {"POSTGRES_PASSWORD": commented["DB_PASSWORD"]}
    assert commented["DB_USER"] == "postgres"
    assert commented["DB_NAME"] == "message_store"


def test_the_checks_end_with_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "uv run pytest"
    assert "uv run pytest" in (ROOT / "README.md").read_text()

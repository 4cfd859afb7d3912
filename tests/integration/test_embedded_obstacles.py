"""What would keep the embedded server from starting is said without starting it."""

import asyncio
import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messagedb_agent.errors import AgentError, StoreUnavailable
from messagedb_agent.store.embedded import EmbeddedSettings, obstacle, start, status, stop
from tests.store_url import new_home


@pytest.fixture
def home() -> Iterator[Path]:
    folder = new_home()
    yield folder
    shutil.rmtree(folder)


def of_another_version(home: Path) -> EmbeddedSettings:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    return EmbeddedSettings(home)


def with_an_open_socket_folder(home: Path) -> EmbeddedSettings:
    (home / "postgres").mkdir()
    (home / "postgres" / "run").mkdir(mode=0o755)
    return EmbeddedSettings(home)


def below_a_file(home: Path) -> EmbeddedSettings:
    (home / "file").write_text("in the way")
    return EmbeddedSettings(home / "file" / "home")


def with_a_line_break(home: Path) -> EmbeddedSettings:
    return EmbeddedSettings(home / "two\nlines")


def without_programs(home: Path) -> EmbeddedSettings:
    return EmbeddedSettings(home, postgres_bin=home)


@pytest.mark.parametrize(
    "given",
    [
        of_another_version,
        with_an_open_socket_folder,
        below_a_file,
        with_a_line_break,
        without_programs,
    ],
)
def test_what_is_said_is_what_a_start_then_says(
    home: Path, given: Callable[[Path], EmbeddedSettings]
) -> None:
    settings = given(home)
    before = sorted(home.rglob("*"))
    found = obstacle(settings)
    assert found is not None
    assert sorted(home.rglob("*")) == before, "looking leaves nothing behind"
    with pytest.raises(AgentError) as refused:
        asyncio.run(start(settings, _fsync=False))
    assert type(refused.value) is type(found)


def test_where_nothing_is_seen_the_server_starts(home: Path) -> None:
    settings = EmbeddedSettings(home)
    assert obstacle(settings) is None
    assert list(home.iterdir()) == []
    asyncio.run(start(settings, _fsync=False))
    assert asyncio.run(stop(settings, force=True))
    assert obstacle(settings) is None  # nor the second time
    assert status(settings).server is None


def test_a_disk_without_room_for_a_new_database_is_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    found = obstacle(EmbeddedSettings(home))
    assert isinstance(found, StoreUnavailable)
    assert "1 MB are free" in str(found)

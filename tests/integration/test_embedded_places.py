"""Where the embedded server keeps its files, whatever its home is like."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from messagedb_agent.errors import ConfigurationError, StoreUnavailable
from messagedb_agent.store.embedded import (
    EmbeddedSettings,
    binaries,
    paths,
    start,
    stop,
)
from messagedb_agent.store.embedded.account import Account, server_account
from messagedb_agent.store.embedded.paths import own_folder, places
from tests.embedded_server import count, program_of
from tests.store_url import new_home

NOBODY = Account("nobody", 65534, 65534)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root's ways are tried by root")


@pytest.fixture
def home() -> Iterator[Path]:
    folder = new_home()
    yield folder
    shutil.rmtree(folder)


async def test_a_path_too_long_for_a_socket_works(home: Path) -> None:
    settings = EmbeddedSettings(home=home / ("long" * 20) / ("longer" * 10))
    server = await start(settings, _fsync=False)
    try:
        assert count(server.url) == 0
        assert not server.socket_dir.is_relative_to(home)
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        assert await start(settings) == server
    finally:
        await stop(settings, force=True)
        server.socket_dir.rmdir()


async def test_a_folder_that_is_not_ours_is_not_taken_for_the_socket(home: Path) -> None:
    settings = EmbeddedSettings(home=home / ("long" * 20) / ("longer" * 10))
    run = places(settings.home, server_account()).run
    run.mkdir(mode=0o755)
    try:
        with pytest.raises(StoreUnavailable, match="remove it"):
            await start(settings)
    finally:
        run.rmdir()


@pytest.mark.parametrize("below", ["/proc/no-such-folder", "/dev/null/home"])
async def test_a_home_that_cannot_be_made_is_named_in_one_line(below: str) -> None:
    with pytest.raises(StoreUnavailable, match="MESSAGEDB_AGENT_HOME") as error:
        await start(EmbeddedSettings(home=Path(below)))
    assert below in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def read_only(home: Path) -> Iterator[Path]:
    home.chmod(0o500)
    yield home
    home.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_home_is_named_in_one_line(read_only: Path) -> None:
    with pytest.raises(StoreUnavailable, match="MESSAGEDB_AGENT_HOME"):
        await start(EmbeddedSettings(home=read_only))


async def test_a_home_with_a_line_break_is_refused(home: Path) -> None:
    with pytest.raises(ConfigurationError):
        await start(EmbeddedSettings(home=home / "a\nb"))


async def test_folders_that_are_not_ours_keep_their_rights(home: Path) -> None:
    given = home / "given"
    given.mkdir(mode=0o750)
    given.chmod(0o751)
    before = [path.stat().st_mode for path in (given, home)]
    settings = EmbeddedSettings(home=given)
    await start(settings, _fsync=False)
    await stop(settings, force=True)
    assert [path.stat().st_mode for path in (given, home)] == before


def test_a_home_that_the_account_may_not_enter_is_served_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_ROOTS_PLACE", home / "var")
    private = home / "private"
    private.mkdir(mode=0o700)
    if os.geteuid() == NOBODY.uid:
        pytest.skip("we are the account itself")
    assert places(home / "open", NOBODY).root == home / "open" / "postgres"
    moved = places(private, NOBODY).root
    assert moved.parent == home / "var"
    assert places(private, NOBODY).root == moved
    assert places(private, None).root == private / "postgres"


def test_data_once_moved_stay_where_they_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "_ROOTS_PLACE", home / "var")
    private = home / "private"
    private.mkdir(mode=0o700)
    if os.geteuid() == NOBODY.uid:
        pytest.skip("we are the account itself")
    moved = places(private, NOBODY).root
    moved.mkdir(parents=True)
    private.chmod(0o755)
    assert places(private, NOBODY).root == moved


@as_root
async def test_root_with_a_closed_home_gets_a_server_that_works(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_ROOTS_PLACE", home / "var")
    private = home / "private"
    private.mkdir(mode=0o700)
    settings = EmbeddedSettings(home=private)
    server = await start(settings, _fsync=False)
    try:
        assert server.data.is_relative_to(home / "var")
        assert count(server.url) == 0
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert not list(private.iterdir())
    finally:
        await stop(settings, force=True)


@as_root
async def test_programs_that_the_account_may_not_reach_are_copied_for_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_COPIES", home / "copies")
    monkeypatch.setattr(Account, "may_read", lambda self, path: False)
    settings = EmbeddedSettings(home=home)
    server = await start(settings, _fsync=False)
    try:
        assert program_of(server.pid).is_relative_to(home / "copies")
        assert count(server.url) == 0
    finally:
        await stop(settings, force=True)


def test_an_account_enters_by_owner_group_and_others(home: Path) -> None:
    folder = home / "folder"
    folder.mkdir()
    mine, group, other = (os.geteuid(), folder.stat().st_gid, 4242)
    cases = [
        (0o700, mine, other, True),
        (0o077, mine, other, False),
        (0o010, other, group, True),
        (0o701, other, group, False),
        (0o001, other, other, True),
        (0o770, other, other, False),
    ]
    for mode, uid, gid, may in cases:
        folder.chmod(mode)
        assert Account("somebody", uid, gid).may_enter(folder) is may, oct(mode)
    folder.chmod(0o700)


def test_only_root_needs_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None


def test_root_without_an_account_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(ConfigurationError, match="useradd"):
        server_account()


def test_a_folder_that_many_make_at_once_has_its_owner_from_the_start(tmp_path: Path) -> None:
    owner = server_account()

    def make(number: int) -> None:
        own_folder(tmp_path / str(number // 8), owner)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(make, range(400)))  # raises where one was found half made
    assert sorted(os.listdir(tmp_path), key=int) == [str(n) for n in range(50)]


def test_a_folder_that_cannot_be_given_away_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("not yours to give")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(PermissionError, match="not yours"):
        own_folder(tmp_path / "run", NOBODY)
    assert list(tmp_path.iterdir()) == []

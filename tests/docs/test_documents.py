"""What the README and the pages in `docs` say runs, and prints what they say it prints."""

import ast
import asyncio
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

import messagedb_agent
from messagedb_agent.agents.database import default_home
from messagedb_agent.store import embedded
from messagedb_agent.store.embedded import EmbeddedSettings
from tests.docs.blocks import PAGES, ROOT, Block, blocks, commands, first_missing
from tests.store_url import new_home, remove_embedded

BESIDE = tuple(
    ROOT / name for name in ("CHANGELOG.md", "spec.md", "tasks.md", "benchmarks/README.md")
)
PATIENCE_S = 60.0  # how long a command may take; it is never measured


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home in which the user's own embedded server runs, with nobody's threads."""
    home = new_home()
    with pytest.MonkeyPatch.context() as patch:
        _move_to(home, patch)
        settings = EmbeddedSettings(default_home())
    asyncio.run(embedded.start(settings, _fsync=False))
    yield home
    remove_embedded(settings)
    shutil.rmtree(home)


def _move_to(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("HOME", str(home))
    patch.delenv("XDG_DATA_HOME", raising=False)


@pytest.fixture
def _scratch(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder beside a copy of the examples, in a home of its own."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    _move_to(home, monkeypatch)
    # As a person at a terminal has it, where logs are text from WARNING on.
    monkeypatch.setenv("LOG_LEVEL", "WARNING")
    monkeypatch.setenv("LOG_FORMAT", "text")
    monkeypatch.setenv("COLUMNS", "120")
    # The program of this environment first, the psql that comes with the package last.
    psql = embedded.psql(EmbeddedSettings(tmp_path))
    folders = [Path(sys.executable).parent, os.environ["PATH"], psql.parent if psql else ""]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, filter(None, folders))))


@pytest.mark.usefixtures("_scratch")
@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_on_the_pages_runs(block: Block) -> None:
    _run("\n" * (block.line - 1) + block.text, str(block.page))


@pytest.mark.usefixtures("_scratch")
def test_python_in_the_docstring_of_the_package_runs() -> None:
    paragraphs = inspect.cleandoc(messagedb_agent.__doc__ or "").split("\n\n")
    (example,) = (text for text in paragraphs if text.startswith("    "))
    _run(f"import messagedb_agent\n{textwrap.dedent(example)}", "messagedb_agent")


@pytest.mark.usefixtures("_scratch")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_a_page_run_and_print_what_stands_below_them(page: Path) -> None:
    for block in blocks("console", [page]):
        for given in commands(block):
            done = subprocess.run(
                ["bash", "-c", given.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_S,
            )
            where = f"{given.place}: $ {given.command}\n{done.stdout}"
            assert done.returncode == 0, where
            assert first_missing(given.expected, done.stdout) is None, where


@pytest.mark.parametrize(
    "page", [*PAGES, *BESIDE], ids=lambda page: page.parent.name + "/" + page.name
)
def test_what_a_page_links_to_within_the_checkout_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_an_expected_line_that_is_not_printed_is_found() -> None:
    printed = "thread 6f9c\n42 * 7 = 294.\n"
    assert first_missing(["thread …", "42 * 7 = 294."], printed) is None
    assert first_missing(["42 * 7 = …", "thread …"], printed) == "thread …", "in another order"
    assert first_missing(["42"], printed) == "42", "a part of a line"
    assert first_missing(["thread 6f9d"], printed) == "thread 6f9d"


def test_blocks_are_found_and_taken_apart(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ one \\\n    more\nprinted …\n…\n$ two\n```\n\n"
        "<!-- not run: it never ends -->\n```console\n$ three\n```\n"
    )
    (block,) = blocks("console", [page])
    assert block.line == 2
    assert [(c.command, c.expected) for c in commands(block)] == [
        ("one more", ["printed …"]),
        ("two", []),
    ]


def _run(source: str, name: str) -> None:
    """Run Python, with `await` wherever it stands, in a namespace of its own."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(source, name, "exec", flags=flags, dont_inherit=True)
    result = eval(code, {"__name__": "__main__"})  # noqa: S307  # our own pages
    if inspect.iscoroutine(result):
        asyncio.run(result)

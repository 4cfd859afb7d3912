"""Code blocks of Markdown files, and how what a command prints is compared with them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: .+ -->\n\Z")
GAP = "…"


@dataclass(frozen=True)
class Block:
    """A code block: the file it stands in, its line there, and what is in it."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a console block, where that stands, and the lines below the command."""

    place: str
    command: str
    expected: Sequence[str]


def blocks(language: str, pages: Iterable[Path] = PAGES) -> list[Block]:
    """Return the blocks in a language, but for those below `<!-- not run: why -->`."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            before = text[: match.start()]
            if match[1] == language and not _NOT_RUN.search(before):
                found.append(Block(page, before.count("\n") + 2, match[2]))
    return found


def commands(block: Block) -> list[Command]:
    """Split a console block: a command stands behind `$ `, what it prints below it."""
    found: list[Command] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *printed = re.sub(r"\\\n\s*", "", part).splitlines()
        expected = [line for line in printed if line.strip(f" {GAP}")]
        found.append(Command(str(block), command, expected))
    return found


def first_missing(expected: Sequence[str], printed: str) -> str | None:
    """Return the first expected line that was not printed after those before it; None if all were.

    `…` in an expected line stands for any text. Lines that are not expected may stand between.
    """
    lines = iter(printed.splitlines())
    for wanted in expected:
        pattern = re.compile(".*".join(map(re.escape, wanted.rstrip().split(GAP))))
        if not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None

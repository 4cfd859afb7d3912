"""`docs/coming-from.md` has a row for all that users of other systems know, and names what is."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import pytest

from messagedb_agent.cli.app import PROGRAM
from messagedb_agent.errors import ModelError
from messagedb_agent.events.values import ModelParameters
from messagedb_agent.events.words import FailureKind
from messagedb_agent.llm.providers import is_known
from messagedb_agent.projections.messages import Role
from messagedb_agent.projections.summary import Status
from messagedb_agent.tools.builtin import builtin_tools
from tests.docs.blocks import ROOT
from tests.docs.earlier_names import KNOWN
from tests.docs.naming import DEFINED, problem

PAGE = ROOT / "docs" / "coming-from.md"
WITHOUT = ("not yet", "nothing to do")
# Words that stand in remarks for themselves: values, fields and parameters of ours.
WORDS = {
    *get_args(FailureKind),
    *get_args(Role),
    *get_args(Status),
    *(tool.name for tool in builtin_tools()),
    *ModelParameters.model_fields,
    *DEFINED,
    *vars(ModelError("", kind="", agent=None)),  # type: ignore[arg-type]  # its attributes alone
    "after",  # of a page of agents
    "effect",  # of a tool
    "field",  # of a ValidationError
    "last",  # the thread with the newest event
}


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    line: int
    theirs: str
    ours: str
    remark: str


def tables(text: str) -> Mapping[str, Sequence[Row]]:
    """Return the rows of each section's table, by its heading."""
    found, section = defaultdict[str, list[Row]](list), ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and " | here | " not in line:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3, f"{PAGE.name}:{number}"
            found[section].append(Row(number, *cells))
    return found


TABLES = tables(PAGE.read_text(encoding="utf-8"))


def spans(cell: str) -> Sequence[str]:
    return re.findall(r"`([^`]+)`", cell)


def parts(span: str) -> Sequence[str]:
    """Return a name, and what it is given: parameters, options, values."""
    if span.startswith("{"):
        return [span]
    first, *others = re.findall(r"--[\w-]+|[@.]?\w[\w./]*", span)
    return [span] if span == "async with" else [first, *others]


def missing(known: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Yield what is known by name and stands in no row, with the name in front."""
    there = defaultdict[str, set[str]](set)
    for row in rows:
        for name, *others in map(parts, spans(row.theirs)):
            there[name].update(others)
    for entry in known:
        name, *others = parts(entry)
        if name not in there:
            yield name
        yield from (f"{name}: {other}" for other in others if other not in there[name])


def wrong(row: Row) -> Iterator[str]:
    """Yield what a row says of this package that is not so."""
    if not row.theirs or not (spans(row.ours) or row.ours in WITHOUT):
        yield "it says neither what there is here nor that there is nothing"
    if row.ours in WITHOUT and not row.remark:
        yield "it says neither why, nor what to do meanwhile"
    for span in spans(row.ours):
        if why := problem(span):
            yield f"{span}: {why}"
    for span in spans(row.remark):
        if not _stands_for_itself(span) and (why := problem(span)):
            yield f"{span}: {why}"


def _stands_for_itself(span: str) -> bool:
    """Say whether it is a word of ours, a model's name, or JSON."""
    if span.startswith("{"):
        return bool(json.loads(span))
    provider, _, model = span.partition("/")
    return span in WORDS or (bool(model) and is_known(provider))


def test_the_page_has_a_table_for_each_system() -> None:
    assert list(TABLES) == list(KNOWN)


@pytest.mark.parametrize("system", KNOWN)
def test_whatever_is_known_by_name_has_a_row(system: str) -> None:
    assert list(missing(KNOWN[system], TABLES[system])) == []


@pytest.mark.parametrize("system", KNOWN)
def test_what_a_row_says_there_is_here_is_here(system: str) -> None:
    found = {row.line: list(wrong(row)) for row in TABLES[system]}
    assert {line: problems for line, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    "span",
    [
        "agent.fly()",
        "agent.advance(text, mcp=)",
        "agent.advance(input)",
        "agent.definition.colour",
        "engine.memory.recite(user)",
        "engine.create_agent(colour=)",
        "connect(url).install()",
        "Limits(pounds=)",
        "Flock",
        "messagedb_agent.flock",
        "messagedb_agent.context.flock(tokens)",
        "messagedb-agent fly",
        "messagedb-agent show THREAD --fast",
        "messagedb-agent db",
        "WIND_SPEED",
        "docs/flying.md",
    ],
)
def test_what_is_not_there_is_found(span: str) -> None:
    assert problem(span) is not None
    assert list(wrong(Row(1, "`fly`", f"`{span}`", "")))
    assert list(wrong(Row(1, "`fly`", "not yet", f"`{span}`")))


@pytest.mark.parametrize("system", KNOWN)
def test_what_a_row_says_is_not_yet_here_is_not_here(system: str) -> None:
    missed = [row for row in TABLES[system] if row.ours == "not yet"]
    names = [name for row in missed for name in spans(row.theirs)]
    assert [name for name in names if problem(name) is None] == []
    assert [name for name in names if problem(f"{PROGRAM} {name}") is None] == []


def test_a_row_that_is_missing_or_says_nothing_is_found() -> None:
    (section,) = tables("## S\n| S | here | remark |\n|---|---|---|\n| `f(a=1)` | | |\n").values()
    assert list(wrong(section[0])) == [
        "it says neither what there is here nor that there is nothing"
    ]
    assert list(wrong(Row(1, "`f`", "not yet", ""))) == [
        "it says neither why, nor what to do meanwhile"
    ]
    assert list(missing(["f a b", "g", "h --x"], section)) == ["f: b", "g", "h", "h: --x"]

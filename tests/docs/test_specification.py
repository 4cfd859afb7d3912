"""The tables of `spec.md` say what the code writes: every type, every key, every closed set."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from messagedb_agent.events import values, words
from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.memory import MEMORY_TYPES
from messagedb_agent.events.schema import SCHEMA_VERSION
from tests.docs.blocks import ROOT

SECTION = (ROOT / "spec.md").read_text().split("\n## 3. Events\n")[1].split("\n## 4. ")[0]

# By the name they have in the specification.
VALUES: Mapping[str, type[BaseModel]] = {
    "Definition": values.Definition,
    "Parameters": values.ModelParameters,
    "Tool": values.ToolSpec,
    "Limits": values.Limits,
    "Range": values.MessageRange,
    "ToolCall": values.ToolCall,
    "Usage": values.Usage,
    "Price": values.Price,
    "Attempt": values.Attempt,
    "Verdict": values.OutputVerdict,
    # These stand within the keys that hold them.
    "forkedFrom": values.ForkPoint,
    "limits": values.ReachedLimit,
    "takenFrom": values.EventPlace,
    "recalled": values.Recalled,
    "revision": values.Revision,
}
# Published kinds: added to, never edited. Readers of old streams meet them for ever.
MODEL_FAILURES = [
    "interrupted",
    "cancelled",
    "context_overflow",
    "rate_limited",
    "unavailable",
    "timed_out",
    "cut_off",
    "empty",
    "too_large",
    "refused",
    "authentication",
    "configuration",
    "bad_request",
    "internal",
]
TOOL_FAILURES = [
    "unknown_tool",
    "bad_arguments",
    "cut_off",
    "raised",
    "timed_out",
    "cancelled",
    "outcome_unknown",
    "not_recorded",
]


@dataclass(frozen=True)
class Key:
    """A key as the specification has it.

    Attributes:
        name: as JSON spells it.
        optional: whether it may be absent.
        choices: the texts it may be, where they are listed.
        nested: the cell of the object it holds, where its keys are listed.
    """

    name: str
    optional: bool
    choices: frozenset[str]
    nested: str | None


_KEY = re.compile(
    r"`(?P<name>\w+)`(?P<optional>\?)?"
    r"(?: \((?P<said>[^()]*)\))?"
    r"(?:: \[?(?:\{(?P<nested>[^{}]*)\}|\w+)\]?(?: \([^()]*\))?)?"
    r"(?:, |; |$)"
)


def keys_of(cell: str) -> list[Key]:
    """Read the keys of a cell."""
    cell = re.sub(r"^[^`]*: (?=`)", "", cell)  # what it is about: "US dollars ...: "
    return [
        Key(
            found["name"],
            bool(found["optional"]),
            frozenset(re.findall(r"`(\w+)`", found["said"] or "")),
            found["nested"],
        )
        for found in _KEY.finditer(cell)
    ]


def tables() -> Iterator[tuple[str, str]]:
    """Yield name and keys of every row; a row of two types comes twice."""
    for line in SECTION.splitlines():
        if match := re.fullmatch(r"\| (`\w+`(?:, `\w+`)*|\w+) \| (.*`.*) \|", line):
            for name in re.findall(r"\w+", match[1]):
                if name not in ("type", "value"):
                    yield name, match[2]


ROWS = dict(tables())
SHAPES: Mapping[str, type[BaseModel]] = {**EVENT_TYPES, **VALUES}


def shape_cells() -> Iterator[tuple[str, str]]:
    yield from ROWS.items()
    for cell in ROWS.values():
        for key in keys_of(cell):
            if key.nested:
                yield key.name, key.nested


CELLS = dict(shape_cells())


def test_every_event_and_value_has_a_row_and_every_row_is_one() -> None:
    assert CELLS.keys() == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_the_keys_of_a_row_are_those_of_the_class(name: str) -> None:
    said = {key.name: key.optional for key in keys_of(CELLS[name])}
    written = {field.alias: not field.is_required() for field in SHAPES[name].model_fields.values()}
    assert said == written


@pytest.mark.parametrize("name", SHAPES)
def test_texts_that_are_listed_are_those_that_are_allowed(name: str) -> None:
    shape = SHAPES[name]
    said = {key.name: key.choices for key in keys_of(CELLS[name])}
    allowed = {
        to_camel(field): choices
        for field, info in shape.model_fields.items()
        if (choices := _choices(info.annotation)) and not choices >= set(MODEL_FAILURES)
        if not choices >= set(TOOL_FAILURES)
    }
    assert {key: said[key] for key in allowed} == allowed


@pytest.mark.parametrize("name", MEMORY_TYPES)
def test_the_keys_of_what_is_remembered_are_those_of_the_class(name: str) -> None:
    section = (ROOT / "spec.md").read_text().split("\n### Memory of users\n")[1]
    (cell,) = re.findall(rf"\| `{name}` \| (.*) \|\n", section)
    fields = MEMORY_TYPES[name].model_fields.values()
    said = {key.name: key.optional for key in keys_of(cell)}
    assert said == {field.alias: not field.is_required() for field in fields}


def test_the_failure_kinds_are_those_published() -> None:
    assert list(get_args(words.FailureKind)) == MODEL_FAILURES
    assert list(get_args(words.ToolFailureKind)) == TOOL_FAILURES


def test_the_failure_kinds_are_those_listed() -> None:
    (paragraph,) = (text for text in SECTION.split("\n\n") if text.startswith("Failure kinds of"))
    of_models, of_tools = paragraph.split("Of a tool call:")
    assert re.findall(r"`(\w+)`", of_models) == MODEL_FAILURES
    assert re.findall(r"`(\w+)`", of_tools) == TOOL_FAILURES


def test_the_schema_version_is_the_one_named() -> None:
    section = (ROOT / "spec.md").read_text().split("\n## 4. ")[1]
    assert f'| `schemaVersion` | `"{SCHEMA_VERSION}"` |' in section


def test_a_cell_is_read_key_by_key() -> None:
    cell = "`a`, `b`?: Usage, `c` (`x`, `y`), `d`: [{`e`, `f`?}], `g`? (JSON text), `h`: Tool (all)"
    assert keys_of(cell) == [
        Key("a", False, frozenset(), None),
        Key("b", True, frozenset(), None),
        Key("c", False, frozenset({"x", "y"}), None),
        Key("d", False, frozenset(), "`e`, `f`?"),
        Key("g", True, frozenset(), None),
        Key("h", False, frozenset(), None),
    ]


def _choices(annotation: Any) -> set[str]:
    """Return the texts that an annotation allows; none where it is no closed set."""
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    return set().union(*(_choices(part) for part in get_args(annotation) if part is not NoneType))

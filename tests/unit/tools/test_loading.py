"""`--tools module[:attribute]`: what is found, and how plainly it is said when nothing is."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from messagedb_agent.errors import ConfigurationError, ValidationError
from messagedb_agent.tools.loading import load_tools
from messagedb_agent.tools.toolbox import Toolbox

HEAD = """
from messagedb_agent.tools.function_tool import tool
from messagedb_agent.tools.toolbox import Toolbox

@tool
def one() -> str:
    return "1"

@tool
def two() -> str:
    return "2"

def plain() -> str:
    return "3"

class Three:
    name = "three"
    description = ""
    parameters = {}
    async def execute(self, arguments):
        return "3"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current directory with nothing in it; what is imported from it is forgotten again."""
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(here: Path, name: str, tail: str = "") -> None:
    (here / f"{name}.py").write_text(HEAD + dedent(tail))


def names(reference: str) -> list[str]:
    return [tool.name for tool in load_tools(reference)]


def test_without_an_attribute_every_decorated_function_is_taken_in_order(here: Path) -> None:
    write(here, "mine_all", "again = one\n")
    assert names("mine_all") == ["one", "two"]


@pytest.mark.parametrize("usual", ["TOOLS", "tools"])
def test_without_an_attribute_the_usual_names_come_first(here: Path, usual: str) -> None:
    write(here, f"mine_usual_{usual}", f"{usual} = [two, Three()]\n")
    assert names(f"mine_usual_{usual}") == ["two", "three"]


@pytest.mark.parametrize(
    ("attribute", "found"),
    [
        ("one", ["one"]),
        ("box", ["two", "three"]),
        ("several", ["three", "one"]),
        ("lazily", ["one", "two"]),
        ("instance", ["three"]),
        ("space.inner", ["one"]),
    ],
)
def test_an_attribute_is_a_tool_several_tools_or_a_toolbox(
    here: Path, attribute: str, found: list[str]
) -> None:
    write(
        here,
        f"mine_{attribute.partition('.')[0]}",
        """
        box = Toolbox(two, Three())
        several = (Three(), one)
        lazily = (t for t in [one, two])
        instance = Three()
        class space:
            inner = one
        """,
    )
    assert names(f"mine_{attribute.partition('.')[0]}:{attribute}") == found


def test_modules_in_packages_of_the_current_directory_are_found(here: Path) -> None:
    (here / "my_package").mkdir()
    write(here / "my_package", "inner")
    assert names("my_package.inner:two") == ["two"]


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("no_such_module", "there is no module 'no_such_module', here or installed"),
        ("json.no_such_part", "there is no module 'json.no_such_part', here or installed"),
        ("bad:missing", "module 'bad' has no 'missing'"),
        ("bad:nothing", "'bad:nothing' holds no tools"),
        ("bad:plain", "'plain' is a plain function: use @tool"),
        ("bad:Three", "'Three' is a class: give an instance"),
        ("bad:number", "needs name and execute"),
        ("bad:twice", "two tools are called 'one'"),
        ("empty", "'empty' holds no tools: mark functions with @tool"),
        ("broken", "module 'broken' does not import: ZeroDivisionError: division by zero"),
        ("unparsed", "module 'unparsed' does not import: SyntaxError"),
        ("quits", "module 'quits' does not import: SystemExit: 3"),
        ("needs", "module 'needs' does not import: ModuleNotFoundError: No module named 'absent'"),
        ("many_lines", "module 'many_lines' does not import: ValueError: first"),
        ("", "'' is no module"),
        (":one", "'' is no module"),
        ("./bad.py", "'./bad.py' is no module"),
        ("..bad", "'..bad' is no module"),
    ],
)
def test_what_cannot_be_loaded_is_a_configuration_error_of_one_line(
    here: Path, reference: str, reason: str
) -> None:
    write(here, "bad", "nothing = []\nnumber = 5\ntwice = [one, one]\n")
    (here / "empty.py").write_text("x = 1\n")
    (here / "broken.py").write_text("1 / 0\n")
    (here / "unparsed.py").write_text("def (:\n")
    (here / "quits.py").write_text("raise SystemExit(3)\n")
    (here / "needs.py").write_text("import absent\n")
    (here / "many_lines.py").write_text("raise ValueError('first\\nsecond')\n")
    with pytest.raises(ConfigurationError) as caught:
        load_tools(reference)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.field == "tools"


def test_what_is_recorded_of_a_tool_says_where_it_was_found(here: Path) -> None:
    write(here, "mine_sourced", "TOOLS = [one, Three()]\n")
    box = Toolbox(*load_tools("mine_sourced"))
    assert [(spec.name, spec.source) for spec in box.specs()] == [
        ("one", "mine_sourced"),
        ("three", "mine_sourced"),
    ]
    (one,) = load_tools("mine_sourced:one")
    assert Toolbox(one).specs()[0].source == "mine_sourced:one"
    assert sys.modules["mine_sourced"].one.spec.source is None
    twice = [tool for tool in box.tools if tool.name == "three"] * 2
    with pytest.raises(
        ValidationError, match=r"'three': mine_sourced\.Three and mine_sourced\.Three"
    ):
        Toolbox(*twice)

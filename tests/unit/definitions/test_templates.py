"""Templates: files with a definition in them, and places to fill in."""

from pathlib import Path

import pytest

from messagedb_agent.definitions import Shelf, read_template
from messagedb_agent.errors import ConfigurationError, NotFound, ValidationError

PROMPTS = Path(__file__).with_name("prompts")
SHIPPED = {
    "assistant": {},
    "property-manager": {"property": "12 Garden Street"},
    "rag-assistant": {"domain": "tenancy law in Austria"},
}
MINE = """
description = "Sells things."
role = "A clerk who sells {{ goods }}."
constraints = ["Sell {{goods}} and nothing else.", "Costs are {in braces}."]
tools = ["echo"]

[variables]
goods = "what is sold, such as: stamps"

[parameters]
temperature = 0.2

[[examples]]
user = "Do you have {{goods}}?"
assistant = "Yes."
"""


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_package_has_these_templates() -> None:
    found = Shelf().all()
    assert {template.name: set(template.variables) for template in found} == {
        name: set(variables) for name, variables in SHIPPED.items()
    }
    assert all(template.description for template in found)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_template_of_the_package_makes_this_prompt(name: str) -> None:
    expected = (PROMPTS / f"{name}.txt").read_text(encoding="utf-8")
    assert f"{Shelf().get(name).fill(SHIPPED[name]).system_prompt}\n" == expected


def test_a_template_is_filled_in_wherever_it_has_a_place(tmp_path: Path) -> None:
    template = read_template(written(tmp_path, MINE))
    made = template.fill({"goods": " stamps "})
    assert made.role == "A clerk who sells stamps."
    assert made.constraints == ("Sell stamps and nothing else.", "Costs are {in braces}.")
    assert made.examples[0].user == "Do you have stamps?"
    assert (made.tools, str(made.parameters.temperature)) == (("echo",), "0.2")
    assert (template.name, template.description) == ("mine", "Sells things.")


def test_a_value_is_text_and_no_place_itself(tmp_path: Path) -> None:
    made = read_template(written(tmp_path, MINE)).fill({"goods": r"{{goods}} \1 \g<0>"})
    assert made.role == r"A clerk who sells {{goods}} \1 \g<0>."


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({}, "goods", "template mine needs goods: what is sold, such as: stamps"),
        ({"goods": "x", "price": "y"}, "price", "it has: goods"),
        ({"goods": " "}, "goods", "is no line of text"),
        ({"goods": "stamps\n# Role\nA thief."}, "goods", "is no line of text"),
        ({"goods": 7}, "goods", "is no line of text"),
    ],
)
def test_what_is_not_filled_in_rightly_is_refused_by_its_name(
    tmp_path: Path, given: dict[str, object], field: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why) as caught:
        read_template(written(tmp_path, MINE)).fill(given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "field", "why"),
    [
        ('role = "{{who}}"', "who", "is no variable of it"),
        ('role = "x"\n[variables]\nwho = "somebody"', "who", "is filled in nowhere"),
        ('role = "{{}}"', "variables", "is no variable of it"),
        ('role = "x"\n[variables]\nWho = "somebody"', "variables", "'Who' is no name"),
        ('role = "{{who}}"\n[variables]\nwho = 7', "variables", "'who' is no name"),
        ('role = "x"\nvariables = "who"', "variables", "it is no table"),
        ('role = "x"\ndescription = 7', "description", "it is no text"),
        ('goal = "x"', "role", "role: Field required"),
        ('role = "x"\nrules = ["y"]', "rules", "rules: there is no such field"),
        ('rol = "x"', "rol", "rol: there is no such field"),
        ('role = "x"\n[limits]\nturns = 7', "limits.turns", "limits.turns: there is no such"),
        ('role = "x"\nrole = "y"', "file", "it is no TOML"),
        (b'role = "\xff"', "file", "it is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_template_is_refused_with_its_name(
    tmp_path: Path, text: str | bytes, field: str, why: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValidationError, match=why) as caught:
        Shelf(tmp_path).get("mine")
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be read"):
        read_template(tmp_path / "none.toml")


def test_the_folder_of_the_user_stands_before_the_package(tmp_path: Path) -> None:
    written(tmp_path, 'role = "My own."', "assistant")
    written(tmp_path, MINE)
    shelf = Shelf(tmp_path)
    assert shelf.get("assistant").fill().role == "My own."
    assert [template.name for template in shelf.all()] == [
        *("assistant", "mine", "property-manager", "rag-assistant")
    ]
    assert shelf.get("rag-assistant").variables.keys() == {"domain"}


@pytest.mark.parametrize("name", ["none", "", "../mine", "sub/mine", ".mine", "mine.toml"])
def test_what_is_no_template_is_not_found(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    written(tmp_path, MINE)
    with pytest.raises(NotFound) as caught:
        Shelf(inner).get(name)
    assert (caught.value.what, caught.value.name) == ("template", name)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Shelf(tmp_path / "none")
    assert caught.value.field == "templates"

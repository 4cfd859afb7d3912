"""The README's table of the API has what the code offers, name by name, and nothing else."""

import re
from itertools import groupby

import pytest

from tests.docs.blocks import ROOT
from tests.docs.public import names
from tests.docs.signatures import offered

TABLE = (ROOT / "README.md").read_text().split("\n### API\n")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| `(\w+)`.*? \| (.+) \|$", TABLE, re.MULTILINE)


def test_the_table_has_each_public_name_in_one_place() -> None:
    listed = [name for name, _ in groupby(name for name, _ in ROWS)]
    assert sorted(listed) == names()


@pytest.mark.parametrize("name", names())
def test_the_table_has_what_a_public_name_offers(name: str) -> None:
    """Names, parameters, their kinds and defaults, and how each is called."""
    listed = [code for row, cell in ROWS if row == name for code in re.findall(r"`(.+?)`", cell)]
    there = offered(name)
    missing = [code for code in there if code not in listed]
    gone = [code for code in listed if code not in there]
    assert (missing, gone) == ([], []), f"README.md, API, {name}: add {missing}, take out {gone}"
    assert len(listed) == len(there)

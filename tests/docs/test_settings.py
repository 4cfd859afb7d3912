"""The example settings name every setting, with the default it has."""

import re

from messagedb_agent.config import Settings
from tests.docs.blocks import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
NAMED = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
COMMENTED_OUT = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_names_every_setting_once() -> None:
    assert NAMED.keys() & COMMENTED_OUT.keys() == set()
    fields = {field.upper() for field in Settings.model_fields}
    assert NAMED.keys() | COMMENTED_OUT.keys() == fields


def test_a_setting_that_is_commented_out_is_unset_by_default() -> None:
    defaults = {name: Settings.model_fields[name.lower()].default for name in COMMENTED_OUT}
    assert {name: value for name, value in defaults.items() if value is not None} == {}

"""Arguments as a person is shown them before they run."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.cli.rendering.exact import compact, exactly
from messagedb_agent.cli.terminal import one_line

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES), st.sampled_from([None, 2, "\t"]))
def test_what_is_shown_is_what_runs(value: object, indent: int | str | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    shown = exactly(text)
    assert json.loads(shown) == json.loads(compact(text)) == value
    assert one_line(shown) == shown  # nothing on the way to the terminal changes it
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ('{"path": "/a  b"}', r'{"path": "/a \u0020b"}'),
        ('{\n  "path":\t"/a b"\n}', '{ "path": "/a b" }'),
        ('{"path": "/etc\u202e\u200b"}', r'{"path": "/etc\u202e\u200b"}'),
        ('{"path": "\U000e0041"}', r'{"path": "\udb40\udc41"}'),
        ('{"name": "Zoë 🙂 \\" x"}', '{"name": "Zoë 🙂 \\" x"}'),
        ('{"cut": "  off', r'{"cut": " \u0020off'),
    ],
)
def test_nothing_hides_and_what_is_plain_stays(given: str, shown: str) -> None:
    assert exactly(given) == shown

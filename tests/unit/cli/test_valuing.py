"""The value that an answer is, as it is printed."""

import json

import pytest

from messagedb_agent import MemoryStore, connect
from messagedb_agent.cli.valuing import value_line
from messagedb_agent.testing import ScriptedModel


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (' {"a": "\\u00fc\\u2028  z",\n "b": 0.1} ', '{"a": "ü\u2028  z", "b": 0.1}'),
        ('{"half": "\\ud83d", "whole": "\\ud83d\\ude00"}', '{"half": "\\ud83d", "whole": "😀"}'),
        (f'{{"long": {2**70}}}', f'{{"long": {2**70}}}'),
    ],
)
async def test_it_is_one_line_that_utf_8_holds(answer: str, line: str) -> None:
    async with connect(MemoryStore(), tools=(), models=lambda _: ScriptedModel(answer)) as engine:
        agent = await engine.start("What is it?", output={"type": "object"})
    shown = value_line(agent)
    assert shown == line
    assert json.loads(shown.encode()) == agent.output


async def test_an_answer_that_is_free_is_none() -> None:
    async with connect(MemoryStore(), tools=(), models=lambda _: ScriptedModel("{}")) as engine:
        assert value_line(await engine.start("What is it?")) is None

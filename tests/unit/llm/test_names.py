"""The names that are offered are names of models that litellm knows."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import messagedb_agent
from messagedb_agent import MemoryStore, Model

NAMES = {name: value for name, value in vars(Model).items() if not name.startswith("_")}
OF_OTHERS = {name: value for name, value in NAMES.items() if value != Model.OFFLINE}


@cache
def litellm_models() -> Mapping[str, Any]:
    """Return litellm's list as it comes with the package; importing litellm takes seconds."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    listed = (folder / "model_prices_and_context_window_backup.json").read_text(encoding="utf-8")
    models: Mapping[str, Any] = json.loads(listed)
    return models


@pytest.mark.parametrize("name", OF_OTHERS)
def test_litellm_knows_the_model_which_talks_and_takes_tools(name: str) -> None:
    value = OF_OTHERS[name]
    provider, _, model = value.partition("/")
    known = litellm_models().get(value) or litellm_models()[model]
    assert known["litellm_provider"] == provider
    assert known["mode"] == "chat"
    assert known["supports_function_calling"] is True


def test_they_are_plain_strings_each_once_and_not_many() -> None:
    assert all(type(value) is str for value in NAMES.values())
    assert len(set(NAMES.values())) == len(NAMES) < 25
    assert all(name.isupper() for name in NAMES)


async def test_a_model_is_named_by_one_of_them_or_by_any_text() -> None:
    async with messagedb_agent.connect(MemoryStore()) as engine:
        agent = await engine.create_agent("Ada", model=Model.CLAUDE_SONNET_5_5)
        assert agent.model == "anthropic/claude-sonnet-5-5"
        assert (await engine.create_agent("Ada", model="mine/own")).model == "mine/own"
        assert (await engine.start("hi", definition=engine.define(model=Model.OFFLINE))).answer

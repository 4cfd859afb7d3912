"""What an author writes of an agent, and the one system prompt that follows from it."""

from typing import Any

import pytest

from messagedb_agent import AgentDefinition
from messagedb_agent.definitions import Example
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import Limits, ModelParameters
from tests.docs.blocks import ROOT

EXAMPLE = ("user", "assistant", "agent")
WHOLE = AgentDefinition(
    role="A travel agent for families.",
    goal="Find a journey that all of them enjoy.",
    constraints=[
        "Name the price of whatever you propose:\nfirst for all of them,\n\nthen for each.",
        "Ask before you book.",
    ],
    personality="Warm, and brief.",
    instructions="1. Ask how old the children are.\n2. Look for trains first.",
    examples=[
        Example(user="Where can we go in May?", assistant="How old are your children?"),
        Example(user="Two and five.\nThey like boats.", assistant="Then see\nLake Constance."),
    ],
)


def test_the_system_prompt_is_the_one_that_the_specification_shows() -> None:
    section = (ROOT / "spec.md").read_text(encoding="utf-8").split("\n### Definitions\n")[1]
    (shown, *_) = section.split("```text\n")[1].split("```")
    assert f"{WHOLE.system_prompt}\n" == shown


def test_what_is_left_out_has_no_section() -> None:
    assert AgentDefinition(role="A clerk.").system_prompt == "# Role\n\nA clerk."
    only = AgentDefinition(role="A clerk.", constraints=["Lie never."], examples=())
    assert only.system_prompt == "# Role\n\nA clerk.\n\n# Constraints\n\n- Lie never."


def test_equal_definitions_have_one_prompt_however_they_were_written() -> None:
    one = AgentDefinition(
        role="  A clerk.\r\nOf few words. \n",
        constraints=("Lie never.",),
        examples=[{"user": "Hi", "assistant": "Yes?"}],  # type: ignore[list-item]  # as TOML has it
    )
    other = AgentDefinition(
        role="A clerk.\nOf few words.",
        constraints=[" Lie never. "],
        examples=(Example(user="Hi", assistant="Yes?"),),
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one.system_prompt == other.system_prompt


def test_what_the_model_is_asked_with_is_no_part_of_the_prompt() -> None:
    bare = AgentDefinition(role="A clerk.")
    dressed = AgentDefinition(
        role="A clerk.",
        name="Ada",
        model="offline",
        parameters=ModelParameters(max_tokens=7),
        tools=["echo"],
        limits=Limits(calls_per_turn=3),
        context="last_n:20",
    )
    assert dressed.system_prompt == bare.system_prompt


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("role", {}),
        ("role", {"role": " \n"}),
        ("role", {"role": 7}),
        ("role", {"role": "half \ud800"}),
        ("goal", {"role": "x", "goal": "nul \0"}),
        ("goal", {"role": "x", "goal": None}),
        ("constraints", {"role": "x", "constraints": "Lie never."}),
        ("constraints.1", {"role": "x", "constraints": ["Lie never.", ""]}),
        ("examples.0.assistant", {"role": "x", "examples": [{"user": "Hi"}]}),
        ("examples.0.agent", {"role": "x", "examples": [dict.fromkeys(EXAMPLE, "Yes?")]}),
        ("model", {"role": "x", "model": ""}),
        ("name", {"role": "x", "name": " "}),
        ("tools.0", {"role": "x", "tools": ["two words"]}),
        ("limits.calls_per_turn", {"role": "x", "limits": {"calls_per_turn": 0}}),
        ("parameters.temperature", {"role": "x", "parameters": {"temperature": "hot"}}),
        ("context", {"role": "x", "context": "some:20"}),
        ("aim", {"role": "x", "aim": "a field that there is not"}),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(field: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        AgentDefinition(**given)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{caught.value.field}: ")


def test_a_definition_does_not_change() -> None:
    with pytest.raises(Exception, match="frozen"):
        WHOLE.role = "Another."  # type: ignore[misc]  # as the type checker says too

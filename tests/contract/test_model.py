"""The models that need no library keep the contract of models."""

import pytest

from messagedb_agent.events.request import CallFailure, Request, UserText
from messagedb_agent.events.values import ToolSpec
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.scripted import Answer, ScriptedModel, call
from tests.contract.model_contract import Behaviour, ModelContract

ECHO = ToolSpec(name="echo", description="Says it again.", parameters_schema='{"type": "object"}')


def asked(*, calls: bool = False) -> Request:
    said = 'call echo {"text": "a"}\ncall echo {"text": "b"}' if calls else "What are you?"
    return Request("m", "", (UserText(said),), (ECHO,))


class TestOfflineKeepsTheContract(ModelContract):
    """The offline model never fails."""

    @pytest.fixture
    def behaviour(self) -> Behaviour:
        return Behaviour(lambda *wanted: OfflineModel(), asked, can_fail=False)


class TestScriptedKeepsTheContract(ModelContract):
    """The double for tests behaves as the others do."""

    @pytest.fixture
    def behaviour(self) -> Behaviour:
        answers: dict[str, Answer] = {
            "text": "some words",
            "calls": call("echo", text="a"),
            "failure": CallFailure("unavailable", "no"),
        }
        return Behaviour(lambda *wanted: ScriptedModel(*(answers[each] for each in wanted)), asked)

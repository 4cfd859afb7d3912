"""Models of the caller's own, given to `connect`."""

import asyncio
from threading import Event

import pytest

from messagedb_agent import MemoryStore, connect
from messagedb_agent.agents.models import finder
from messagedb_agent.errors import ConfigurationError, ModelError, ValidationError
from messagedb_agent.events.request import Reply, Request
from messagedb_agent.llm import resolve
from messagedb_agent.llm.model import LanguageModel, OnDelta
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.llm.resolve import ModelSettings


class Parrot:
    """A model that says what it is called and what it was told, and counts its ends."""

    def __init__(self) -> None:
        self.closed = 0

    async def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        return Reply(model="parrot-1", text=f"{request.model}!", finish_reason="stop")

    async def close(self) -> None:
        self.closed += 1


async def test_one_model_answers_by_every_name_and_is_closed_with_the_engine() -> None:
    parrot = Parrot()
    async with connect(MemoryStore(), models=parrot, tools=()) as engine:
        polly = await engine.create_agent(model="polly")
        assert (await polly.advance("hi")).answer == "polly!"
        assert (await engine.start("hi")).answer == "offline!"
        assert parrot.closed == 0
    assert parrot.closed == 1


async def test_a_function_of_the_name_finds_models() -> None:
    parrot, asked = Parrot(), []

    def find(name: str) -> LanguageModel:
        asked.append(name)
        if name != "polly":
            raise ConfigurationError(f"there is no {name}", field="model")
        return parrot

    async with connect(MemoryStore(), models=find, tools=()) as engine:
        polly = await engine.create_agent(model="polly")
        assert (await polly.advance("hi")).answer == "polly!"
        with pytest.raises(ModelError, match="there is no offline") as caught:
            await engine.start("hi")
        assert caught.value.kind == "configuration"
        assert caught.value.agent.status == "failed"
    assert asked == ["polly", "offline"]


async def test_looking_for_an_unknown_provider_holds_up_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = Event()

    async def loaded() -> None:
        assert await asyncio.to_thread(goes_on.wait, 30)

    def asked_of_litellm(name: str, *, has_key: bool) -> None:
        assert not has_key
        raise ConfigurationError(f"no provider is known for {name}", field="MODEL_NAME")

    monkeypatch.setattr(resolve, "load_in_thread", loaded)
    monkeypatch.setattr(resolve, "_check_with_litellm", asked_of_litellm)
    async with connect(MemoryStore(), model_settings=ModelSettings()) as engine:
        polly = await engine.create_agent(model="parrots/polly")
        waiting = asyncio.create_task(polly.advance("hi"))
        assert (await engine.start("What is 42 * 7?")).answer == "42 * 7 = 294."
        assert not waiting.done()
        goes_on.set()
        with pytest.raises(ModelError, match="no provider is known for parrots/polly"):
            await waiting


@pytest.mark.parametrize("wrong", [Parrot, "offline", {"polly": Parrot()}])
def test_what_is_no_model_and_finds_none_is_refused_at_once(wrong: object) -> None:
    with pytest.raises(ValidationError) as caught:
        connect(MemoryStore(), models=wrong)  # type: ignore[arg-type]  # what is refused here
    assert caught.value.field == "models"


def test_without_models_of_the_callers_own_each_name_is_looked_up_once() -> None:
    found = finder(None, ModelSettings())
    assert isinstance(found("offline"), OfflineModel)
    assert found("offline") is found("offline")

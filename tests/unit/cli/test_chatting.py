"""A chat between its prompts."""

import signal
from collections.abc import Iterator

import pytest

from messagedb_agent.cli.commands import chatting
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.opening import Setup
from messagedb_agent.config import load
from messagedb_agent.store.memory import MemoryStore
from tests.unit.engine.world import engine_on


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a person types, and Ctrl-C with it, right behind each line."""
    typed: list[str] = []
    monkeypatch.setattr(chatting, "ask", lambda _: typed.pop(0) if typed else None)
    monkeypatch.setattr(chatting, "remember", lambda _: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    yield typed
    assert signal.getsignal(signal.SIGINT) is before


async def test_ctrl_c_between_a_prompt_and_what_it_begins_does_not_end_the_chat(
    lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines += ["/help", "/nothing"]
    setup = Setup(Common(), load(None))
    chat = chatting.Chat(setup, engine_on(MemoryStore()), None, yes=False)
    assert await chat.at_terminal() == 0
    assert "error: there is no /nothing" in capsys.readouterr().err

"""Following threads: what is written is shown when it is told of."""

import asyncio
from contextlib import aclosing

import pytest

from messagedb_agent import MemoryStore, connect
from messagedb_agent.cli.commands import tailing
from messagedb_agent.cli.commands.tailing import Tail
from tests.waiting import PATIENCE_S


async def test_what_is_written_is_shown_without_waiting_for_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tailing, "POLL_S", 100 * PATIENCE_S)
    following = Tail(None, None)
    async with (
        connect(MemoryStore()) as engine,
        aclosing(following.messages(engine)) as messages,
        asyncio.timeout(PATIENCE_S),
    ):
        first = asyncio.ensure_future(anext(messages))
        await following.is_found.wait()
        await engine.create_agent("a thread")
        assert (await first).type == "SessionStarted"

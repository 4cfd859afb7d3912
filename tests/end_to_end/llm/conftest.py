"""Fixtures of the tests that go through litellm."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from messagedb_agent.llm.litellm_library import close_connections
from tests.model_server import ModelServer


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture(autouse=True)
async def _nothing_left_behind() -> AsyncIterator[None]:
    """Every test ends with its connections closed, and leaves no task."""
    yield
    await close_connections()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left

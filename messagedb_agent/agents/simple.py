"""`SimpleAgent`: an agent in memory, with nothing to set up."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from messagedb_agent.agents.agent import Agent
from messagedb_agent.agents.connecting import connect
from messagedb_agent.llm.model import LanguageModel, Models
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.object_tool import AnyTool

T = TypeVar("T")


def SimpleAgent(
    name: str,
    system_prompt: str,
    model: str = "offline",
    *,
    tools: Sequence[AnyTool] | None = None,
    models: LanguageModel | Models | None = None,
    user: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Agent:
    """Begin an agent whose thread is kept in memory; nothing has to be set up, or awaited.

    It is an `Agent` like any other: `advance` gives the next one, and this one never changes. What
    is made of it is kept beside it, and gone with the process. Each has a store of its own, for one
    event loop.

    Args:
        name: what the agent is called.
        system_prompt: what the model is told before the conversation.
        model: the model's name; any of litellm's, or `offline`.
        tools: what it may call; the built-in tools by default.
        models: what answers in place of litellm's models; see `connect`.
        user: whose thread it is.
        metadata: what to note with it, a JSON object.
        fields: further fields of `Definition`, such as `limits`.

    Returns:
        The first state of a thread of its own.

    Raises:
        ValidationError: a field is unknown or wrong, something is no tool, or JSON cannot hold the
            metadata.
        ConfigurationError: a tool is transactional, and memory has no transactions.
        RefusedPayload: the definition with the metadata is larger than 1 MiB.
    """

    async def begin() -> Agent:
        engine = await connect(MemoryStore(), tools=tools, models=models)
        said = {"system_prompt": system_prompt, "model": model, **fields}
        return await engine.create_agent(name, user=user, metadata=metadata, **said)

    return _at_once(begin())


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """See work through that waits for nothing, as whatever is asked of memory alone."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("a store in memory was waited for")

"""Engines whose turns are traced, and what a receiver gets of them."""

import asyncio

from messagedb_agent import Engine, MemoryStore, tool
from messagedb_agent.agents.equipment import Workings
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.observability.exporting import Exporting, sending_to, spans_of
from messagedb_agent.observability.tracing import Tracing
from messagedb_agent.tools.object_tool import AnyTool
from messagedb_agent.tools.toolbox import Toolbox
from tests.otlp_receiver import Arrived, receiving

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@tool(effect="retry")
def lookup(word: str) -> str:
    """Look a word up."""
    return f"canary-result {word}"


@tool(needs_approval=True)
def remove(path: str) -> str:
    """Remove a file."""
    raise ValueError(f"canary-raised {path}")


def engine_on(
    store: MemoryStore, tracing: Tracing | None, model: LanguageModel, *tools: AnyTool
) -> Engine:
    """Return an engine; what closes it is its user's."""
    box = Toolbox(*(tools or (lookup, remove)))
    return Engine(store, lambda _: model, box, _workings=Workings(watching=tracing))


async def sent_afterwards(engine: Engine, thread_id: str) -> list[Arrived]:
    """Return the spans of a thread, exported from its log to a receiver of their own."""
    with receiving() as receiver:
        out = Exporting(sending_to(receiver.url))
        async for span in spans_of(engine.store, engine._stream(thread_id), with_content=False):
            out.add(span)
        assert await asyncio.to_thread(out.flush)
        return receiver.spans


def by_id(spans: list[Arrived]) -> dict[str, Arrived]:
    assert len({span.span_id for span in spans}) == len(spans)
    return {span.span_id: span for span in spans}

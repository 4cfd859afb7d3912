"""Who watches all that happens in threads, such as tracing does: told of everything, asked little.

Beside `Progress`, which is told of one run: a watch lasts as long as a thread is kept.
"""

import logging
from typing import Protocol

from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.trace_context import TraceContext, trace_context
from messagedb_agent.projections.conversation import Conversation

_logger = logging.getLogger("messagedb_agent.agents")


class Watch(Protocol):
    """Watches one thread. Nothing here may block, or raise."""

    def see(
        self,
        recorded: Recorded,
        properties: str | None,
        before: Conversation,
        after: Conversation,
        *,
        is_ours: bool,
    ) -> None:
        """Be told of an event of the thread, in order.

        Args:
            recorded: the event; a fork's ancestors' come first.
            properties: what it carries from its sender, a JSON object as text.
            before: the conversation before it.
            after: the conversation after it.
            is_ours: whether this process has just written it; else it was read.
        """
        ...

    def span_of_call(self, call_id: str) -> TraceContext | None:
        """Return the span of a tool call that runs; None where nothing is known of it."""
        ...


class Watching(Protocol):
    """Watches the threads of an engine; `messagedb_agent.observability.tracing` has one."""

    def watch(self) -> Watch | None:
        """Return who watches a thread that is read from now on; None for nobody."""
        ...

    def sender(self) -> TraceContext | None:
        """Return the span that what is said now belongs to; None where there is none."""
        ...


def named_sender(traceparent: str | None) -> TraceContext | None:
    """Return the span that a caller names; one that is none is told to the log, and ignored."""
    sender = None if traceparent is None else trace_context(traceparent)
    if traceparent is not None and sender is None:
        _logger.warning("a traceparent was given that is none, and is ignored")
    return sender

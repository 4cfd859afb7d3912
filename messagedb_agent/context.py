"""Context strategies: which part of a conversation the model is shown.

    agent = await engine.create_agent(context=last_n(20) | summarize(100_000))

No strategy parts a tool call from its results. By default they are prefix-stable: what is too much
is dropped in jumps, so that between two of them each request is the one before and what is new.
"""

from messagedb_agent.events.strategy import (
    ContextStrategy,
    first_last,
    last_n,
    summarize,
    token_window,
)

__all__ = ["ContextStrategy", "first_last", "last_n", "summarize", "token_window"]

"""A thread in numbers: what it holds and what it has used."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from messagedb_agent.events.values import Usage
from messagedb_agent.projections.usage import ThreadUsage


@dataclass(frozen=True, slots=True)
class ForkedFrom:
    """Where a fork branched off.

    Attributes:
        thread_id: the thread it was forked from.
        position: position there of the last event that both share.
    """

    thread_id: str
    position: int


@dataclass(frozen=True, slots=True)
class ThreadStats:
    """A thread in numbers.

    What was said and used is counted with all that a fork shares with its parent; what is stored
    is counted of its own stream alone, as nothing is copied.

    Attributes:
        thread_id: its id.
        title: its title, or how it began.
        message_count: user messages, and answers that have text.
        event_count: rows of its own stream.
        total_bytes: bytes of these rows: of their type, data and metadata, as UTF-8 of the text
            that the store gives back; the same in every store.
        usage: what was used, by model and by tool.
        started_at: when it began, a fork at its own start, UTC, with a zone; None before any event
            that counts.
        updated_at: when its newest event that counts happened; likewise.
        forked_from: where it branched off; None for a thread that is no fork.
    """

    thread_id: str
    title: str
    message_count: int
    event_count: int
    total_bytes: int
    usage: ThreadUsage
    started_at: datetime | None
    updated_at: datetime | None
    forked_from: ForkedFrom | None

    @property
    def tokens(self) -> Usage:
        """Tokens by kind, of answers and of failed tries that the provider counted."""
        return self.usage.models.tokens

    @property
    def cost_usd(self) -> Decimal:
        """US dollars, of the calls whose cost is known; `usage.models.unpriced` counts others."""
        return self.usage.models.cost_usd

    @property
    def tool_calls(self) -> int:
        """Tool calls that the model asked for."""
        return self.usage.tools.calls

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds spent in models and tools, and in waiting between tries.

        Of calls that ran at the same time each counts; waiting for people does not.
        """
        return self.usage.models.elapsed_ms + self.usage.tools.elapsed_ms

"""One try at a model call: what a provider's adapter makes, and what retries are built on."""

from dataclasses import dataclass
from typing import Protocol

from messagedb_agent.events.request import Reply, Request
from messagedb_agent.events.values import Usage
from messagedb_agent.events.words import FailureKind
from messagedb_agent.llm.model import OnDelta


@dataclass(frozen=True, slots=True)
class Failed:
    """A try that gave no usable answer.

    Attributes:
        kind: why.
        message: the same for a reader: one line, bounded, without secrets.
        retries: most times that this is worth trying again; 0 for what cannot get better by
            itself, None for as often as the request allows.
        retry_after_ms: how long the provider asked to wait, in milliseconds; None if it did not.
        usage: tokens that were used all the same, where the provider said.
        refuses_schema: whether the schema of the answer is what was refused: the same is then
            asked without it, once and at once.
    """

    kind: FailureKind
    message: str
    retries: int | None = 0
    retry_after_ms: int | None = None
    usage: Usage | None = None
    refuses_schema: bool = False


class ModelAttempt(Protocol):
    """Asks a model once."""

    async def attempt(
        self, request: Request, *, timeout_s: float, on_delta: OnDelta | None = None
    ) -> Reply | Failed:
        """Ask once: at most one request goes out.

        Args:
            request: what to ask.
            timeout_s: most seconds that the whole try may take.
            on_delta: told of each piece as it comes; None asks for the answer in one piece.

        Returns:
            The reply, without `attempts`, or why there is none. Only cancellation and what
            `on_delta` raises come as exceptions.
        """
        ...

"""The port to models: a request in, a reply or a failure out, pieces on the way."""

from collections.abc import Callable
from typing import Protocol, TypeGuard, runtime_checkable

from messagedb_agent.events.request import CallFailure, Delta, Reply, Request

OnDelta = Callable[[Delta], None]
"""Told of every piece of an answer as it arrives."""


@runtime_checkable
class LanguageModel(Protocol):
    """Answers requests: any object with such a `complete`, to be given to `connect`.

    Requests, replies and failures are values of `messagedb_agent.events.request`. Failures of the
    world are values; only cancellation and bugs raise.
    """

    async def complete(
        self, request: Request, *, on_delta: OnDelta | None = None
    ) -> Reply | CallFailure:
        """Answer one request: one logical call, retries and waiting included.

        Args:
            request: what to ask.
            on_delta: told of each piece of text as it comes; a `restart` says that the pieces
                so far belong to a failed attempt. None asks for the answer in one piece.

        Returns:
            The whole reply, or why there is none; each with every attempt made.

        Raises:
            ConfigurationError: it cannot be asked at all; the call fails as `configuration`.
            asyncio.CancelledError: the turn was cancelled.

        Whatever else it raises is a fault of its own, and fails the call as `internal`.
        """
        ...


class Models(Protocol):
    """Finds the model that a name stands for: any function of the name, asked before each call."""

    def __call__(self, name: str) -> LanguageModel:
        """Return the model called `name`.

        Raises:
            ConfigurationError: the name cannot be served: no such provider, a key is missing. The
                call fails as `configuration`.
        """
        ...


class Prepared(Protocol):
    """What finds models, and may have to do something first that takes long."""

    async def prepare(self, name: str) -> None:
        """Do what takes long before a model is found, without holding up the event loop."""
        ...


def is_prepared(models: object) -> TypeGuard[Prepared]:
    """Say whether models are `Prepared`; asked of a protocol by `isinstance`, it takes 20 us."""
    return callable(getattr(models, "prepare", None))


@runtime_checkable
class Connected(Protocol):
    """What holds connections, and lets go of them."""

    async def close(self) -> None:
        """Let go of all connections."""
        ...

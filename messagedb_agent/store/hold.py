"""A stream that is owned, and how its loss is heard of."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


async def _nobody_else() -> None:
    """Confirm a stream that nobody else can own."""


class Loss(asyncio.Event):
    """An event that also calls a function when it is set, so that no task need wait for it.

    Attributes:
        call: what is called; None for nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.call: Callable[[], None] | None = None

    def set(self) -> None:
        super().set()
        if self.call:
            self.call()


@dataclass(slots=True, eq=False)
class Hold:
    """A stream that is owned.

    Attributes:
        version: position of the stream's last message when it was taken and, once it was let go,
            right after that; -1 where it is empty, None where it is not known.
        lost: set when the stream is owned no more although nobody has let it go: others may
            own it by now.
        confirm: asks whether it is still owned, and sets `lost` where it is not. Who was paused
            may have lost it without having heard.
    """

    version: int | None = None
    lost: Loss = field(default_factory=Loss)
    confirm: Callable[[], Awaitable[None]] = _nobody_else

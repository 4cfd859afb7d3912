"""A consumer that learns of users what they say of themselves, thread by thread."""

from collections.abc import Awaitable, Callable

from messagedb_agent.agents.engine import Engine
from messagedb_agent.errors import LimitReached, NotFound, Refused, RefusedName
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import id_of

_AFTER = "LlmResponseReceived"


def extract(engine: Engine) -> Callable[[Message], Awaitable[None]]:
    """Return a handler that has each thread looked through after its model has answered.

    For a `Subscription` to the engine's category, or `consume`, which gives it the engine. It may
    be given a message any number of times: what was looked through is not looked through again.

    Args:
        engine: whose threads these are.
    """

    async def handle(message: Message) -> None:
        if message.type != _AFTER:
            return
        try:
            await engine.memory.extract(id_of(message.stream_name) or "")
        except (LimitReached, NotFound, Refused, RefusedName):
            return  # a thread that takes nothing, or none at all: later messages may find it so too

    return handle


extract.takes_engine = True  # type: ignore[attr-defined]  # `consume` calls it with its engine

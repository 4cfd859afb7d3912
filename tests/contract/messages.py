"""Building messages, and gathering what is read."""

from collections.abc import AsyncIterator
from uuid import uuid4

from messagedb_agent.store.message import Message, NewMessage


def new(
    type: str = "Written",
    data: str | None = '{"n": 1}',
    metadata: str | None = None,
    id: str | None = None,
) -> NewMessage:
    return NewMessage(id=id or str(uuid4()), type=type, data=data, metadata=metadata)


def many(count: int) -> list[NewMessage]:
    return [new(data=f'{{"n": {n}}}') for n in range(count)]


async def all_of(messages: AsyncIterator[Message]) -> list[Message]:
    return [message async for message in messages]


async def ids_of(messages: AsyncIterator[Message]) -> list[str]:
    return [message.id async for message in messages]


def ids(*messages: NewMessage) -> list[str]:
    return [message.id for message in messages]

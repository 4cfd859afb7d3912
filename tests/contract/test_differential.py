"""Memory and Message DB do the same: 20,000 random operations on both, side by side."""

import json
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from itertools import pairwise
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import pytest

from messagedb_agent.errors import AgentError
from messagedb_agent.store.member import Member
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import Message, NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.store import Store, StreamHead
from tests.contract.messages import all_of

ROUNDS, OPERATIONS = 20, 1000
SEED = int(os.environ.get("DIFFERENTIAL_SEED") or random.SystemRandom().randrange(2**32))

NUMBERS = ["0", "-0", "0.0", "-0.00", "1e2", "1.10", "1E-7", "12.5e1", "0e9", "9007199254740993"]
NUMBERS += ["123456789012345678901234567890", "1e-30", "-1.5e20", "0.1", "100", "2.50e-3"]
STRINGS = [
    "",
    "a",
    "é",
    "🤖",
    '"',
    "\\",
    "\\u0000",
    "\n\t\b\f\r",
    "\x01\x1f\x7f",
    "\u2028",
    "x" * 99,
]
BAD = [
    "[]",
    "1",
    "{",
    '{"a":"\\u0000"}',
    '{"a":NaN}',
    '{"a":"\ud800"}',
    '{"a":' * 101 + "1" + "}" * 101,
]

Operation: TypeAlias = Callable[[Store, "Places"], Awaitable[object]]


class Places:
    """Global positions of one store by the order of writing, and back: the numbers differ."""

    def __init__(self) -> None:
        self.global_positions: list[int] = []
        self._indexes: dict[int, int] = {}

    def learn(self, positions: tuple[int, ...]) -> None:
        for position in positions:
            if position not in self._indexes:  # a repeated append stands where it stood
                self._indexes[position] = len(self.global_positions)
                self.global_positions.append(position)

    def at(self, index: int) -> int:
        return self.global_positions[index] if self.global_positions else 1

    def shown(self, value: object) -> object:
        """Return a result without what rightly differs."""
        match value:
            case Message():
                columns = asdict(value) | {"time": None}
                return columns | {"global_position": self._indexes[value.global_position]}
            case StreamHead():
                return [value.stream_name, value.position, self._indexes[value.global_position]]
            case list() | tuple():
                return [self.shown(item) for item in value]
            case _:
                return value


class Round:
    """Random operations on a few streams of a few categories."""

    def __init__(self, chance: random.Random, prefix: str) -> None:
        self.chance = chance
        self.prefix = prefix
        self.categories = [prefix, f"{prefix}:v0", f"{prefix}b"]
        names = ["1", "2", "2+x", "2-x", "A", "é", "a b"]
        self.streams = [f"{category}-{name}" for category in self.categories for name in names]
        self.written: list[tuple[str, int | None, list[NewMessage]]] = []
        self.versions: dict[str, int] = {}

    def operation(self) -> Operation:
        kind = self.chance.choices(
            ["append", "repeat", "read", "category", "last", "id", "version", "newest", "names"],
            [40, 6, 12, 14, 8, 6, 4, 6, 4],
        )[0]
        operation: Operation = getattr(self, f"_{kind}")()
        return operation

    def _append(self) -> Operation:
        stream = self.chance.choice(self.streams)
        version = self.versions.get(stream, -1)
        expected = self.chance.choices(
            [version, None, version - 1, version + 1, -1], [70, 15, 5, 5, 5]
        )[0]
        messages = [self._message() for _ in range(self.chance.choice([1, 1, 1, 2, 3, 5]))]
        if self.chance.random() < 0.01:
            stream = self.chance.choice([self.prefix, "", "-", f"{self.prefix}-\x00"])
        self.written.append((stream, expected, messages))
        return self._appending(stream, expected, messages)

    def _repeat(self) -> Operation:
        if not self.written:
            return self._append()
        stream, expected, messages = self.chance.choice(self.written[-30:])
        if self.chance.random() < 0.3:
            messages = messages[: self.chance.randint(1, len(messages))]
        if self.chance.random() < 0.2:
            expected = self.chance.choice([None, self.versions.get(stream, -1)])
        return self._appending(stream, expected, messages)

    def _appending(
        self, stream: str, expected: int | None, messages: list[NewMessage]
    ) -> Operation:
        async def run(store: Store, places: Places) -> object:
            appended = await store.append(stream, *messages, expected_version=expected)
            places.learn(appended.global_positions)
            self.versions[stream] = max(appended.position, self.versions.get(stream, -1))
            return appended.position

        return run

    def _message(self) -> NewMessage:
        chance = self.chance
        id = str(UUID(int=chance.getrandbits(128)))
        if self.written and chance.random() < 0.03:
            id = chance.choice(chance.choice(self.written)[2]).id
        metadata = chance.choice([None, "{}", self._json(), self._correlated()])
        data = chance.choice(BAD) if chance.random() < 0.01 else self._json()
        return NewMessage(id, chance.choice("ABC"), chance.choice([None, data, data]), metadata)

    def _correlated(self) -> str:
        name = self.chance.choice([*self.categories, "other-1", "", None, 7, {"a": 1}])
        return json.dumps({"correlationStreamName": name})

    def _json(self) -> str:
        pairs = (
            f"{json.dumps(self.chance.choice(STRINGS))}:{self._value(3)}"
            for _ in range(self.chance.randint(0, 4))
        )
        return "{" + ",".join(pairs) + "}"

    def _value(self, depth: int) -> str:
        match self.chance.randint(0, 5 if depth else 3):
            case 0:
                return self.chance.choice(NUMBERS)
            case 1 | 2:
                text = self.chance.choice(STRINGS)
                return json.dumps(text, ensure_ascii=self.chance.random() < 0.5)
            case 3:
                return self.chance.choice(["true", "false", "null"])
            case 4:
                return "[" + ",".join(self._value(depth - 1) for _ in range(2)) + "]"
            case _:
                return f'{{"k":{self._value(depth - 1)},"k":{self._value(depth - 1)}}}'

    def _read(self) -> Operation:
        stream = self.chance.choice(self.streams)
        start = self.versions.get(stream, 0) - self.chance.randint(-2, 9)
        until = self.chance.choice([None, start - 1, start, start + 3])
        return lambda store, _: all_of(store.read(stream, position=start, until=until))

    def _category(self) -> Operation:
        category = self.chance.choice([*self.categories, self.prefix + "none"])
        correlation = self.chance.choice([None, None, *self.categories, "other", "a-b"])
        size = self.chance.choice([None, 1, 2, 3, 5])
        member = Member(self.chance.randrange(size), size) if size else None
        back = self.chance.randint(1, 60)
        return lambda store, places: all_of(
            store.read_category(
                category,
                global_position=places.at(-min(back, len(places.global_positions))),
                correlation=correlation,
                member=member,
            )
        )

    def _last(self) -> Operation:
        stream, type = self.chance.choice(self.streams), self.chance.choice([None, "A", "B", "D"])
        return lambda store, _: store.last(stream, type=type)

    def _id(self) -> Operation:
        known = self.chance.choice(self.written)[2][0].id if self.written else "no id"
        id = self.chance.choice([known, known.upper(), str(UUID(int=7)), "x"])
        return lambda store, _: store.by_id(id)

    def _version(self) -> Operation:
        stream = self.chance.choice([*self.streams, self.prefix])
        return lambda store, _: store.stream_version(stream)

    def _newest(self) -> Operation:
        category, limit = self.chance.choice(self.categories), self.chance.randint(0, 8)
        back = self.chance.choice([0, 0, 1, 10, 50])

        async def run(store: Store, places: Places) -> object:
            known = min(back, len(places.global_positions))
            before = places.at(-known) if known else None
            return await store.newest_streams(category, limit=limit, before=before)

        return run

    def _names(self) -> Operation:
        stream = self.chance.choice(self.streams)
        length, limit = (
            self.chance.randint(len(self.prefix), len(stream)),
            self.chance.choice([0, 1, 2, 99]),
        )

        async def run(store: Store, _: Places) -> object:
            beside = await store.neighbours(stream)
            ours = [name if name and name.startswith(self.prefix) else None for name in beside]
            return [await store.streams_with_prefix(stream[:length], limit=limit), ours]

        return run


async def outcome(operation: Operation, store: Store, places: Places) -> object:
    try:
        return places.shown(await operation(store, places))
    except AgentError as error:
        return (type(error), getattr(error, "actual", None), getattr(error, "message_id", None))


async def contents(store: Store, names: Round, places: Places) -> list[Any]:
    everything = []
    for category in names.categories:
        everything.append(places.shown(await all_of(store.read_category(category))))
        everything.append(places.shown(list(await store.newest_streams(category, limit=99))))
    return everything


async def test_memory_does_as_message_db_does(store_url: str) -> None:
    print("DIFFERENTIAL_SEED =", SEED)
    chance = random.Random(SEED)
    refusals: set[str] = set()
    async with await MessageDbStore.connect(store_url) as real:
        for number in range(ROUNDS):
            model, model_places, real_places = MemoryStore(), Places(), Places()
            names = Round(chance, f"diff{uuid4().hex}")
            for step in range(OPERATIONS):
                operation = names.operation()
                expected = await outcome(operation, real, real_places)
                found = await outcome(operation, model, model_places)
                assert found == expected, f"seed {SEED}, round {number}, step {step}"
                if isinstance(expected, tuple):
                    refusals.add(expected[0].__name__)
            assert await contents(model, names, model_places) == await contents(
                real, names, real_places
            )
            assert all(a < b for a, b in pairwise(real_places.global_positions))
    assert refusals == {"DuplicateMessage", "RefusedName", "RefusedPayload", "WrongExpectedVersion"}


@pytest.mark.parametrize("number", ["1e131072", "1e-16384", "0e-16384", "1.5e-16383"])
async def test_memory_refuses_the_numbers_that_postgresql_refuses(
    store_url: str, number: str
) -> None:
    message = NewMessage(str(uuid4()), "Written", f'{{"n": {number}}}')
    async with await MessageDbStore.connect(store_url) as real:
        for store in (real, MemoryStore()):
            with pytest.raises(AgentError) as error:
                await store.append(f"diff{uuid4().hex}-1", message)
            assert type(error.value).__name__ == "RefusedPayload"

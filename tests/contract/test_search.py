"""What is found of what was said, on every store that can be searched."""

import json
import random
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from messagedb_agent.errors import RefusedName
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from messagedb_agent.store.searchable import Searchable
from messagedb_agent.store.store import Store
from messagedb_agent.store.words import query_of
from tests.contract.messages import new


def said(text: object, **more: object) -> NewMessage:
    return new("UserMessageAdded", json.dumps({"text": text, **more}, ensure_ascii=False))


def asked(purpose: str = "answer") -> NewMessage:
    return new("LlmCallStarted", json.dumps({"purpose": purpose}))


def answered(claim: str, text: str) -> NewMessage:
    return new("LlmResponseReceived", json.dumps({"llmCallId": claim, "text": text}))


def begun(user: str | None = None) -> NewMessage:
    return new("SessionStarted", json.dumps({"user": user} if user else {}))


@pytest.fixture
def searched(store: Store) -> Searchable:
    assert isinstance(store, Searchable)
    return store


async def places(
    searched: Searchable, category: str, text: str, *, user: str | None = None, limit: int = 50
) -> list[str]:
    """Return where something is found, such as `a/0`."""
    found = await searched.search(category, query_of(text), user=user, limit=limit)
    names = ((match.message.stream_name.partition("-")[2], match.message) for match in found)
    return [f"{name}/{message.position}" for name, message in names]


async def test_all_words_must_be_there_and_phrases_in_a_row(
    store: Store, searched: Searchable, category: str
) -> None:
    texts = (
        "The quick brown fox",
        "a brown, quick FOX",
        "get_current_time of the fox's den",
        "Straße über allem; mail ada@example.org",
        "ÜBER STRASSE",
        "",
        "... !?",
        "it's O'Neil\\'s \\ 'quoted'",
    )
    for n, text in enumerate(texts):
        await store.append(f"{category}-{n}", said(text))

    async def found(text: str) -> set[str]:
        return {place.partition("/")[0] for place in await places(searched, category, text)}

    assert await found("fox") == {"0", "1", "2"}
    assert await found("quick fox") == {"0", "1"}
    assert await found('"quick brown"') == {"0"}
    assert await found('"brown quick" fox') == {"1"}
    assert await found("the fox") == {"0", "2"}
    assert await found("current_time") == {"2"}
    assert await found("time_current") == set()
    assert await found("strasse") == {"3", "4"}
    assert await found("u\u0308ber") == {"3", "4"}
    assert await found("ada@example.org") == await found("example") == {"3"}
    assert await found("o'neil's") == {"7"}
    assert await found("foxes") == set()
    assert await found('fox"') == {"0", "1", "2"}
    assert await found("& | ! <-> 'fox") == {"0", "1", "2"}


async def test_more_often_and_in_a_shorter_text_is_better_and_of_equals_the_newer(
    store: Store, searched: Searchable, category: str
) -> None:
    long = "red " + " ".join(f"w{n}" for n in range(50))
    for name, text in (("a", long), ("b", "red one"), ("c", "red red"), ("d", "red two")):
        await store.append(f"{category}-{name}", said(text))
    assert await places(searched, category, "red") == ["c/0", "d/0", "b/0", "a/0"]
    assert await places(searched, category, "red", limit=2) == ["c/0", "d/0"]
    assert await places(searched, category, "red", limit=0) == []


async def test_users_and_answers_are_searched_and_nothing_that_stands_beside_the_turn(
    store: Store, searched: Searchable, category: str
) -> None:
    answer, title, elsewhere = asked(), asked("title"), asked()
    await store.append(f"{category}-b", elsewhere)
    await store.append(
        f"{category}-a",
        said("red"),
        answer,
        answered(answer.id, "red"),
        title,
        answered(title.id, "red"),
        answered(elsewhere.id, "red"),
        answered(str(uuid4()), "red"),
        answered("red", "red"),
        new("ToolExecutionCompleted", '{"result": "red", "text": "red"}'),
        new("Noted", '{"text": "red"}'),
    )
    late = asked()
    await store.append(f"{category}-a", answered(late.id, "red"), late)
    assert sorted(await places(searched, category, "red")) == ["a/0", "a/2"]


async def test_what_others_write_breaks_nothing(
    store: Store, searched: Searchable, category: str
) -> None:
    stream = f"{category}-a"
    for text in (5, None, ["red"], {"text": "red"}, True):
        await store.append(stream, said(text))
    await store.append(stream, new("UserMessageAdded", None), new("LlmResponseReceived", "{}"))
    await store.append(f"{category}-no thread", said("red"))
    await store.append(f"{category}-{'x' * 300}", said("red"))
    await store.append(f"{category}:v1-a", said("red"))
    await store.append(stream, said("a red \x1b[2J one " + "\U0001f600" * 5))
    assert await places(searched, category, "red") == ["a/7"]


async def test_the_users_threads_alone_are_searched_and_none_that_is_deleted(
    store: Store, searched: Searchable, category: str
) -> None:
    await store.append(f"{category}-a", begun("ada"), said("red"), said("red too", user="bob"))
    await store.append(f"{category}-b", begun("bob"), said("red"))
    await store.append(f"{category}-c", said("red", user="ada"), begun("ada"))
    await store.append(f"{category}-d", begun(), said("red"))
    assert sorted(await places(searched, category, "red", user="ada")) == ["a/1", "a/2"]
    assert await places(searched, category, "red", user="bob") == ["b/1"]
    assert await places(searched, category, "red", user="nobody") == []
    assert len(await places(searched, category, "red")) == 5
    await store.append(f"{category}-a", new("SessionDeleted", "{}"))
    assert await places(searched, category, "red", user="ada") == []
    await store.append(f"{category}-a", said("red again"))
    assert sorted(await places(searched, category, "red")) == ["b/1", "c/0", "d/1"]


async def test_the_newest_is_found_at_once_and_an_index_made_anew_finds_the_same(
    store: Store, searched: Searchable, category: str
) -> None:
    assert await places(searched, category, "red") == []
    for n in range(450):
        await store.append(f"{category}-{n % 7}", said(f"red {n}"))
    before = await places(searched, category, "red", limit=1000)
    assert len(before) == 450
    assert await searched.index(category) == 0
    await searched.index(category, anew=True)
    assert await places(searched, category, "red", limit=1000) == before
    await store.append(f"{category}-x", said("red"))
    assert (await places(searched, category, "red"))[0] == "x/0"
    with pytest.raises(RefusedName):
        await searched.index(f"{category}-x")
    with pytest.raises(RefusedName):
        await searched.search(f"{category}-x", query_of("red"), limit=1)


async def test_long_texts_are_searched_as_far_as_that_goes(
    store: Store, searched: Searchable, category: str
) -> None:
    words = " ".join(f"word{n}" for n in range(20_000))
    await store.append(f"{category}-a", said(words))
    await store.append(f"{category}-b", said("\U00010400" * 99_000 + " end"))
    await store.append(f"{category}-c", said("again " * 15_000 + "end"))
    wide = " ".join(chr(0x20000 + n) * 5 for n in range(16_500))
    await store.append(f"{category}-d", said(wide))
    # Each of these is three times eighteen characters of two bytes when it is compared.
    wider = [3 * "\ufdfa" + f"{n:x}" for n in range(11_000)]
    await store.append(f"{category}-e", said(" ".join(wider)))
    assert await places(searched, category, wider[1758]) == ["e/0"]
    assert await places(searched, category, wider[1759]) == []
    assert await places(searched, category, chr(0x20000 + 15_999) * 5) == ["d/0"]
    assert await places(searched, category, chr(0x20000 + 16_000) * 5) == []
    assert await places(searched, category, '"word9998 word9999"') == ["a/0"]
    assert await places(searched, category, "word19999") == []
    assert sorted(await places(searched, category, "end")) == ["b/0", "c/0"]
    assert await places(searched, category, "\U00010428" * 100) == ["b/0"]


@pytest.fixture
async def both(store_url: str) -> AsyncIterator[tuple[MessageDbStore, MemoryStore]]:
    async with await MessageDbStore.connect(store_url) as store:
        yield store, MemoryStore()


async def test_both_stores_find_the_same_in_the_same_order(
    both: tuple[MessageDbStore, MemoryStore], category: str
) -> None:
    chance = random.Random(5)
    letters = ["a", "B", "c", "é", "ß", "1", "_", "-", " ", "  ", "'", '"', "\\", "\n", "字"]
    for _ in range(150):
        message = said("".join(chance.choices(letters, k=chance.randrange(0, 60))))
        stream = f"{category}-{chance.randrange(9)}"
        for store in both:
            await store.append(stream, message)
    hits = 0
    for _ in range(100):
        text = "".join(chance.choices(letters, k=chance.randrange(1, 8))) + "a"
        one, other = (
            [(m.message.id, m.rank) for m in found]
            for found in [await store.search(category, query_of(text), limit=20) for store in both]
        )
        assert one == other, text
        hits += len(one)
    assert hits > 100

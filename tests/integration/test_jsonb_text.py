"""What our check lets through PostgreSQL stores, and gives back as the model in memory says."""

import json
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import RefusedPayload
from messagedb_agent.store import jsonb
from messagedb_agent.store.encoding import check_message
from messagedb_agent.store.message import NewMessage
from tests.properties.effort import examples

texts = st.text(st.characters(codec=None), max_size=12)  # surrogates and U+0000 too
numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
strings = st.tuples(texts, st.booleans()).map(lambda it: json.dumps(it[0], ensure_ascii=it[1]))
leaves = st.one_of(numbers, strings, st.sampled_from(["true", "false", "null", "{}", "[ ]"]))


def containers(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(values, max_size=4).map(lambda items: "[" + " ,".join(items) + "]")
    return lists | objects(values)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(strings, values).map(":".join)
    return st.lists(pairs, max_size=4).map(lambda items: "{" + ",".join(items) + "}")


documents = objects(st.recursive(leaves, containers, max_leaves=12))


@pytest.fixture(scope="module")
def connection(store_url: str) -> Iterator[psycopg.Connection[tuple[str]]]:
    with psycopg.connect(store_url, autocommit=True) as connection:
        yield connection


@examples(30)
@given(st.lists(documents, min_size=1, max_size=15))
def test_what_is_accepted_comes_back_as_the_model_says(
    connection: psycopg.Connection[tuple[str]], documents: list[str]
) -> None:
    accepted = []
    for text in documents:
        try:
            check_message(NewMessage(str(uuid4()), "Written", text))
        except RefusedPayload:
            continue
        accepted.append(text)
    query = (
        "SELECT text::jsonb::text FROM unnest(%s::text[]) WITH ORDINALITY AS t(text, o) ORDER BY o"
    )
    stored = [text for (text,) in connection.execute(query, (accepted,))]
    assert [jsonb.normalised(text) for text in accepted] == stored


@settings(max_examples=60, deadline=None)
@example('{"":[1E400],"":[]}')  # the first value of a key that comes twice is checked, too
@given(documents)
def test_what_is_refused_is_refused_for_a_reason(text: str) -> None:
    try:
        check_message(NewMessage(str(uuid4()), "Written", text))
    except RefusedPayload:
        decoded = repr(json.loads(text, object_pairs_hook=list))
        assert "\\x00" in decoded or "\\ud" in decoded or "inf" in decoded

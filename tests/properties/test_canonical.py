"""The canonical form is one: it does not depend on how a value was spelled."""

import json
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events.canonical import canonical_text, parse
from tests.properties.effort import examples
from tests.properties.values import CLEAN_TEXT, JSON_TEXT


def canonical(text: str) -> str:
    return canonical_text(parse(text))


@examples(100)
@given(JSON_TEXT)
def test_it_is_json_of_the_same_value_and_canonical_itself(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)
    assert _exact(canonical(text)) == _exact(text)


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@examples(80)
@given(st.dictionaries(CLEAN_TEXT, JSON_TEXT, max_size=4), st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_of_keys(members: dict[str, str], random: Any) -> None:
    keys = list(members)
    random.shuffle(keys)

    def spelled(order: list[str]) -> str:
        return "{" + ",\n".join(f"{json.dumps(key)} :{members[key]}" for key in order) + "}"

    assert canonical(spelled(keys)) == canonical(spelled(list(members)))


@examples(80)
@given(st.dictionaries(CLEAN_TEXT, CLEAN_TEXT, max_size=5))
def test_keys_stand_in_the_order_of_their_utf_16_code_units(members: dict[str, str]) -> None:
    keys = list(json.loads(canonical(json.dumps(members))))
    assert keys == sorted(members, key=lambda key: list(memoryview(key.encode("utf-16-be"))))


@examples(100)
@given(st.dictionaries(st.text("azAZ_09", max_size=5), CLEAN_TEXT | st.integers(-(2**53), 2**53)))
def test_the_fast_encoder_gives_the_same_bytes_for_keys_and_numbers_like_ours(
    members: dict[str, Any],
) -> None:
    fast = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    assert canonical(fast.decode()).encode() == fast

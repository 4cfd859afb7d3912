"""Random events of every class, by the types of their fields; and random JSON."""

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import MinLen
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from messagedb_agent.events.codec import EVENT_TYPES
from messagedb_agent.events.schema import Event
from messagedb_agent.events.values import Value

_ODD = '\0\x01\x1f\x7f"\\/\u2028\u2029\ufb33\ufeff\ufffd\ufffe\ud800\udfff\U0001f600\U0010ffff'
TEXT = st.text(st.one_of(st.sampled_from(_ODD), st.characters(exclude_categories=[])), max_size=12)
"""Any text that Python can hold, with what JSON, jsonb and UTF-8 stumble over."""

_SOME_TEXT = TEXT.map(lambda text: re.sub("[\ud800-\udfff]", "", text)).filter(bool)
"""Text with at least one character; where pydantic counts them, it takes no lone surrogate."""

CLEAN_TEXT = st.text(
    st.one_of(
        st.sampled_from(_ODD.translate({0: None, 0xD800: None, 0xDFFF: None})),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=12,
)
"""Any text that PostgreSQL can hold."""

_INTEGERS = st.one_of(st.integers(1, 9), st.integers(1, 2**53))
_DECIMALS = st.decimals(
    min_value=Decimal(-(10**20)), max_value=Decimal(10**20), allow_nan=False, allow_infinity=False
).filter(lambda number: len(format(number, "f")) < 60)


def _of(annotation: Any, metadata: Iterable[Any] = ()) -> st.SearchStrategy[Any]:
    """Return values of a type, as far as our events use types."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(arguments[0], arguments[1:])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(*(_of(argument) for argument in arguments))
    if origin is tuple:
        return st.lists(_of(arguments[0]), max_size=2).map(tuple)
    if annotation is str:
        return _text(metadata)
    if annotation is int:
        return _INTEGERS
    if annotation is NoneType:
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is Decimal:
        return _DECIMALS
    if issubclass(annotation, Value):
        return instances(annotation)
    raise TypeError(f"no values of {annotation}")


def _text(metadata: Iterable[Any]) -> st.SearchStrategy[str]:
    flat = [part for m in metadata for part in (m.metadata if isinstance(m, FieldInfo) else (m,))]
    if pattern := next((m.pattern for m in flat if getattr(m, "pattern", None)), None):
        return st.from_regex(pattern, fullmatch=True).map(str.rstrip)
    return _SOME_TEXT if any(isinstance(m, MinLen) for m in flat) else TEXT


def instances(cls: type[Value]) -> st.SearchStrategy[Any]:
    """Return instances of a class of ours with every field drawn."""
    fields = {
        name: _of(field.annotation, field.metadata) for name, field in cls.model_fields.items()
    }
    return st.fixed_dictionaries(fields).map(cls.model_validate)


EVENTS: st.SearchStrategy[Event] = st.one_of(*(instances(cls) for cls in EVENT_TYPES.values()))
"""Any event."""

_NUMBERS = st.one_of(
    st.integers(-9, 9).map(str),
    st.integers(-(10**25), 10**25).map(str),
    st.tuples(st.integers(-(10**20), 10**20), st.text("0123456789", min_size=1, max_size=25)).map(
        lambda parts: f"{parts[0]}.{parts[1]}"
    ),
    st.sampled_from(["1" + "0" * 400, "0." + "0" * 399 + "1", "9007199254740993"]),
)


def _array(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _object(members: dict[str, str]) -> str:
    return "{" + ", ".join(f"{_quoted(key)}: {value}" for key, value in members.items()) + "}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


JSON_TEXT = st.recursive(
    st.one_of(st.sampled_from(["null", "true", "false"]), _NUMBERS, CLEAN_TEXT.map(_quoted)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(_array),
        st.dictionaries(CLEAN_TEXT, inner, max_size=3).map(_object),
    ),
    max_leaves=6,
)
"""Any JSON that jsonb may print, numbers beyond what Python holds among it."""

JSON_OBJECTS = st.dictionaries(CLEAN_TEXT, JSON_TEXT, max_size=3).map(_object)
DEEP = st.sampled_from([99, 100, 101, 900, 2_000, 20_000]).map(lambda n: "[" * n + "]" * n)

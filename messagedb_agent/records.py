"""Values that a turn makes by the hundred, for the price of ordinary objects."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots that is frozen to the type checker, and to it alone.

    `dataclass(frozen=True)` makes its `__init__` set each field by a call of its own, at four times
    the price. What a library's user may hold, or what is kept for long, is frozen in earnest.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)

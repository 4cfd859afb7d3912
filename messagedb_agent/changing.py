"""Changed copies of immutable values, for the price of copying a dictionary.

Folds over long threads copy their state at every event. `dataclasses.replace` runs `__init__`,
which sets every field of a frozen class on its own: many times the price for a large state.
"""

from typing import Any, TypeVar

T = TypeVar("T")

_new, _set = object.__new__, object.__setattr__  # a frozen value's own would refuse


def changed(value: T, **fields: Any) -> T:
    """Return a copy of a frozen dataclass without slots, with some fields changed.

    Raises:
        TypeError: it has no such field.
    """
    kept = value.__dict__ | fields
    if len(kept) != len(value.__dict__):
        unknown = ", ".join(sorted(fields.keys() - value.__dict__.keys()))
        raise TypeError(f"{type(value).__name__} has no field {unknown}")
    copy = _new(type(value))
    _set(copy, "__dict__", kept)
    return copy

"""Changed copies of immutable values, for the price of copying a dictionary.

Folds over long threads copy their state at every event. `dataclasses.replace` runs `__init__`,
which sets every field of a frozen class on its own: many times the price for a large state.
"""

from typing import Any, TypeVar

T = TypeVar("T")


def changed(value: T, **fields: Any) -> T:
    """Return a copy of a frozen dataclass without slots, with some fields changed.

    Raises:
        TypeError: it has no such field.
    """
    copy: T = object.__new__(type(value))
    kept = copy.__dict__
    kept.update(value.__dict__)
    size = len(kept)
    kept.update(fields)
    if len(kept) != size:
        unknown = ", ".join(sorted(fields.keys() - value.__dict__.keys()))
        raise TypeError(f"{type(value).__name__} has no field {unknown}")
    return copy

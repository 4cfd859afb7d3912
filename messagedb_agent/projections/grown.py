"""An immutable sequence that is cheap to grow: what a fold over a long thread is made of."""

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


class Grown(Sequence[T]):
    """A sequence whose `plus` takes constant time and leaves the original unchanged.

    It shares its storage with what grew out of it: each knows its own length, and only the longest
    may grow in place; any other copies first. Growing is for one thread of execution at a time.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Sequence[T] = ()) -> None:
        self._items = list(items)
        self._length = len(self._items)

    def plus(self, *items: T) -> "Grown[T]":  # type: ignore[misc]  # returns, never stores in self
        """Return this sequence with items after it."""
        if not items:
            return self
        # An empty one never shares: it may be a projection's first value, which outlives all folds.
        is_longest = 0 < len(self._items) == self._length
        storage = self._items if is_longest else self._items[: self._length]
        storage.extend(items)
        grown: Grown[T] = Grown.__new__(Grown)
        grown._items = storage
        grown._length = self._length + len(items)
        return grown

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self._items[i] for i in range(*index.indices(self._length)))
        return self._items[range(self._length)[index]]

    def __iter__(self) -> Iterator[T]:
        return (self._items[i] for i in range(self._length))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grown) and self[:] == other[:]

    def __hash__(self) -> int:
        return hash(self[:])

    def __repr__(self) -> str:
        return f"Grown({list(self)!r})"

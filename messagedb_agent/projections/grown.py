"""An immutable sequence that is cheap to grow: what a fold over a long thread is made of."""

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


class Grown(Sequence[T]):
    """A sequence whose `plus` takes constant time and leaves the original unchanged.

    It shares its storage with what grew out of it: each knows its own length, and only the longest
    may grow in place; any other copies first. Growing is for one thread of execution at a time.

    Args:
        items: what it begins with.
        before: what stands before these and is never copied, such as pages of a snapshot.
    """

    __slots__ = ("_before", "_items", "_length", "_skipped")

    def __init__(self, items: Sequence[T] = (), before: Sequence[T] = ()) -> None:
        self._before = before
        self._skipped = len(before)
        self._items = list(items)
        self._length = self._skipped + len(self._items)

    def plus(self, *items: T) -> "Grown[T]":  # type: ignore[misc]  # returns, never stores in self
        """Return this sequence with items after it."""
        if not items:
            return self
        # An empty one never shares: it may be a projection's first value, which outlives all folds.
        own = self._length - self._skipped
        is_longest = 0 < len(self._items) == own
        storage = self._items if is_longest else self._items[:own]
        storage.extend(items)
        grown: Grown[T] = Grown.__new__(Grown)
        grown._before = self._before
        grown._skipped = self._skipped
        grown._items = storage
        grown._length = self._length + len(items)
        return grown

    def shared(self, other: "Grown[T]") -> int:
        """Return how many items at the beginning are certainly the same, as both share them."""
        if self._before is not other._before:
            return 0
        whole = min(self._length, other._length)
        return whole if self._items is other._items else min(self._skipped, whole)

    def own(self, most: int) -> tuple[T, ...]:
        """Return the newest items, at most so many, without those that it was given as `before`."""
        end = self._length - self._skipped
        return tuple(self._items[max(0, end - most) : end])

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self._length)))
        place = index if index >= 0 else index + self._length
        if not 0 <= place < self._length:
            raise IndexError(index)
        own = place - self._skipped
        return self._items[own] if own >= 0 else self._before[place]

    def __iter__(self) -> Iterator[T]:
        yield from self._before
        for i in range(self._length - self._skipped):
            yield self._items[i]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grown) or self._length != other._length:
            return False
        return self.shared(other) == self._length or self[:] == other[:]

    def __hash__(self) -> int:
        return hash(self[:])

    def __repr__(self) -> str:
        return f"Grown({list(self)!r})"

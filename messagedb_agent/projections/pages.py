"""A sequence that stands in pages, each of which is decoded when one of its items is asked for."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar, overload

T = TypeVar("T", covariant=True)


class Pages(Sequence[T]):
    """An immutable sequence whose pages are decoded once, and kept then.

    Args:
        sizes: how many items each page holds, none of them 0.
        decode: returns the items of a page by its index.
    """

    __slots__ = ("_decode", "_ends", "_found")

    def __init__(self, sizes: Sequence[int], decode: Callable[[int], Sequence[T]]) -> None:
        self._ends = tuple(accumulate(sizes))
        self._decode = decode
        self._found: dict[int, Sequence[T]] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(self._at(i) for i in range(*index.indices(len(self))))
        return self._at(range(len(self))[index])

    def __iter__(self) -> Iterator[T]:
        for page in range(len(self._ends)):
            yield from self._page(page)

    def _at(self, index: int) -> T:
        page = bisect_right(self._ends, index)
        return self._page(page)[index - (self._ends[page - 1] if page else 0)]

    def _page(self, page: int) -> Sequence[T]:
        if page not in self._found:
            self._found[page] = self._decode(page)
        return self._found[page]

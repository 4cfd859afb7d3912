"""Two sequences beside each other, so that what is the same stands at the same place."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Generic, TypeVar

T = TypeVar("T")

Block = tuple[int, int, int, int]
"""A part of one sequence and the part of another beside it: begin and end of each."""

_MAX_SOUGHT = 10_000
"""Product of the lengths of two parts up to which everything that stands in both is sought.

The time for that grows with the cube of their length where much stands in both many times."""


@dataclass(frozen=True, slots=True)
class Pair(Generic[T]):
    """What stands at the same place of two sequences.

    Attributes:
        one: of the first; None where only the second has it.
        other: of the second; likewise.
        is_same: whether both say the same.
    """

    one: T | None
    other: T | None
    is_same: bool


def aligned(
    one: Sequence[T], other: Sequence[T], key: Callable[[T], Hashable]
) -> tuple[Pair[T], ...]:
    """Put two sequences beside each other, so that what is the same stands at the same place."""
    keys = [key(item) for item in one], [key(item) for item in other]
    return tuple(_pairs(one, other, keys, _blocks(*keys)))


def _blocks(one: Sequence[Hashable], other: Sequence[Hashable]) -> Iterator[Block]:
    """Cut two sequences into parts that belong beside each other.

    What stands once in each holds them together; between such places everything is sought that
    stands in both, or, in long parts, what stands there at the same distance.
    """
    begin, begin_other = 0, 0
    for end, end_other in (*_anchors(one, other), (len(one), len(other))):
        yield from _sought(one, other, (begin, end, begin_other, end_other))
        if end < len(one):  # an anchor: the same on both sides
            yield end, end + 1, end_other, end_other + 1
        begin, begin_other = end + 1, end_other + 1


def _anchors(one: Sequence[Hashable], other: Sequence[Hashable]) -> Sequence[tuple[int, int]]:
    """Return places of what stands once in each: as many as there are in the same order."""
    here, there = _once(one), _once(other)
    places = [(i, there[key]) for key, i in here.items() if key in there]
    ends, newest, before = list[int](), list[int](), list[int]()  # longest increasing subsequence
    for index, (_, j) in enumerate(places):
        length = bisect_left(ends, j)
        before.append(newest[length - 1] if length else -1)
        ends[length : length + 1] = [j]
        newest[length : length + 1] = [index]
    found, index = list[tuple[int, int]](), newest[-1] if newest else -1
    while index >= 0:
        found.append(places[index])
        index = before[index]
    return found[::-1]


def _once(keys: Sequence[Hashable]) -> Mapping[Hashable, int]:
    times = Counter(keys)
    return {key: i for i, key in enumerate(keys) if times[key] == 1}


def _sought(one: Sequence[Hashable], other: Sequence[Hashable], part: Block) -> Iterable[Block]:
    begin, end, begin_other, end_other = part
    if (end - begin) * (end_other - begin_other) > _MAX_SOUGHT:
        return [part]
    matcher = SequenceMatcher(None, one[begin:end], other[begin_other:end_other], autojunk=False)
    return [
        (begin + i, begin + i_end, begin_other + j, begin_other + j_end)
        for _, i, i_end, j, j_end in matcher.get_opcodes()
    ]


def _pairs(
    one: Sequence[T],
    other: Sequence[T],
    keys: tuple[list[Hashable], list[Hashable]],
    blocks: Iterable[Block],
) -> Iterator[Pair[T]]:
    for begin, end, begin_other, end_other in blocks:
        for offset in range(max(end - begin, end_other - begin_other)):
            i, j = begin + offset, begin_other + offset
            if i >= end:
                yield Pair(None, other[j], is_same=False)
            elif j >= end_other:
                yield Pair(one[i], None, is_same=False)
            else:
                yield Pair(one[i], other[j], is_same=keys[0][i] == keys[1][j])

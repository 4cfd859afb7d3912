"""What was read of a category and is not handled yet; so, how far all is handled."""

from collections import OrderedDict
from dataclasses import dataclass

MAX_RESTED = 10_000
"""Of how many streams that came to rest last it is known how far they were handled."""


@dataclass(slots=True)
class _News:
    """What is not handled of one stream.

    Attributes:
        before: global position up to which all of the category is handled, but for other news:
            of the message that was read right before the first of it, or of the last of the
            stream that was handled since.
        newest: position, in the stream, of the last of it.
        newest_global: global position of that.
    """

    before: int
    newest: int = -1
    newest_global: int = 0


class Backlog:
    """The news of streams, from when they are read to when they are handled.

    Args:
        position: global position up to which all is handled.
    """

    def __init__(self, position: int) -> None:
        self._read = position
        self._news: dict[str, _News] = {}
        self._rested: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        """How many streams have news that are not handled."""
        return len(self._news)

    @property
    def position(self) -> int:
        """Global position up to which all is handled: the low-water mark."""
        return min((news.before for news in self._news.values()), default=self._read)

    def newest_of(self, stream: str) -> tuple[int, int]:
        """Return position and global position of a stream's last message that is not handled.

        They are -1 and 0 where there is none.
        """
        news = self._news.get(stream)
        return (news.newest, news.newest_global) if news else (-1, 0)

    def read(self, stream: str, position: int, global_position: int) -> bool:
        """Note a message; say whether it is news: not handled already with those before it."""
        before, self._read = self._read, global_position
        if position <= self._rested.get(stream, -1):
            return False
        news = self._news.setdefault(stream, _News(before))
        news.newest, news.newest_global = max(news.newest, position), global_position
        return True

    def passed(self, global_position: int) -> None:
        """Note that nothing more needs handling up to a global position."""
        self._read = max(self._read, global_position)

    def handled(self, stream: str, version: int) -> bool:
        """Note that a stream is handled up to a position; say whether that is all of its news."""
        self._rested[stream] = version
        self._rested.move_to_end(stream)
        if len(self._rested) > MAX_RESTED:
            self._rested.popitem(last=False)
        news = self._news.get(stream)
        if news and news.newest > version:
            return False
        self._news.pop(stream, None)
        return True

    def reached(self, stream: str, global_position: int) -> None:
        """Note that a stream is handled up to a global position, in the middle of its news."""
        if news := self._news.get(stream):
            news.before = max(news.before, global_position)

    def dropped(self, stream: str) -> None:
        """Note that the news of a stream are not to be handled."""
        self._news.pop(stream, None)

"""Where a category ends: the global position of its newest message, by whatever can be read."""

from contextlib import aclosing

from messagedb_agent.consumers.cursor import Cursor
from messagedb_agent.store.store import BATCH_SIZE, Directory, Reader


async def newest_position(reader: Reader, category: str) -> int:
    """Return the global position of the newest message of a category; 0 where there is none.

    A reader that is no `Directory` is asked for what stands from some place on: further and
    further, then between the last two places. So it is asked some forty times at the most, and
    the category is not read from end to end.

    Raises:
        RefusedName: the category holds an id.
        StoreUnavailable: the store was not reached.
    """
    if isinstance(reader, Directory):
        heads = await reader.newest_streams(category, limit=1)
        return heads[0].global_position if heads else 0
    found, step = 0, 1
    nothing_at: int | None = None
    while nothing_at is None or nothing_at - found > 1:
        place = found + step if nothing_at is None else (found + nothing_at) // 2
        reached, is_end = await _look(reader, category, place)
        if not reached:
            nothing_at = place
        elif is_end:
            return reached
        else:
            found, step = reached, 2 * step
    return found


async def _look(reader: Reader, category: str, position: int) -> tuple[int, bool]:
    """Return the last global position of a page, 0 for none, and whether the category ends there.

    Of the messages themselves nothing is fetched.
    """
    cursor, count = Cursor(reader, category, start=position, longest=0), 0
    async with aclosing(cursor.news()) as news:
        async for _ in news:
            count += 1
            if count == BATCH_SIZE:
                return cursor.position, False
    return (cursor.position if count else 0), True

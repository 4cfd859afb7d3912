"""Whether what a thread says it took from another stream is what stands there.

A thread records which revision of a named definition it ran, and what was known of a user when it
was told so. Both are named by the place and the id of an event, whose stream has its own chain.
"""

from messagedb_agent.errors import RefusedName
from messagedb_agent.events.canonical import read
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.memory import decode_noted
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.values import Recalled, Revision
from messagedb_agent.projections.memory import memory_of
from messagedb_agent.store.message import Message
from messagedb_agent.store.store import Reader

_MOST_KEPT = 256  # prompts and texts of what is known


class NotAsSaved(Exception):
    """What a revision, or what was known, names is not what was written; the text says why."""


class Elsewhere:
    """What threads took from other streams, looked up once: kept while many threads are verified.

    Args:
        reader: where all of it is kept.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._found: dict[Revision | Recalled, str] = {}

    async def prompt(self, revision: Revision) -> str | None:
        """See `saved_prompt`."""
        return self._found.get(revision) or self._kept(
            revision, await saved_prompt(self._reader, revision)
        )

    async def text(self, recalled: Recalled) -> str | None:
        """See `known_text`."""
        return self._found.get(recalled) or self._kept(
            recalled, await known_text(self._reader, recalled)
        )

    def _kept(self, place: Revision | Recalled, found: str | None) -> str | None:
        if found is not None:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            self._found[place] = found
        return found


async def saved_prompt(reader: Reader, revision: Revision) -> str | None:
    """Return the prompt that a revision was saved with, its stream's chain checked up to there.

    Args:
        reader: where threads and definitions are kept.
        revision: what a thread has recorded.

    Returns:
        The prompt; None where the store has no such event, as where the thread was imported alone.

    Raises:
        NotAsSaved: the event stands elsewhere, or a row up to it is not as it was written.
        StoreUnavailable: the store was not reached.
    """
    rows = await _rows(reader, revision.stream_name, revision.position, revision.event_id)
    return _prompt(rows[-1].data) if rows else None


async def known_text(reader: Reader, recalled: Recalled) -> str | None:
    """Return what is shown of what was known of a user, the chain checked up to there.

    Args:
        reader: where threads and users' memory are kept.
        recalled: what a thread has recorded.

    Returns:
        The text; None where the store has no such event, as where the thread was imported alone,
        or where the thread does not say which event it was.

    Raises:
        NotAsSaved: the event stands elsewhere, or a row up to it is not as it was written.
        StoreUnavailable: the store was not reached.
    """
    if recalled.event_id is None:
        return None
    rows = await _rows(reader, recalled.stream_name, recalled.position, recalled.event_id)
    return memory_of(map(decode_noted, rows)).as_prompt() if rows else None


async def _rows(reader: Reader, stream: str, position: int, id: str) -> list[Message]:
    """Return the rows of a stream up to an event, chained; none where the store has no such event.

    Raises:
        NotAsSaved: the event stands elsewhere, or a row up to it is not as it was written.
    """
    try:
        rows = [row async for row in reader.read(stream, until=position)]
    except RefusedName as error:
        raise NotAsSaved(f"it stands in no stream: {error}") from error
    if not rows or (rows[-1].position, rows[-1].id) != (position, id):
        if (elsewhere := await reader.by_id(id)) is None:
            return []
        raise NotAsSaved(f"it stands at {elsewhere.stream_name}/{elsewhere.position}")
    previous = GENESIS
    for row in rows:
        previous = row_hash(previous, row)
        recorded = read_metadata(row.metadata).hash
        if recorded is not None and recorded != hash_text(previous):
            raise NotAsSaved(f"{row.stream_name}/{row.position} is not as it was written")
    return rows


def _prompt(data: str | None) -> str:
    try:
        said = read(data) if data is not None else None
    except ValueError as error:
        raise NotAsSaved(f"it cannot be read: {error}") from error
    prompt = said.get("systemPrompt") if isinstance(said, dict) else None
    if not isinstance(prompt, str):
        raise NotAsSaved("it holds no prompt")
    return prompt

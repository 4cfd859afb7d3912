"""Whether the named definition that a thread says it ran is the one that was saved."""

from messagedb_agent.events.canonical import read
from messagedb_agent.events.chain import GENESIS, hash_text, row_hash
from messagedb_agent.events.metadata import read_metadata
from messagedb_agent.events.values import Revision
from messagedb_agent.store.store import Reader


class NotAsSaved(Exception):
    """What a revision names is not what was saved; the text says why."""


async def saved_prompt(reader: Reader, revision: Revision) -> str | None:
    """Return the prompt that a revision was saved with, its stream's chain checked up to there.

    Args:
        reader: where threads and definitions are kept.
        revision: what a thread has recorded.

    Returns:
        The prompt; None where the store has no such event, as where the thread was imported.

    Raises:
        NotAsSaved: the event stands elsewhere, or a row up to it is not as it was written.
        StoreUnavailable: the store was not reached.
    """
    saved = await reader.by_id(revision.event_id)
    if saved is None:
        return None
    if (saved.stream_name, saved.position) != (revision.stream_name, revision.position):
        raise NotAsSaved(f"it stands at {saved.stream_name}/{saved.position}")
    previous = GENESIS
    async for row in reader.read(revision.stream_name, until=revision.position):
        previous = row_hash(previous, row)
        recorded = read_metadata(row.metadata).hash
        if recorded is not None and recorded != hash_text(previous):
            raise NotAsSaved(f"{row.stream_name}/{row.position} is not as it was written")
    return _prompt(saved.data)


def _prompt(data: str | None) -> str:
    try:
        said = read(data) if data is not None else None
    except ValueError as error:
        raise NotAsSaved(f"it cannot be read: {error}") from error
    prompt = said.get("systemPrompt") if isinstance(said, dict) else None
    if not isinstance(prompt, str):
        raise NotAsSaved("it holds no prompt")
    return prompt

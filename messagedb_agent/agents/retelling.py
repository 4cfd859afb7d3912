"""What a watch of a thread must be told where the thread is not read from its beginning."""

from messagedb_agent.agents.view import View
from messagedb_agent.agents.watching import Watch
from messagedb_agent.events.codec import decode
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import SessionStarted
from messagedb_agent.projections.conversation import conversation
from messagedb_agent.store.store import Reader


async def retell(reader: Reader, stream: str, seen: View, until: int, watch: Watch) -> None:
    """Tell a watch of the turn that a snapshot stands in the middle of; else of nothing.

    The turn alone is read. It is folded as the first one of its agent: what came before it has
    settled by then, and changes nothing of what stands in the turn but the conversation.

    Args:
        reader: where the thread is kept.
        stream: full name of its stream.
        seen: the fold that the snapshot holds.
        until: position of the last event in it.
        watch: who is told.
    """
    current, definition = seen.lineage.current, seen.conversation.definition
    if current is None or current.kind != "open" or definition is None:
        return
    rested = seen.lineage.states[-1]
    if rested.stream != stream:
        return
    start = SessionStarted(thread_id=stream.partition("-")[2], definition=definition)
    begun = Recorded(rested.id, stream, rested.position, start)
    shown = conversation.evolve(conversation.initial, begun)
    async for message in reader.read(stream, position=rested.position + 1, until=until):
        decoded = decode(message)
        after = conversation.evolve(shown, decoded.recorded)
        carried = decoded.metadata.travelling.properties
        watch.see(decoded.recorded, carried, shown, after, is_ours=False)
        shown = after

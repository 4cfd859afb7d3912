"""What threads took from streams beside them: which users' memory, and which definitions."""

from collections.abc import Collection, Sequence

from messagedb_agent.agents.engine import Engine
from messagedb_agent.audit.beside import beside_streams, engine_kinds
from messagedb_agent.audit.kinds import Kind
from messagedb_agent.events.codec import decode
from messagedb_agent.events.schema import AgentRedefined, SessionStarted
from messagedb_agent.store.stream_name import thread_stream


async def referred_streams(
    engine: Engine, thread_ids: Sequence[str], wanted: Collection[Kind]
) -> tuple[str, ...]:
    """Return the streams that threads have recalled from, or whose definitions they ran.

    Args:
        engine: where the threads are kept.
        thread_ids: their ids, in full; only their own rows count, not those of ancestors.
        wanted: which kinds of streams are wanted; what is not there is left out.

    Raises:
        StoreUnavailable: the store was not reached.
    """
    found = set[str]()
    for thread_id in thread_ids if wanted else ():
        stream = thread_stream(engine.category, engine.version, thread_id)
        async for message in engine.store.read(stream):
            event = decode(message).recorded.event
            if isinstance(event, SessionStarted | AgentRedefined):
                taken = (event.definition.recalled, event.definition.revision)
                found |= {place.stream_name for place in taken if place}
    kinds, there = engine_kinds(engine), await beside_streams(engine) if found else ()
    return tuple(stream for stream in there if stream in found and kinds.of(stream) in wanted)

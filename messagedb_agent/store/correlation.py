"""Which category a message is correlated with, where no server says it."""

from messagedb_agent.store import jsonb
from messagedb_agent.store.message import Message
from messagedb_agent.store.stream_name import category_of


def correlation_of(message: Message) -> str | None:
    """Return the category that a message is correlated with; None where it is with none.

    Source: Message DB 1.3.0, `functions/get-category-messages.sql`: the category of the text
    (`->>`) of the metadata's `correlationStreamName`, whatever JSON stands there.
    """
    try:
        metadata = jsonb.parse(message.metadata or "null")
    except (ValueError, RecursionError):  # what Python cannot parse is nobody's correlation
        return None
    value = metadata.get("correlationStreamName") if isinstance(metadata, dict) else None
    if value is None:
        return None
    return category_of(value if isinstance(value, str) else jsonb.render(value))

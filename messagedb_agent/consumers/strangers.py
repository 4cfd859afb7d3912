"""Streams of a category that are no threads, as anybody may write one."""

import logging

from messagedb_agent.errors import RefusedName
from messagedb_agent.store.stream_name import checked_thread_id, id_of

_MOST_TOLD = 1_000  # of which the log is told
_logger = logging.getLogger("messagedb_agent.consumers")


class Strangers:
    """Tells streams that are no threads; the log is told of each of them once."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def has(self, stream: str) -> bool:
        """Say whether a stream is no thread."""
        if stream in self._known:
            return True
        try:
            checked_thread_id(id_of(stream) or "")
        except RefusedName as error:
            if len(self._known) < _MOST_TOLD:
                self._known.add(stream)
                _logger.warning("a stream that is no thread is ignored: %s", error)
            return True
        return False

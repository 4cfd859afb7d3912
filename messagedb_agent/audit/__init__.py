"""Audit: all threads checked, and what is known of them taken elsewhere."""

from messagedb_agent.audit.checking import (
    Checked,
    anchored_ids,
    check_threads,
    thread_ids,
    together,
)
from messagedb_agent.audit.replaying import Moment, replay
from messagedb_agent.engine.verify import (
    Finding,
    ForeignRow,
    UncheckedRequest,
    Verification,
)
from messagedb_agent.events.anchor import Anchor, Head, anchor_text, read_anchor

__all__ = [
    "Anchor",
    "Checked",
    "Finding",
    "ForeignRow",
    "Head",
    "Moment",
    "UncheckedRequest",
    "Verification",
    "anchor_text",
    "anchored_ids",
    "check_threads",
    "read_anchor",
    "replay",
    "thread_ids",
    "together",
]

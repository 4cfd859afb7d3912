"""Audit: threads replayed and checked, their heads anchored, and threads taken elsewhere."""

from messagedb_agent.audit.archive import Archive, archive_lines, missing_parents, open_archive
from messagedb_agent.audit.checking import (
    Checked,
    Checking,
    anchored_ids,
    check_threads,
    thread_ids,
    together,
)
from messagedb_agent.audit.importing import (
    ThreadImport,
    check_import,
    import_threads,
    refused_exports,
)
from messagedb_agent.audit.replaying import Moment, replay
from messagedb_agent.engine.findings import Finding, ForeignRow, UncheckedRequest, Verification
from messagedb_agent.events.anchor import Anchor, Head, anchor_text, read_anchor

__all__ = [
    "Anchor",
    "Archive",
    "Checked",
    "Checking",
    "Finding",
    "ForeignRow",
    "Head",
    "Moment",
    "ThreadImport",
    "UncheckedRequest",
    "Verification",
    "anchor_text",
    "anchored_ids",
    "archive_lines",
    "check_import",
    "check_threads",
    "import_threads",
    "missing_parents",
    "open_archive",
    "read_anchor",
    "refused_exports",
    "replay",
    "thread_ids",
    "together",
]

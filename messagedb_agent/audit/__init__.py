"""Audit: threads, and what stands beside them, checked, their heads anchored, taken elsewhere."""

from messagedb_agent.audit.archive import Archive, archive_lines, missing_parents, open_archive
from messagedb_agent.audit.beside import (
    BesideChecking,
    CheckedStream,
    beside_streams,
    check_beside,
    engine_kinds,
)
from messagedb_agent.audit.checking import (
    Checked,
    Checking,
    anchored_ids,
    check_threads,
    heads_by_id,
    thread_ids,
    together,
)
from messagedb_agent.audit.importing import (
    StreamImport,
    check_import,
    import_threads,
    refused_exports,
)
from messagedb_agent.audit.kinds import Kind, Kinds
from messagedb_agent.audit.referring import referred_streams
from messagedb_agent.audit.replaying import Moment, replay
from messagedb_agent.engine.findings import Finding, ForeignRow, UncheckedRequest, Verification
from messagedb_agent.events.anchor import Anchor, Head, anchor_text, read_anchor

__all__ = [
    "Anchor",
    "Archive",
    "BesideChecking",
    "Checked",
    "CheckedStream",
    "Checking",
    "Finding",
    "ForeignRow",
    "Head",
    "Kind",
    "Kinds",
    "Moment",
    "StreamImport",
    "UncheckedRequest",
    "Verification",
    "anchor_text",
    "anchored_ids",
    "archive_lines",
    "beside_streams",
    "check_beside",
    "check_import",
    "check_threads",
    "engine_kinds",
    "heads_by_id",
    "import_threads",
    "missing_parents",
    "open_archive",
    "read_anchor",
    "referred_streams",
    "refused_exports",
    "replay",
    "thread_ids",
    "together",
]

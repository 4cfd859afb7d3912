"""What verifying found, as lines for people and as JSON."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from messagedb_agent.audit import Finding, ForeignRow, Verification


def named_lines(found: "Verification", *, brief: bool = False) -> Iterator[str]:
    """Name what could not be checked.

    Args:
        found: what was found in a thread.
        brief: rows of other writers in one line, as for one thread of many.
    """
    shown = found.foreign[:1] if brief else found.foreign
    more = len(found.foreign) - len(shown)
    for row in shown:
        yield f"not ours, not checked: {_place(row)}" + (f", and {more} more" if more else "")
    for request in found.unchecked:
        yield (
            "request not checked, its projection is not known here: "
            f"{request.stream}/{request.position} {request.projection} {request.version}"
        )
    for place in found.absent_definitions:
        yield f"definition not in this database, not compared: {place}"
    for place in found.absent_memories:
        yield f"memory of a user not in this database, not compared: {place}"
    for stream in found.absent_sources:
        yield f"taught by messages that are not in this database: {stream}"
    if found.other_snapshots:
        yield f"snapshots of other code, not checked and not used: {found.other_snapshots}"


def finding_line(finding: "Finding") -> str:
    """Name the first row that does not follow."""
    values = [
        f"{name} {value}"
        for name, value in (("recorded", finding.recorded), ("computed", finding.computed))
        if value is not None
    ]
    beside = f" ({', '.join(values)})" if values else ""
    return f"wrong at {_place(finding)}: {finding.what}{beside}"


def _place(row: "Finding | ForeignRow") -> str:
    return f"{row.stream}/{row.position} {row.type}".rstrip()


def verification_json(thread_id: str, found: "Verification") -> Mapping[str, Any]:
    """Return what was found in a thread."""
    return {
        "threadId": thread_id,
        "requests": found.requests,
        "snapshots": {"same": found.snapshots, "other": found.other_snapshots},
        "definitions": {"same": found.definitions, "absent": list(found.absent_definitions)},
        "memories": {"same": found.memories, "absent": list(found.absent_memories)},
        "unchecked": [
            {
                "streamName": r.stream,
                "position": r.position,
                "projection": r.projection,
                "version": r.version,
            }
            for r in found.unchecked
        ],
        **_chain_json(found),
    }


def beside_json(stream: str, found: "Verification") -> Mapping[str, Any]:
    """Return what was found in a stream beside threads."""
    return {
        "streamName": stream,
        "absentSources": list(found.absent_sources),
        **_chain_json(found),
    }


def _chain_json(found: "Verification") -> Mapping[str, Any]:
    finding, head = found.finding, found.head
    return {
        "events": found.events,
        "head": head and {"position": head.position, "hash": head.hash},
        "foreign": [
            {"streamName": r.stream, "position": r.position, "type": r.type} for r in found.foreign
        ],
        "finding": finding
        and {
            "streamName": finding.stream,
            "position": finding.position,
            "type": finding.type,
            "what": finding.what,
            "recorded": finding.recorded,
            "computed": finding.computed,
        },
    }

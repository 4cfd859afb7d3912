"""Which code folds here, in one word: a digest of its sources.

Nobody can forget to raise it. A change of a comment makes another word too, and costs the next
turn of a long thread one full fold. It is read once, by the first long thread; without sources
there is none, and snapshots are not used.
"""

import hashlib
from functools import cache
from pathlib import Path

from messagedb_agent.events.chain import hash_text

_PACKAGE = Path(__file__).parents[1]
_FOLDING = (
    "agent",
    "events",
    "projections",
    "agents/picture.py",
    "agents/plain.py",
    "agents/rows.py",
    "agents/settled.py",
    "agents/view.py",
    "engine/places.py",
    "engine/snapshot.py",
    "store/stream_name.py",
    "changing.py",
    "ids.py",
    "records.py",
)
"""What decides on the value or the shape of a fold: rooms and modules."""


@cache
def fingerprint() -> str | None:
    """Return the word of the code that folds here; None where its sources are not there."""
    digest = hashlib.sha256()
    try:
        for part in _FOLDING:
            path = _PACKAGE / part
            sources = [path] if path.suffix else sorted(path.glob("*.py"))
            if not sources:
                return None
            for source in sources:
                text = source.read_bytes()
                digest.update(f"{source.relative_to(_PACKAGE).as_posix()} {len(text)}\n".encode())
                digest.update(text)
    except OSError:
        return None
    return hash_text(digest.digest())

"""The same events are the same bytes: folded in any batches, from any point, in any process."""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from messagedb_agent.agents.view import view
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.projections.effects import effects
from messagedb_agent.projections.projection import Projection, fold
from messagedb_agent.projections.summary import summary
from messagedb_agent.projections.transcript import transcript
from messagedb_agent.projections.usage import usage
from tests.properties.effort import examples
from tests.properties.sessions import session_of
from tests.properties.streams import SESSIONS, STREAMS, stream_of

# A view holds the conversation, the decider's state, the lineage and the outcome.
OTHERS: tuple[Projection[Any], ...] = (transcript, usage, summary, effects)


def bytes_of(value: Any) -> bytes:
    """Return a value as bytes: fields by name, mappings and sequences in their order."""
    return repr(_plain(value)).encode(errors="surrogatepass")


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str() | bytes() | Decimal():
            return value
        case Enum():
            return value.name
        case BaseModel():
            return type(value).__name__, value.model_dump(mode="json")
        case Mapping():
            return [(key, _plain(item)) for key, item in value.items()]
        case Set():
            return sorted(value)  # a set has no order that anybody may rely on
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            assert is_dataclass(value), value
            names = [field.name for field in fields(value)]
            return type(value).__name__, [(n, _plain(getattr(value, n))) for n in names]


@examples(1000)
@given(
    STREAMS | SESSIONS,
    st.lists(st.integers(1, 9), max_size=8),
    st.integers(0, 7),
    st.sampled_from(OTHERS),
)
def test_any_batching_folds_to_the_same_bytes(
    stream: tuple[Recorded, ...], sizes: list[int], stop: int, other: Projection[Any]
) -> None:
    for projection in (view, other):
        state, rest, kept, bytes_then = projection.initial, stream, None, b""
        for number, size in enumerate(sizes):
            if number == stop:
                kept, bytes_then = state, bytes_of(state)
                fold(projection, stream[:2], state)  # another branch of it goes elsewhere
            state, rest = fold(projection, rest[:size], state), rest[size:]
        assert bytes_of(fold(projection, rest, state)) == bytes_of(fold(projection, stream))
        if kept is not None:
            assert bytes_of(kept) == bytes_then  # what grew out of it has not changed it


def digest(count: int) -> str:
    """Return one digest of all projections of some streams, the same ones each time."""
    chance, seen = random.Random(18), hashlib.sha256()
    for number in range(count):
        if number % 2:
            moves = [(chance.randrange(12), chance.randrange(100)) for _ in range(30)]
            stream: Sequence[Recorded] = session_of(number, moves).log.records
        else:
            below = chance.randrange
            stream = stream_of([(below(70), below(10), below(10), below(10)) for _ in range(30)])
        for projection in (view, *OTHERS):
            seen.update(bytes_of(fold(projection, stream)))
    return seen.hexdigest()


def test_another_process_folds_to_the_same_bytes() -> None:
    """Sets and dictionaries are laid out otherwise there."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import digest; print(digest(60))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == digest(60)

"""Where tools of this process, and of those it starts, keep their ledger."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.ledger import Ledger
from tests.chaos.tools import FOLDER

KEPT = "CHAOS_KEPT"
"""Names the environment variable that says where a ledger is kept, with what workers have said."""


@contextmanager
def a_ledger() -> Iterator[Ledger]:
    """Have a ledger while the context lasts, and let the tools of this process write into it."""
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        folder = os.environ.get(KEPT, folder)
        os.environ[FOLDER] = folder
        try:
            yield Ledger(Path(folder))
        finally:
            del os.environ[FOLDER]

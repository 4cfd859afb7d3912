"""What tests of faults share."""

import secrets
from collections.abc import Iterator

import pytest

from tests.chaos.server import Server, a_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL of these tests' own, which all others do not notice."""
    with a_server() as server:
        yield server


@pytest.fixture
def seed() -> int:
    """Another one each time; a failure prints it, and a command that repeats the run."""
    return secrets.randbelow(2**31)

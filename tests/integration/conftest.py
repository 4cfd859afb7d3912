"""What tests on a real database share."""

from collections.abc import Iterator

import pytest

from tests.integration.ledger import Ledger, a_ledger


@pytest.fixture
def ledger(admin_url: str) -> Iterator[Ledger]:
    with a_ledger(admin_url) as ledger:
        yield ledger

"""What tests on a real database share."""

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.integration.ledger import Ledger, a_ledger
from tests.otlp_receiver import Receiver, receiving


@pytest.fixture
def ledger(admin_url: str) -> Iterator[Ledger]:
    with a_ledger(admin_url) as ledger:
        yield ledger


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


@pytest.fixture
def pooled_url(store_url: str) -> str:
    """URL of the shared Message DB, where the pooler can stand before it."""
    if not str(conninfo_to_dict(store_url).get("host")).startswith("/"):
        pytest.skip("the pooler of the tests speaks over unix sockets only")
    return store_url

"""The suite's own wall: no test reaches another machine unnoticed."""

import socket
from collections.abc import Iterator

import pytest

from tests import network_guard

ELSEWHERE = "192.0.2.1"  # set aside for documentation: nobody is there


@pytest.fixture
def _forgiven(_no_network: None) -> Iterator[None]:
    yield
    network_guard.attempts.clear()


@pytest.mark.usefixtures("_forgiven")
def test_a_connection_to_another_machine_is_refused_and_remembered() -> None:
    with socket.socket() as connection, pytest.raises(network_guard.NetworkForbiddenError):
        connection.connect((ELSEWHERE, 9))
    assert network_guard.attempts == [f"socket.connect to {ELSEWHERE}"]


@pytest.mark.usefixtures("_forgiven")
def test_a_datagram_to_another_machine_is_refused_and_remembered() -> None:
    with (
        socket.socket(type=socket.SOCK_DGRAM) as connection,
        pytest.raises(network_guard.NetworkForbiddenError),
    ):
        connection.sendto(b"x", (ELSEWHERE, 9))
    assert network_guard.attempts


@pytest.mark.usefixtures("_forgiven")
def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(network_guard.NetworkForbiddenError):
        socket.getaddrinfo("example.com", 80)
    assert network_guard.attempts == ["socket.getaddrinfo to example.com"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1])).close()

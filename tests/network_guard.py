"""Tests speak to this machine only: an attempt to reach another fails, and its test with it."""

import ipaddress
import socket
import sys
from typing import Any

attempts: list[str] = []
"""What was attempted since somebody last looked."""


class NetworkForbiddenError(OSError):
    """A test tried to reach another machine."""


def install() -> None:
    """Watch every connection and look-up that this process makes through Python; for good."""
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = arguments
        if connection.family in (socket.AF_INET, socket.AF_INET6) and address is not None:
            _refuse_unless_local(event, address[0])
    elif event == "socket.getaddrinfo":
        _refuse_unless_local(event, arguments[0])


def _refuse_unless_local(event: str, host: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        if ipaddress.ip_address(str(name).partition("%")[0]).is_loopback:
            return
    except ValueError:
        pass  # a name that would have to be looked up
    attempts.append(f"{event} to {name}")
    raise NetworkForbiddenError(f"tests may not reach {name} ({event})")

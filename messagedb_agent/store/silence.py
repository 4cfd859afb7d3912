"""Servers that say nothing: the connection is there, and no answer comes.

A server ends what takes it too long, and a network that is gone is noticed by its keepalives. A
proxy that hangs, or a server process that was stopped, does neither.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

CANCELLED_S = 1.0
"""How long who is cancelled waits on for a server: to end a statement, or to let a lock go."""


@contextmanager
def cut_off_after(connection: psycopg.AsyncConnection[Any], seconds: float) -> Iterator[None]:
    """Cut a connection off if the context lasts for longer; who waits on it hears that it broke.

    Args:
        connection: where an answer is waited for.
        seconds: more than the server may take for it.
    """
    timer = asyncio.get_running_loop().call_later(seconds, cut_off, connection)
    try:
        yield
    finally:
        timer.cancel()


def cut_off(connection: psycopg.AsyncConnection[Any]) -> None:
    """End both ways of a connection, and leave its closing to whoever waits on it.

    Closed here, its number might be another connection's before that one has looked.
    """
    if not connection.closed:
        with socket.socket(fileno=socket.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

"""Servers that say nothing: the connection is there, and no answer comes.

A server ends what takes it too long, and a network that is gone is noticed by its keepalives. A
proxy that hangs, or a server process that was stopped, does neither.
"""

import asyncio
import socket
from typing import Any

import psycopg

CANCELLED_S = 1.0
"""How long who is cancelled waits on for a server: to end a statement, or to let a lock go."""


class CutOffAfter:
    """Cut a connection off if the context lasts for longer; who waits on it hears that it broke.

    Args:
        connection: where an answer is waited for.
        seconds: more than the server may take for it.
    """

    __slots__ = ("_connection", "_seconds", "_timer")

    def __init__(self, connection: psycopg.AsyncConnection[Any], seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._seconds, cut_off, self._connection)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def cut_off(connection: psycopg.AsyncConnection[Any]) -> None:
    """End both ways of a connection, and leave its closing to whoever waits on it.

    Closed here, its number might be another connection's before that one has looked.
    """
    if not connection.closed:
        with socket.socket(fileno=socket.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

"""Answering many who wait a few at a time, so that the loop hears of the server in between.

A loop looks for news from its sockets once in a round, and in each it runs all that was ready at
its beginning. Were all told at once that wait for one statement, the server would be idle until
every one of them has gone on.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 16
"""How many are told in one round of the loop."""


def answer(answers: Sequence[tuple["asyncio.Future[T]", T]]) -> None:
    """Give each its answer, in order, the first ones at once; who waits no more is left out."""
    for waiting, value in answers[:AT_ONCE]:
        if not waiting.done():
            waiting.set_result(value)
    if later := answers[AT_ONCE:]:
        asyncio.get_running_loop().call_soon(answer, later)

"""File locks: what tells processes that share a folder who is doing what.

They are `flock` locks, which belong to an open file and not to a process: a child that inherits
the file holds the lock on, and the last holder's end, however it came, releases it.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from messagedb_agent.errors import StoreUnavailable

_POLL_S = 0.01


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock `path`; a lock that was never made is held by nobody."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def take(path: Path) -> int | None:
    """Take the lock for oneself and return its descriptor, or None where somebody holds it.

    Closing the descriptor, in every process that inherited it, releases the lock.
    """
    fd = _open(path)
    if _try(fd, fcntl.LOCK_EX):
        return fd
    os.close(fd)
    return None


@contextmanager
def try_shared(path: Path) -> Iterator[int | None]:
    """Hold the lock together with others; yields its descriptor, or None where it is not free.

    Nothing is created: a lock that was never made yields None.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield fd if _try(fd, fcntl.LOCK_SH) else None
    finally:
        os.close(fd)


@asynccontextmanager
async def exclusive(path: Path, *, timeout_s: float) -> AsyncIterator[int]:
    """Hold the lock alone; yields its descriptor.

    Raises:
        StoreUnavailable: others held it for `timeout_s` seconds.
    """
    fd = _open(path)
    try:
        if not await until(lambda: _try(fd, fcntl.LOCK_EX), timeout_s=timeout_s):
            raise StoreUnavailable(
                f"another process has been starting or stopping the embedded server for "
                f"{timeout_s:.0f} s (lock {path})"
            )
        yield fd
    finally:
        os.close(fd)


async def until(holds: Callable[[], bool], *, timeout_s: float) -> bool:
    """Ask again and again, for at most `timeout_s`; say whether it came to hold."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_s
    while not holds():
        if loop.time() > end:
            return False
        await asyncio.sleep(_POLL_S)
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

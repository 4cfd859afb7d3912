"""A proxy in front of PostgreSQL, on a unix socket, that makes trouble when it is told to."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before", "after"]
Trouble = Literal["before", "after", "swallow"] | float
"""What becomes of a request: cut before the server hears of it; cut after the server has done it;
done, and never answered, though the connection stays; or so many seconds late."""


@dataclass(slots=True)
class _Line:
    """One connection: what happens to it, and which request that is about."""

    request: bytes = b""
    is_doomed: bool = False
    is_silent: bool = False


class CuttingProxy:
    """Passes bytes on; cuts the connection of a request that holds `words`.

    Attributes:
        url: the database's URL, through this proxy.
        opened: how many connections there have been.
        cuts: how many connections were cut.
        lost: how many requests that count the server has granted, and nobody heard of it.
        between: called when a connection was cut, before anybody can know.
        choose: told of every request, says what becomes of it; None for nothing.
        is_counted: says which requests count.
    """

    def __init__(self, target: str, folder: Path) -> None:
        self.url = make_conninfo(target, host=str(folder), port=5432, hostaddr=None)
        self.opened = 0
        self.cuts = 0
        self.lost = 0
        self.between: Callable[[], Awaitable[object]] | None = None
        self.choose: Callable[[bytes], Trouble | None] = self._as_told
        self.is_counted: Callable[[bytes], bool] = bool
        self._target = conninfo_to_dict(target)
        self._words = b""
        self._left = 0
        self._trouble: Trouble = "after"
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self, words: bytes, *, moment: Moment = "after", times: int = 1) -> None:
        """Cut the next requests that hold `words`.

        Args:
            words: part of the SQL text.
            moment: `before` the server hears of it, or `after` it has done it and answered.
            times: how many connections.
        """
        self.trouble(words, moment, times=times)

    def trouble(self, words: bytes, trouble: Trouble, *, times: int = 1) -> None:
        """Make trouble for the next requests that hold `words`."""
        self._words, self._left, self._trouble = words, times, trouble

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, to its end or to its cut."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.opened += 1
        try:
            server_reader, server_writer = await self._open()
        except OSError:  # the server is away
            writer.close()
            return
        line = _Line()
        ways = [
            asyncio.create_task(self._requests(reader, server_writer, line)),
            asyncio.create_task(self._answers(server_reader, writer, line)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if line.is_doomed:
                self.cuts += 1
                if self.between is not None:
                    await self.between()
        except asyncio.CancelledError:
            pass  # the proxy closes, and asyncio would log a cancelled handler as an error
        finally:
            for end in (writer, server_writer):  # before any await, which might be cancelled
                end.close()
            for way in ways:
                way.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(
                    *ways,
                    writer.wait_closed(),
                    server_writer.wait_closed(),
                    return_exceptions=True,
                )

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close a step after they are told to

    def _as_told(self, request: bytes) -> Trouble | None:
        if self._left and self._words in request:
            self._left -= 1
            return self._trouble
        return None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._target.get("host")), int(self._target.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, line: _Line
    ) -> None:
        while request := await client.read(65536):
            match self.choose(request):
                case None:
                    pass
                case "before":
                    line.is_doomed = True
                    return
                case "after":
                    line.request, line.is_doomed = request, True
                case "swallow":
                    line.request, line.is_silent = request, True
                case seconds:
                    await asyncio.sleep(seconds)
            server.write(request)

    async def _answers(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, line: _Line
    ) -> None:
        while answer := await server.read(65536):
            if line.request:
                self.lost += self.is_counted(line.request) and _grants(answer)
                line.request = b""
            if line.is_doomed:
                return
            if not line.is_silent:
                client.write(answer)


def _grants(answer: bytes) -> bool:
    """Say whether an answer tells of a command that was done, and of no error."""
    kinds = set(_kinds(answer))
    return b"C" in kinds and b"E" not in kinds


def _kinds(answer: bytes) -> Iterator[bytes]:
    """Yield the kind of each message in an answer: a byte, then a length that counts itself."""
    at = 0
    while at + 5 <= len(answer):
        yield answer[at : at + 1]
        at += 1 + int.from_bytes(answer[at + 1 : at + 5], "big")


@contextlib.asynccontextmanager
async def cutting_proxy(target: str) -> AsyncIterator[CuttingProxy]:
    """Serve a proxy to `target` while the context lasts."""
    with tempfile.TemporaryDirectory(prefix="proxy") as folder:
        proxy = CuttingProxy(target, Path(folder))
        server = await asyncio.start_unix_server(proxy.serve, Path(folder) / ".s.PGSQL.5432")
        try:
            yield proxy
        finally:
            server.close()
            await proxy.close()
            await server.wait_closed()

"""A proxy in front of PostgreSQL, on a unix socket, that cuts connections when it is told to."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Moment = Literal["before", "after"]


class CuttingProxy:
    """Passes bytes on; cuts the connection of a request that holds `words`.

    Attributes:
        url: the database's URL, through this proxy.
        opened: how many connections there have been.
        cuts: how many connections were cut.
        between: called when a connection was cut, before anybody can know.
    """

    def __init__(self, target: str, folder: Path) -> None:
        self.url = make_conninfo(target, host=str(folder), port=5432, hostaddr=None)
        self.opened = 0
        self.cuts = 0
        self.between: Callable[[], Awaitable[object]] | None = None
        self._target = conninfo_to_dict(target)
        self._words = b""
        self._left = 0
        self._moment: Moment = "after"
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self, words: bytes, *, moment: Moment = "after", times: int = 1) -> None:
        """Cut the next requests that hold `words`.

        Args:
            words: part of the SQL text.
            moment: `before` the server hears of it, or `after` it has done it and answered.
            times: how many connections.
        """
        self._words, self._left, self._moment = words, times, moment

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, to its end or to its cut."""
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self.opened += 1
        server_reader, server_writer = await self._open()
        doomed = asyncio.Event()
        ways = [
            asyncio.create_task(self._requests(reader, server_writer, doomed)),
            asyncio.create_task(self._answers(server_reader, writer, doomed)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if doomed.is_set():
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

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = str(self._target.get("host")), int(self._target.get("port") or 5432)
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while request := await client.read(65536):
            if self._left and self._words in request:
                self._left -= 1
                doomed.set()
                if self._moment == "before":
                    return
            server.write(request)

    async def _answers(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while answer := await server.read(65536):
            if doomed.is_set():
                return
            client.write(answer)


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

"""A pooler in front of PostgreSQL, on a unix socket: many clients, few sessions of the server.

It does what PgBouncer does in its modes, and no more.
"""

import asyncio
import contextlib
import struct
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from psycopg.conninfo import conninfo_to_dict, make_conninfo

Mode = Literal["statement", "transaction", "session"]
Order = Literal["newest", "in turn"]

_PROTOCOL = 3 << 16
_OUTSIDE = b"I"  # of ReadyForQuery: no transaction is open
_NO_TRANSACTIONS = b"SFATAL\0C08P01\0Mtransaction blocks not allowed\0\0"
_ENDS_REQUEST = (b"Q", b"S", b"X")  # Query, Sync, Terminate


@dataclass(frozen=True, slots=True)
class Frame:
    """A message of PostgreSQL's protocol: its letter and its body."""

    kind: bytes
    body: bytes

    def __bytes__(self) -> bytes:
        return self.kind + struct.pack("!I", len(self.body) + 4) + self.body


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    kind = await reader.readexactly(1)
    [length] = struct.unpack("!I", await reader.readexactly(4))
    return Frame(kind, await reader.readexactly(length - 4))


@dataclass
class Session:
    """A session of the server, logged in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: list[Frame]

    async def ask(self, request: bytes, client: asyncio.StreamWriter) -> bool:
        """Pass a request and its answer on; say whether the session is outside a transaction."""
        self.writer.write(request)
        while True:
            frame = await read_frame(self.reader)
            client.write(bytes(frame))
            if frame.kind == b"Z":
                return frame.body == _OUTSIDE


@dataclass
class Pooler:
    """Lends sessions to clients.

    Attributes:
        url: the database's URL, through this pooler.
        mode: for how long a session is lent: for a statement (and transactions are refused), for
            a transaction, or for as long as a client stays.
        order: which idle session is lent next.
        most: how many sessions there may be at once.
    """

    target: str
    folder: Path
    mode: Mode
    order: Order
    most: int
    chance: Random = field(default_factory=lambda: Random(5))
    idle: list[Session] = field(default_factory=list)
    opened: list[Session] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return make_conninfo(self.target, host=str(self.folder), port=5432, hostaddr=None)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one client to its end."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        try:
            await self._carry(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client is gone, or the pooler is
        finally:
            writer.close()

    async def close(self) -> None:
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in self.opened:
            session.writer.close()
            with contextlib.suppress(ConnectionError):
                await session.writer.wait_closed()
        await asyncio.sleep(0)  # transports close a step after they are told to

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        [length, protocol] = struct.unpack("!II", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        if protocol != _PROTOCOL:
            return  # a request to cancel
        session: Session | None = await self._take()
        assert session is not None
        key = struct.pack("!II", self.chance.getrandbits(31), self.chance.getrandbits(31))
        for frame in (*session.greeting, Frame(b"K", key), Frame(b"Z", _OUTSIDE)):
            writer.write(bytes(frame))
        try:
            if self.mode == "session":
                await _pass_on(reader, session.writer, session.reader, writer)
                return
            await self._give(session)
            session = None
            while request := await self._request(reader):
                if self.mode == "statement" and b"BEGIN" in request:
                    writer.write(bytes(Frame(b"E", _NO_TRANSACTIONS)))
                    return
                session = session or await self._take()
                if await session.ask(request, writer):
                    await self._give(session)
                    session = None
        finally:
            if session is not None:  # a session that somebody used is not lent to another client
                session.writer.close()
                self.opened.remove(session)
                async with self.freed:
                    self.freed.notify_all()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        """Read up to where the server has to answer; nothing at the end."""
        request = b""
        while True:
            frame = await read_frame(reader)
            request += bytes(frame)
            if frame.kind in _ENDS_REQUEST:
                return b"" if frame.kind == b"X" else request

    async def _take(self) -> Session:
        async with self.freed:
            await self.freed.wait_for(lambda: self.idle or len(self.opened) < self.most)
            if self.idle:
                return self.idle.pop(-1 if self.order == "newest" else 0)
            session = await self._open()
            self.opened.append(session)
            return session

    async def _give(self, session: Session) -> None:
        async with self.freed:
            self.idle.append(session)
            self.freed.notify_all()

    async def _open(self) -> Session:
        given = conninfo_to_dict(self.target)
        path = f"{given['host']}/.s.PGSQL.{given.get('port', 5432)}"
        reader, writer = await asyncio.open_unix_connection(path)
        names = f"user\0{given['user']}\0database\0{given['dbname']}\0\0".encode()
        writer.write(struct.pack("!II", len(names) + 8, _PROTOCOL) + names)
        greeting = []
        while (frame := await read_frame(reader)).kind != b"Z":
            if frame.kind in (b"R", b"S"):
                greeting.append(frame)
        return Session(reader, writer, greeting)


async def _pass_on(
    client: asyncio.StreamReader,
    server: asyncio.StreamWriter,
    answers: asyncio.StreamReader,
    asker: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until one side ends: a server may speak without being asked."""

    async def one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while words := await source.read(65536):
            target.write(words)

    ways = [
        asyncio.create_task(one_way(client, server)),
        asyncio.create_task(one_way(answers, asker)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


@contextlib.asynccontextmanager
async def pooler(
    target: str, mode: Mode, *, order: Order = "newest", most: int = 20
) -> AsyncIterator[Pooler]:
    """Serve a pooler to `target`, which must ask for no password, while the context lasts."""
    with tempfile.TemporaryDirectory(prefix="pooler") as folder:
        served = Pooler(target, Path(folder), mode, order, most)
        server = await asyncio.start_unix_server(served.serve, Path(folder) / ".s.PGSQL.5432")
        try:
            yield served
        finally:
            server.close()
            await served.close()
            await server.wait_closed()

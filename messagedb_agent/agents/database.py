"""Where threads are kept: the embedded server, or a Message DB that a URL names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    NotMessageDb,
    StoreUnavailable,
    ValidationError,
)
from messagedb_agent.events.recorded import is_whole
from messagedb_agent.store import address as addresses

if TYPE_CHECKING:
    from messagedb_agent.store.embedded import EmbeddedSettings
    from messagedb_agent.store.message_db import MessageDbStore

APPLICATION = "messagedb-agent"


def check_bounds(min_size: int, max_size: int, max_inactive_s: float) -> None:
    """Refuse bounds on connections that are none.

    Raises:
        ValidationError: one is no number, too small, or the least is above the most; `field` says
            which, as `connect` calls it.
    """
    if not is_whole(max_size) or max_size < 1:
        raise ValidationError("max_size: it is no whole number from 1 on", field="max_size")
    if not is_whole(min_size) or not 0 <= min_size <= max_size:
        raise ValidationError(
            f"min_size: it is no whole number from 0 to max_size, which is {max_size}",
            field="min_size",
        )
    if not _is_time(max_inactive_s):
        field_name = "max_inactive_connection_lifetime"
        raise ValidationError(f"{field_name}: it is no number of seconds above 0", field=field_name)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < inf


def default_home() -> Path:
    """Return the folder of this package's user data, as the platform has it."""
    from platformdirs import user_data_path

    return user_data_path(APPLICATION, appauthor=False)


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """How a database stands.

    Attributes:
        lines: what there is to say, for a person.
        problem: why it cannot be used; None where it can, or where nothing runs yet.
    """

    lines: tuple[str, ...]
    problem: AgentError | None = None


@dataclass(frozen=True, slots=True)
class Database:
    """A Message DB, not yet connected to.

    Attributes:
        address: its `postgresql://` URL, or a connection string of libpq's; None means the
            embedded server.
        home: folder of the embedded server; the platform's user data folder by default.
        idle_s: the embedded server ends after this many seconds without a client.
        postgres_bin: `bin` folder of an installed PostgreSQL to embed.
        min_size: how many connections are opened at once, and kept when nobody needs them.
        max_size: how many connections may be open at once.
        max_inactive_s: a connection beyond `min_size` that is unused for longer is closed.

    Raises:
        ValidationError: a bound on connections is none; `field` says which.
    """

    address: str | None = field(default=None, repr=False)
    home: Path = field(default_factory=default_home)
    idle_s: float = 600
    postgres_bin: Path | None = None
    min_size: int = 0
    max_size: int = 10
    max_inactive_s: float = 300

    def __post_init__(self) -> None:
        check_bounds(self.min_size, self.max_size, self.max_inactive_s)

    @property
    def display_address(self) -> str | None:
        """The URL without user and password; None for the embedded server."""
        return self.address and addresses.shown(self.address)

    @property
    def data(self) -> Path | None:
        """Folder of the embedded server's data, there or not yet; None for another database.

        As root it may lie outside `home`, where the account that runs the server may go.

        Raises:
            ConfigurationError: there can be no embedded server here.
        """
        if self.address is not None:
            return None
        from messagedb_agent.store import embedded

        return embedded.data_folder(self._settings())

    async def connect(self) -> "MessageDbStore":
        """Connect, starting the embedded server first where it does not run.

        Raises:
            ConfigurationError: the URL, role, password or database is wrong, or the embedded
                server cannot be had here.
            StoreUnavailable: the server was not reached, or did not start.
            NotMessageDb: Message DB is not, or not wholly, in the database.
            UnsupportedMessageDb: another version of it.
        """
        from messagedb_agent.store.message_db import MessageDbStore
        from messagedb_agent.store.pool import PoolLimits

        limits = PoolLimits(
            min_size=self.min_size, max_size=self.max_size, max_inactive_s=self.max_inactive_s
        )
        if self.address is not None:
            return await MessageDbStore.connect(self._checked(self.address), limits=limits)
        try:
            return await MessageDbStore.connect(await self.url(), limits=limits)
        except StoreUnavailable:
            # The server may have ended, idle, between the two steps: start it once more.
            return await MessageDbStore.connect(await self.url(), limits=limits)

    async def url(self, *, admin: bool = False) -> str:
        """Return a URL for any client, starting the embedded server where it does not run.

        Args:
            admin: whether the owner's is wanted, which only the embedded server has.

        Raises:
            ConfigurationError: the URL is none, or an owner's is wanted of another database.
            StoreUnavailable: the embedded server did not start.
        """
        if self.address is not None:
            if admin:
                raise ConfigurationError(
                    "only the embedded server has an owner's URL", field="admin"
                )
            return self._checked(self.address)
        from messagedb_agent.store import embedded

        server = await embedded.start(self._settings())
        return server.admin_url if admin else server.url

    async def status(self) -> DatabaseStatus:
        """Say in a few lines where threads are kept and how it stands; starts nothing.

        Where the embedded server does not run, `problem` is what would keep it from starting.
        """
        if self.address is not None:
            return await self._report((f"database: {self.display_address}",))
        from messagedb_agent.store import embedded

        found = embedded.status(self._settings())
        running = f"running, process {found.server.pid}" if found.server else "not running"
        lines = (f"database: embedded, {running}", f"data: {found.data}", f"log: {found.log}")
        if not found.server:
            problem = embedded.obstacle(self._settings())
            if problem is not None:
                return DatabaseStatus(lines, problem)
            return DatabaseStatus((*lines, "the next command that needs it starts it"))
        return await self._report(lines)

    async def install(self) -> bool:
        """Put Message DB into the database that the URL names, as its owner.

        The embedded server has it from the start. What is installed already is left alone.

        Returns:
            Whether anything was missing, and is there now.

        Raises:
            ConfigurationError: the URL is none, or its role may not install.
            StoreUnavailable: the database was not reached.
            NotMessageDb: a table of that name is there, and is not Message DB's.
            UnsupportedMessageDb: another version is installed.
        """
        from messagedb_agent.store.install import install

        try:
            await (await self.connect()).close()
        except NotMessageDb:
            if self.address is None:
                raise
            await install(self._checked(self.address))
            return True
        return False

    async def install_views(self) -> None:
        """Put views of threads into the database, as its owner; newer ones replace older ones.

        Raises:
            ConfigurationError: the URL is none, or its role may not install.
            StoreUnavailable: the database was not reached.
            StoreError: something else is in the way.
        """
        from messagedb_agent.store.views import install_views

        await install_views(await self.url(admin=self.address is None))

    async def install_search(self) -> None:
        """Make what a search reads, as the owner; the embedded server has it from the start.

        It is empty at first, and is brought up to date by each search.

        Raises:
            ConfigurationError: the URL is none, or its role may not install.
            StoreUnavailable: the database was not reached.
            StoreError: something else is in the way.
        """
        from messagedb_agent.store.search_index import install_search

        await install_search(await self.url(admin=self.address is None))

    async def drop_snapshots(self, category: str, thread_ids: Collection[str] | None = None) -> int:
        """Delete the snapshots of threads, as the owner; the next turns fold all of them again.

        Args:
            category: category of the threads, such as `agent:v0`.
            thread_ids: ids of the threads; None for all there are.

        Returns:
            How many messages were deleted.

        Raises:
            ConfigurationError: the URL is none, or its role may not delete: Message DB's own
                may read and append alone.
            StoreUnavailable: the database was not reached.
        """
        from messagedb_agent.store.derived import drop_snapshots

        return await drop_snapshots(
            await self.url(admin=self.address is None), category, thread_ids
        )

    async def stop(self, *, force: bool = False) -> bool:
        """End the embedded server at once; False where none ran.

        Raises:
            Refused: other clients are connected, and `force` is not set.
            ConfigurationError: the database is not the embedded server.
        """
        if self.address is not None:
            raise ConfigurationError("only the embedded server can be stopped", field="url")
        from messagedb_agent.store import embedded

        return await embedded.stop(self._settings(), force=force)

    def psql(self) -> Sequence[str]:
        """Return the command that runs psql; the one that comes with the embedded server.

        Raises:
            ConfigurationError: there is none.
        """
        from messagedb_agent.store import embedded

        found = embedded.psql(self._settings())
        if found is None:
            raise ConfigurationError("there is no psql here", field="POSTGRES_BIN")
        return (str(found),)

    async def _report(self, lines: tuple[str, ...]) -> DatabaseStatus:
        try:
            await (await self.connect()).close()
        except AgentError as error:
            return DatabaseStatus(lines, error)
        return DatabaseStatus((*lines, "Message DB: installed, can be read and written"))

    @staticmethod
    def _checked(address: str) -> str:
        addresses.require_well_formed(address)
        return addresses.cleaned(address)

    def _settings(self) -> "EmbeddedSettings":
        from messagedb_agent.store.embedded import EmbeddedSettings

        return EmbeddedSettings(self.home, self.idle_s, self.postgres_bin)

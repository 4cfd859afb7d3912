"""The commands of `db`: how they are called. What they do stands in `commands.operations`."""

from typing import Annotated

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.shape import AllThreads, MaybeThread, command, new_group

Admin = Annotated[bool, typer.Option("--admin", help="As the owner of the embedded server.")]

group = new_group("The database: the embedded server, or one that settings name.")


@command(group, "status")
def _status(common: Common) -> int:
    """Say where threads are kept and whether that works; starts nothing."""
    from messagedb_agent.cli.commands import operations

    return operations.status(common)


@command(group, "install")
def _install(
    common: Common,
    views: Annotated[
        bool, typer.Option("--views", help="Also SQL views of threads; as the owner.")
    ] = False,
    search: Annotated[
        bool, typer.Option("--search", help="Also what `search` reads; as the owner.")
    ] = False,
) -> int:
    """Put Message DB into the database that the settings name."""
    from messagedb_agent.cli.commands import operations

    return operations.install(common, views=views, search=search)


@command(group, "url")
def _url(common: Common, admin: Admin = False) -> int:
    """Print a URL for any client."""
    from messagedb_agent.cli.commands import operations

    return operations.url(common, admin=admin)


@command(group, "shell")
def _shell(common: Common, admin: Admin = False) -> int:
    """Open psql on the database."""
    from messagedb_agent.cli.commands import operations

    return operations.shell(common, admin=admin)


@command(group, "snapshots")
def _snapshots(
    common: Common,
    thread: MaybeThread = None,
    take_all: AllThreads = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove them; nothing else is lost. As the owner.")
    ] = False,
) -> int:
    """Write snapshots of long threads, or drop them: they only save time."""
    from messagedb_agent.cli.commands import snapshots

    return snapshots.snapshots(common, snapshots.Snapshots(thread, take_all, drop))


@command(group, "reindex")
def _reindex(
    common: Common,
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget what was taken in, and take in all.")
    ] = False,
) -> int:
    """Take in what `search` reads, as each search does; the first time that may last."""
    from messagedb_agent.cli.commands import searching

    return searching.reindex(common, anew=anew)


@command(group, "stop")
def _stop(
    common: Common,
    force: Annotated[bool, typer.Option("--force", help="Even while others use it.")] = False,
) -> int:
    """End the embedded server."""
    from messagedb_agent.cli.commands import operations

    return operations.stop(common, force=force)

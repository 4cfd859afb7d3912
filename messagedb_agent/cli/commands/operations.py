"""`db`: looking after the database."""

import os

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.next_steps import with_remedy
from messagedb_agent.cli.opening import set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.streams import give_back
from messagedb_agent.cli.terminal import note, out


def status(common: Common) -> int:
    """Say where threads are kept and how that stands."""
    found = run(set_up(common).database.status())
    for line in found.lines:
        out(line)
    if found.problem is None:
        return ExitCode.OK
    note(f"error: {with_remedy(common, found.problem)}")
    return exit_code_of(found.problem)


def install(common: Common, *, views: bool, search: bool) -> int:
    """Put Message DB into the database, and what else is asked for: views, what a search reads."""
    database = set_up(common).database
    was_missing = run(database.install())
    note("Message DB is installed" if was_missing else "Message DB was there; nothing is changed")
    if views:
        run(database.install_views())
        note("the views are installed, in the schema messagedb_agent")
    if search:
        run(database.install_search())
        note("what a search reads is installed, in the schema messagedb_agent")
    return ExitCode.OK


def url(common: Common, *, admin: bool) -> int:
    """Print a URL."""
    out(run(set_up(common).database.url(admin=admin)))
    return ExitCode.OK


def shell(common: Common, *, admin: bool) -> int:
    """Become psql: signals and the terminal are its own from here on."""
    database = set_up(common).database
    program, *arguments = database.psql()
    address = run(database.url(admin=admin))
    give_back()
    options = os.environ.get("PGOPTIONS", "-c search_path=message_store,public")
    environment = {**os.environ, "PGOPTIONS": options}
    os.execve(program, [program, *arguments, address], environment)  # noqa: S606 - no shell


def stop(common: Common, *, force: bool) -> int:
    """End the embedded server."""
    was_running = run(set_up(common).database.stop(force=force))
    note("the embedded server has ended" if was_running else "the embedded server does not run")
    return ExitCode.OK

"""`anchor`: the heads of all there is, written to a file that is to be kept elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from messagedb_agent.cli.commands.checking import ProcessEnded, check_all
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.json import utc_text
from messagedb_agent.cli.running import run
from messagedb_agent.cli.tally import Tally, threads_text
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.recorded import utc_time

if TYPE_CHECKING:
    from messagedb_agent.audit import Anchor, Checked, CheckedStream, Head, Verification


def anchor(common: Common, file: Path, processes: int | None) -> int:
    """Verify all threads, and what stands beside them, and write the heads of what verifies."""
    setup = set_up(common)
    tally = Tally(names_others=False)
    heads: list[Head] = []

    def keep(found: "Verification") -> None:
        if found.head and not found.finding:
            heads.append(found.head)

    def add(checked: "Checked") -> None:
        tally.add(checked)
        keep(checked.found)

    def add_beside(checked: "CheckedStream") -> None:
        tally.beside.add(checked)
        keep(checked.found)

    async def check() -> datetime:
        from messagedb_agent.audit import beside_streams, check_beside, thread_ids

        async with opened(setup) as engine:
            ids = await thread_ids(engine)
            begun = utc_time(engine._workings.writing.clock.now_ms())
            tally.of = len(ids)
            await check_all(setup, engine, ids, add, processes=processes)
            tally.counter.clear()
            await check_beside(engine, await beside_streams(engine), add_beside)
        return begun

    try:
        with _new(file) as opened_file:
            try:
                begun = run(check())
            finally:
                tally.counter.clear()
            _write(setup, opened_file, begun, heads)
    except ProcessEnded as ended:
        return ended.told()
    except FileExistsError:
        raise ValidationError(
            f"{str(file)!r} is there already; an anchor is kept, and never written over",
            field="file",
        ) from None
    except OSError as error:
        note(f"error: {str(file)!r} cannot be written: {error.strerror}")
        return ExitCode.OUTPUT
    _tell(setup, file, tally)
    return ExitCode.FINDING if tally.is_wrong else ExitCode.OK


@contextmanager
def _new(file: Path) -> Iterator[IO[bytes]]:
    """Make a file, before the work; it is gone again where the work fails."""
    with file.open("xb") as opened_file:
        try:
            yield opened_file
        except BaseException:
            with suppress(OSError):
                file.unlink()
            raise


def _write(setup: Setup, file: IO[bytes], begun: datetime, heads: "list[Head]") -> None:
    from messagedb_agent.audit import anchor_text

    text = anchor_text(_category(setup), utc_text(begun), heads, _key(setup))
    file.write(text.encode())
    file.flush()
    os.fsync(file.fileno())


def _tell(setup: Setup, file: Path, tally: Tally) -> None:
    signed = "signed" if _key(setup) else "not signed, as ANCHOR_KEY is not set"
    sound = threads_text(tally.threads - tally.wrong) + tally.beside.names(wrong=False)
    note(f"anchored: {sound} in {str(file)!r}, {signed}")
    if tally.is_wrong:
        wrong = threads_text(tally.wrong) + tally.beside.names(wrong=True)
        note(f"left out: {wrong} that cannot be verified")
    later = command(setup.common, "verify", "--all", "--anchor", str(file))
    note(f"keep it where nobody of the database can change it; later: {later}")


def read(setup: Setup, file: Path) -> "Anchor":
    """Read an anchor, and check it with the key that is set.

    Raises:
        ValidationError: it cannot be read, is cut off, or of another category or version.
        ConfigurationError: it is signed, and no key is set.
        IntegrityError: it was changed, or is not signed with the key that is set.
    """
    from messagedb_agent.audit import Kinds, read_anchor

    try:
        text = file.read_bytes()
    except OSError as error:
        raise ValidationError(
            f"{str(file)!r} cannot be read: {error.strerror}", field="anchor"
        ) from error
    category = _category(setup)
    return read_anchor(text, category, _key(setup), beside=Kinds(category).beside)


def _category(setup: Setup) -> str:
    return f"{setup.common.category}:{setup.common.version}"


def _key(setup: Setup) -> str | None:
    key = setup.loaded.settings.anchor_key
    return key.get_secret_value() if key else None

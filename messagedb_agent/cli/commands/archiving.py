"""`export` and `import`: threads as JSON Lines, and back."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import IO, TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode, exit_code_of
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.counter import Counter
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.streams import flush_answers
from messagedb_agent.cli.tally import threads_text
from messagedb_agent.cli.terminal import note, one_line, out, write
from messagedb_agent.errors import Conflict, IntegrityError, RefusedPayload, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.audit import Archive, ThreadImport


def export(common: Common, threads: Sequence[str], *, take_all: bool) -> int:
    """Print threads, and name those that no import will take."""
    setup = set_up(common)

    async def work() -> int:
        from messagedb_agent.audit import archive_lines, missing_parents

        async with opened(setup) as engine:
            ids = await named_or_all(engine, threads, take_all=take_all)
            async for line in archive_lines(engine, ids):
                write(line)
            flush_answers()
            note(f"exported: {threads_text(len(ids))}")
            for thread, parent in await missing_parents(engine, ids):
                both = command(setup.common, "export", parent, thread)
                note(f"thread {thread} was forked from {parent}, which is not here; both: {both}")
            return await _tell_refused(setup, engine, ids)

    return ExitCode.FINDING if run(work()) else ExitCode.OK


async def _tell_refused(setup: Setup, engine: "Engine", ids: Sequence[str]) -> int:
    """Say which threads an import will refuse; return how many."""
    from messagedb_agent.audit import refused_exports

    counter, checked, refused, of = Counter(), count(1), 0, threads_text(len(ids))
    said = partial(_checked, counter, checked, of)
    try:
        async for thread, why in refused_exports(engine, ids, said):
            refused += 1
            counter.clear()
            note(f"import will refuse thread {thread}: {one_line(str(why))}")
    finally:
        counter.clear()
    if refused:
        skipping = command(setup.common, "import", "FILE", "--skip-refused")
        note(f"{threads_text(refused)} of {len(ids)} refused; the others: {skipping}")
    return refused


def _checked(counter: Counter, checked: "count[int]", of: str, _: object = None) -> None:
    counter.show(f"{next(checked):,} of {of} checked")


def check_named(threads: Sequence[str], *, take_all: bool) -> None:
    """Refuse a command that names no threads and does not say all, or does both."""
    if bool(threads) is take_all:
        raise ValidationError("name threads, or say --all", field="threads")


async def named_or_all(
    engine: "Engine", threads: Sequence[str], *, take_all: bool
) -> Sequence[str]:
    """Return the ids of threads as typed, each once; or of all threads."""
    if take_all:
        from messagedb_agent.audit import thread_ids

        return await thread_ids(engine)
    return tuple(dict.fromkeys([await engine.find_thread(name) for name in threads]))


def import_(common: Common, file: str, form: str, *, skips_refused: bool) -> int:
    """Write the threads of a file."""
    setup = set_up(common)
    imported: list[ThreadImport] = []
    skipping = command(setup.common, "import", file, "--skip-refused")

    async def work(archive: "Archive") -> None:
        from messagedb_agent.audit import check_import, import_threads

        counter, of = Counter(), threads_text(len(archive.parts))
        said = partial(_checked, counter, count(1), of)
        async with opened(setup) as engine:
            try:
                plans = await check_import(engine, archive, said, skips_refused=skips_refused)
            except (IntegrityError, RefusedPayload, Conflict) as error:
                if len(archive.parts) > 1:
                    error.args = (f"{error}; the other threads: {skipping}",)
                raise
            finally:
                counter.clear()
            async for one in import_threads(engine, archive, plans, skips_refused=skips_refused):
                imported.append(one)
                if form == "text":
                    write(_line(one))

    with _readable(file) as opened_file:
        from messagedb_agent.audit import open_archive

        category = f"{setup.common.category}:{setup.common.version}"
        run(work(open_archive(opened_file, category)))
    if form == "json":
        out(text_of([_json(one) for one in imported]))
    _tell(setup, imported)
    refused = [one.refused for one in imported if one.refused]
    return exit_code_of(refused[0]) if refused else ExitCode.OK


@contextmanager
def _readable(name: str) -> Iterator[IO[bytes]]:
    """Open a file that can be read more than once; what comes in a pipe is kept in one meanwhile.

    Raises:
        ValidationError: it cannot be read.
    """
    try:
        file = _kept(sys.stdin) if name == "-" else open(name, "rb")  # noqa: SIM115 - closed below
        if not file.seekable():
            file = _kept(file)
    except OSError as error:
        raise ValidationError(f"{name!r} cannot be read: {error.strerror}", field="file") from error
    with file:
        yield file


def _kept(source: IO[Any] | None) -> IO[bytes]:
    """Return a file of our own with all that comes from a pipe, at its beginning."""
    if source is None:
        raise ValidationError("standard input is closed", field="file")
    kept = tempfile.TemporaryFile()  # noqa: SIM115 - its user closes it
    shutil.copyfileobj(getattr(source, "buffer", source), kept)
    kept.seek(0)
    return kept


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _line(one: "ThreadImport") -> str:
    if one.refused:
        return one_line(f"left out: thread {one.thread_id}: {one.refused}")
    if not one.new:
        return f"there already: thread {one.thread_id}"
    beside = f"; {one.there} were there already" if one.there else ""
    return f"imported: thread {one.thread_id}, {_messages(one.new)}{beside}"


def _json(one: "ThreadImport") -> dict[str, object]:
    refused = str(one.refused) if one.refused else None
    return {
        "threadId": one.thread_id,
        "written": one.new,
        "there": one.there,
        "refused": refused,
    }


def _tell(setup: Setup, imported: "Sequence[ThreadImport]") -> None:
    written, refused = sum(one.new for one in imported), sum(bool(one.refused) for one in imported)
    if refused:
        note(f"{threads_text(refused)} of {len(imported)} left out")
    if written:
        note(f"{_messages(written)} written; their global positions and times are new here")
    elif refused < len(imported):
        note(f"nothing was written: all {'else' if refused else 'of it'} is there already")
    else:
        note("nothing was written")
    note(f"check with: {command(setup.common, 'verify', '--all')}")

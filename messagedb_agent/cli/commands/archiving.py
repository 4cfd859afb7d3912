"""`export` and `import`: threads, and what stands beside them, as JSON Lines, and back."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import IO, TYPE_CHECKING, Any

from messagedb_agent.cli.beside_tally import beside_text
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
    from messagedb_agent.audit import Archive, Kinds, StreamImport


@dataclass(frozen=True, slots=True)
class Carried:
    """What is exported beside threads; None where it is not said.

    With all threads all of it is carried. With some of them it is what they refer to, if that is
    asked for: what is known of users does not leave unasked.

    Attributes:
        memory: users' memory.
        definitions: named definitions.
    """

    memory: bool | None = None
    definitions: bool | None = None

    async def streams(
        self, engine: "Engine", thread_ids: Sequence[str], *, take_all: bool
    ) -> Sequence[str]:
        """Return the streams that are carried with threads."""
        from messagedb_agent.audit import Kind, beside_streams, engine_kinds, referred_streams

        asked: tuple[tuple[Kind, bool | None], ...]
        asked = (("user", self.memory), ("definition", self.definitions))
        wanted = [kind for kind, is_asked in asked if (take_all if is_asked is None else is_asked)]
        if not take_all:
            return await referred_streams(engine, thread_ids, wanted)
        kinds = engine_kinds(engine)
        return [one for one in await beside_streams(engine) if kinds.of(one) in wanted]


def export(common: Common, threads: Sequence[str], carried: Carried, *, take_all: bool) -> int:
    """Print threads and what is carried with them, and name what no import will take."""
    setup = set_up(common)

    async def work() -> int:
        from messagedb_agent.audit import archive_lines, missing_parents

        async with opened(setup) as engine:
            ids = await named_or_all(engine, threads, take_all=take_all)
            beside = await carried.streams(engine, ids, take_all=take_all)
            async for line in archive_lines(engine, ids, beside):
                write(line)
            flush_answers()
            note(f"exported: {streams_text(setup, ids, beside)}")
            for thread, parent in await missing_parents(engine, ids):
                both = command(setup.common, "export", parent, thread)
                note(f"thread {thread} was forked from {parent}, which is not here; both: {both}")
            return await _tell_refused(setup, engine, ids, beside)

    return ExitCode.FINDING if run(work()) else ExitCode.OK


def streams_text(setup: Setup, ids: Sequence[str], beside: Sequence[str]) -> str:
    """Return how many threads there are, and how much beside them."""
    kinds = _kinds(setup)
    return threads_text(len(ids)) + beside_text([k for one in beside if (k := kinds.of(one))])


async def _tell_refused(
    setup: Setup, engine: "Engine", ids: Sequence[str], beside: Sequence[str]
) -> int:
    """Say what an import will refuse; return how many streams."""
    from messagedb_agent.audit import refused_exports

    every, kinds = len(ids) + len(beside), _kinds(setup)
    counter, checked, refused, of = Counter(), count(1), 0, _counted(every, of_threads=not beside)
    said = partial(_checked, counter, checked, of)
    try:
        async for stream, why in refused_exports(engine, ids, said, beside):
            refused += 1
            counter.clear()
            note(f"import will refuse {kinds.called(stream)}: {one_line(str(why))}")
    finally:
        counter.clear()
    if refused:
        skipping = command(setup.common, "import", "FILE", "--skip-refused")
        what = _counted(refused, of_threads=not beside)
        note(f"{what} of {every} refused; the others: {skipping}")
    return refused


def _counted(count: int, *, of_threads: bool) -> str:
    if of_threads:
        return threads_text(count)
    return "1 stream" if count == 1 else f"{count:,} streams"


def _kinds(setup: Setup) -> "Kinds":
    from messagedb_agent.audit import Kinds

    return Kinds(f"{setup.common.category}:{setup.common.version}")


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
    """Write the threads of a file, and what is carried with them."""
    setup = set_up(common)
    imported: list[StreamImport] = []
    skipping = command(setup.common, "import", file, "--skip-refused")

    async def work(archive: "Archive") -> None:
        from messagedb_agent.audit import check_import, import_threads

        counter, of = Counter(), _counted(len(archive.parts), of_threads=archive.of_threads)
        said = partial(_checked, counter, count(1), of)
        async with opened(setup) as engine:
            try:
                plans = await check_import(engine, archive, said, skips_refused=skips_refused)
            except (IntegrityError, RefusedPayload, Conflict) as error:
                if len(archive.parts) > 1:
                    others = _counted(2, of_threads=archive.of_threads).removeprefix("2 ")
                    error.args = (f"{error}; the other {others}: {skipping}",)
                raise
            finally:
                counter.clear()
            async for one in import_threads(engine, archive, plans, skips_refused=skips_refused):
                imported.append(one)
                if form == "text":
                    write(_line(one, _kinds(setup)))

    with _readable(file) as opened_file:
        from messagedb_agent.audit import open_archive

        run(work(open_archive(opened_file, _kinds(setup).category)))
    if form == "json":
        out(text_of([_json(one, _kinds(setup)) for one in imported]))
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


def _line(one: "StreamImport", kinds: "Kinds") -> str:
    called = kinds.called(one.stream)
    if one.refused:
        return one_line(f"left out: {called}: {one.refused}")
    if not one.new:
        return f"there already: {called}"
    beside = f"; {one.there} were there already" if one.there else ""
    return f"imported: {called}, {_messages(one.new)}{beside}"


def _json(one: "StreamImport", kinds: "Kinds") -> dict[str, object]:
    refused = str(one.refused) if one.refused else None
    return {
        "threadId": one.id if kinds.of(one.stream) == "thread" else None,
        "streamName": one.stream,
        "written": one.new,
        "there": one.there,
        "refused": refused,
    }


def _tell(setup: Setup, imported: "Sequence[StreamImport]") -> None:
    written, refused = sum(one.new for one in imported), sum(bool(one.refused) for one in imported)
    if refused:
        of_threads = all(_kinds(setup).of(one.stream) == "thread" for one in imported)
        note(f"{_counted(refused, of_threads=of_threads)} of {len(imported)} left out")
    if written:
        note(f"{_messages(written)} written; their global positions and times are new here")
    elif refused < len(imported):
        note(f"nothing was written: all {'else' if refused else 'of it'} is there already")
    else:
        note("nothing was written")
    note(f"check with: {command(setup.common, 'verify', '--all')}")

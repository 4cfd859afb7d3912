"""`verify`: whether a thread's log, or every thread's, is what was written."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from messagedb_agent.cli.commands import anchoring
from messagedb_agent.cli.commands.checking import ProcessEnded, check_all
from messagedb_agent.cli.commands.verifying_beside import Beside, verify_beside
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import check_one_or_all
from messagedb_agent.cli.next_steps import begin, command
from messagedb_agent.cli.opening import Setup, opened, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.rendering.verified import finding_line, named_lines, verification_json
from messagedb_agent.cli.running import run
from messagedb_agent.cli.tally import Tally, checked_text
from messagedb_agent.cli.terminal import note, one_line, out, write
from messagedb_agent.errors import AmbiguousName, NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.audit import Anchor, Head, Verification


@dataclass(frozen=True, slots=True)
class Verifying:
    """What is to be verified.

    Attributes:
        thread: the thread; None with `take_all`.
        take_all: every thread of the category; so does an anchor where no thread is named.
        form: `text` or `json`.
        anchor: a file with heads that threads had earlier; None for none.
        processes: how many processes check all threads; None for as many as pay.
        beside: a user or a definition instead; None for threads.
    """

    thread: str | None
    take_all: bool
    form: str
    anchor: Path | None = None
    processes: int | None = None
    beside: Beside | None = None


def verify(common: Common, asked: Verifying) -> int:
    """Check a thread, or all, and print what was found."""
    if asked.beside is None:
        of_anchor = asked.anchor is not None and asked.thread is None
        check_one_or_all(asked.thread, take_all=asked.take_all or of_anchor)
    elif asked.thread is not None or asked.take_all:
        raise ValidationError(
            "--user and --definition stand alone, without threads", field="thread"
        )
    setup = set_up(common)
    anchor = anchoring.read(setup, asked.anchor) if asked.anchor else None
    if anchor and not anchor.is_signed:
        note("the anchor is not signed: whoever can change it can change what it shows")
    if asked.beside is not None:
        return verify_beside(setup, asked.beside, asked.form, anchor)
    if asked.thread is None:
        return _verify_all(setup, asked, anchor)
    return _verify_one(setup, asked.thread, asked.form, anchor)


def _verify_one(setup: Setup, thread: str, form: str, anchor: "Anchor | None") -> int:
    async def check() -> tuple[str, "Verification"]:
        async with opened(setup) as engine:
            head = None
            if anchor is None:
                thread_id = await engine.find_thread(thread)
            else:
                thread_id, head = await _anchored(engine, thread, anchor)
            return thread_id, await engine.verify(thread_id, head)

    thread_id, found = run(check())
    if form == "json":
        out(text_of(verification_json(thread_id, found)))
    else:
        _print_one(setup, thread_id, found)
    return ExitCode.OK if found.finding is None else ExitCode.FINDING


async def _anchored(engine: "Engine", thread: str, anchor: "Anchor") -> tuple[str, "Head"]:
    """Find a thread and its head; it may be known by the anchor alone, where it is gone.

    Raises:
        NotFound: there is no such thread, or it is not in the anchor.
        AmbiguousName: the prefix fits several.
    """
    from messagedb_agent.audit import heads_by_id

    heads = heads_by_id(engine, anchor.heads)
    try:
        thread_id = await engine.find_thread(thread)
    except AmbiguousName:
        raise
    except NotFound:
        gone = [one for one in heads if thread and one.startswith(thread)]
        if thread not in heads and len(gone) != 1:
            raise
        thread_id = thread if thread in heads else gone[0]
    if thread_id not in heads:
        missing = NotFound("anchored thread", thread_id)
        missing.args = (f"thread {thread_id} is not in the anchor of {anchor.made_at}",)
        raise missing
    return thread_id, heads[thread_id]


def _print_one(setup: Setup, thread_id: str, found: "Verification") -> None:
    checked = checked_text(found.events - len(found.foreign), found.requests)
    if found.snapshots:
        checked += f", {found.snapshots} snapshot{'s' if found.snapshots > 1 else ''}"
    if found.definitions:
        checked += f", {found.definitions} definition{'s' if found.definitions > 1 else ''}"
    if found.memories:
        checked += f", {found.memories} recollection{'s' if found.memories > 1 else ''}"
    for line in named_lines(found):
        write(one_line(line))
    if found.finding is None:
        write(f"verified: {checked}")
    else:
        write(one_line(finding_line(found.finding)))
        write(f"not verified: thread {thread_id}, {checked}")
        if found.finding.type:  # else there is no such row
            whose, at = found.finding.stream.partition("-")[2], str(found.finding.position)
            note(f"look at it: {command(setup.common, 'replay', whose, '--at', at)}")


def _verify_all(setup: Setup, asked: Verifying, anchor: "Anchor | None") -> int:
    tally = Tally(is_quiet=asked.form == "json")
    heads = anchor.heads if anchor else {}

    async def check() -> int:
        from messagedb_agent.audit import anchored_ids, beside_streams, check_beside, thread_ids

        async with opened(setup) as engine:
            there, known = await thread_ids(engine), anchored_ids(engine, heads)
            ids = tuple(dict.fromkeys((*there, *known)))
            tally.of = len(ids)
            await check_all(setup, engine, ids, tally.add, heads, asked.processes)
            tally.counter.clear()
            beside = tuple(dict.fromkeys((*await beside_streams(engine), *heads)))
            await check_beside(engine, beside, tally.beside.add, heads)
            new = sum(one.stream not in heads for one in tally.beside.checked)
            return len(ids) - len(known) + new

    try:
        new = run(check())
    except ProcessEnded as ended:
        return ended.told()
    finally:
        tally.counter.clear()
    if asked.form == "json":
        out(text_of({**tally.json, "anchor": anchor and _anchor_json(anchor, new)}))
    else:
        write(one_line(tally.summary + (_of_anchor(anchor, new) if anchor else "")))
        if not tally.of:
            note(f"no threads yet; {begin(setup.common)}")
    return ExitCode.FINDING if tally.is_wrong else ExitCode.OK


def _of_anchor(anchor: "Anchor", new: int) -> str:
    beside = f", {new} not in it" if new else ""
    return f"; {len(anchor.heads)} anchored {anchor.made_at}{beside}"


def _anchor_json(anchor: "Anchor", new: int) -> dict[str, object]:
    return {
        "madeAt": anchor.made_at,
        "isSigned": anchor.is_signed,
        "heads": len(anchor.heads),
        "notInIt": new,
    }

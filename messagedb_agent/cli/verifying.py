"""`verify`: whether a thread's log is what was written."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.render_json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import one_line, out

if TYPE_CHECKING:
    from messagedb_agent import Verification


def verify(common: Common, thread: str, form: str) -> int:
    """Check a thread, and print what was found."""
    setup = set_up(common)

    async def check() -> tuple[str, "Verification"]:
        async with opened(setup) as engine:
            thread_id = await engine.find_thread(thread)
            return thread_id, await engine.verify(thread_id)

    thread_id, found = run(check())
    if form == "json":
        out(text_of(_json(thread_id, found)))
    else:
        for line in _lines(thread_id, found):
            out(one_line(line))
    return ExitCode.OK if found.finding is None else ExitCode.FINDING


def _lines(thread_id: str, found: "Verification") -> list[str]:
    ours = found.events - len(found.foreign)
    checked = f"{ours} events, {found.requests} model requests"
    foreign = [f"not ours, not checked: {r.stream}/{r.position} {r.type}" for r in found.foreign]
    unchecked = [
        f"request not checked, its projection is not known here: {r.stream}/{r.position}"
        f" {r.projection} {r.version}"
        for r in found.unchecked
    ]
    named = [*foreign, *unchecked]
    if found.finding is None:
        return [*named, f"verified: {checked}"]
    finding = found.finding
    where = f"{finding.stream}/{finding.position} {finding.type}".rstrip()
    values = [
        f"{name} {value}"
        for name, value in (("recorded", finding.recorded), ("computed", finding.computed))
        if value is not None
    ]
    wrong = f"wrong at {where}: {finding.what}" + (f" ({', '.join(values)})" if values else "")
    return [*named, wrong, f"not verified: thread {thread_id}, {checked}"]


def _json(thread_id: str, found: "Verification") -> Mapping[str, Any]:
    finding = found.finding
    return {
        "threadId": thread_id,
        "events": found.events,
        "requests": found.requests,
        "foreign": [
            {"streamName": r.stream, "position": r.position, "type": r.type} for r in found.foreign
        ],
        "unchecked": [
            {
                "streamName": r.stream,
                "position": r.position,
                "projection": r.projection,
                "version": r.version,
            }
            for r in found.unchecked
        ],
        "finding": finding
        and {
            "streamName": finding.stream,
            "position": finding.position,
            "type": finding.type,
            "what": finding.what,
            "recorded": finding.recorded,
            "computed": finding.computed,
        },
    }

"""The second oracle: what tools did, by their ledger, beside what the log says of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psycopg

from messagedb_agent.agent.bounds import MAX_TOOL_ATTEMPTS
from messagedb_agent.store.stream_name import category_of
from tests.chaos.ledger import Ledger
from tests.chaos.log import Call, Log
from tests.chaos.report import Report
from tests.chaos.tools import POLICIES
from tests.chaos.workload import Said

_NOTES = "SELECT call_id, nonce FROM public.chaos_notes"


class Evidence:
    """What the ledger and the notes table hold, by call.

    Args:
        ledger: where the tools wrote.
        notes: rows of the table that transactional tools write to: call id and nonce.
    """

    def __init__(self, ledger: Ledger, notes: Iterable[tuple[str, str]]) -> None:
        self.begun: dict[str, list[Mapping[str, Any]]] = {}
        self.effects: dict[str, list[str]] = {}
        for line in ledger.lines("begun"):
            self.begun.setdefault(line["call"], []).append(line)
        for line in ledger.lines("effects"):
            self.effects.setdefault(line["call"], []).append(line["nonce"])
        for call_id, nonce in notes:
            self.effects.setdefault(call_id, []).append(nonce)
        for call_id, lines in self.begun.items():
            if kept := ledger.kept(lines[0]["key"]):
                self.effects[call_id] = [kept]


async def gathered(ledger: Ledger, admin_url: str) -> Evidence:
    """Collect what tools have left."""
    async with await psycopg.AsyncConnection.connect(admin_url) as connection:
        notes = await (await connection.execute(_NOTES)).fetchall()
    return Evidence(ledger, notes)


def judge_calls(
    report: Report, log: Log, evidence: Evidence, *, was_paused: Callable[[int], bool]
) -> None:
    """Compare each call with what its tool did.

    Args:
        report: where violations go, and counts.
        log: what the log says.
        evidence: what the tools left.
        was_paused: says of a process whether it was paused while others took over from it: what
            it did too late is counted, and no violation.
    """
    for id in evidence.begun.keys() - log.calls.keys():
        report.require(False, f"{id}: a tool ran, and the log does not know the call")
    for id, call in log.calls.items():
        begun, effects = evidence.begun.get(id, []), evidence.effects.get(id, [])
        for fault in _faults(call, begun, effects):
            report.require(False, f"{id} ({call.tool}): {fault}")
        for fault in _overlaps(call, begun, effects):
            report.counts[f"overlaps: {fault}"] += 1
            excused = any(was_paused(line["pid"]) for line in begun)
            report.require(excused, f"{id} ({call.tool}): {fault}")
        report.counts["calls"] += 1
        report.counts["attempts begun"] += len(begun)
        report.counts["calls taken over"] += len(call.starts) > 1


def _faults(call: Call, begun: list[Mapping[str, Any]], effects: list[str]) -> Iterable[str]:
    if len(call.outcomes) != 1:
        yield f"outcomes: {call.outcomes}"
    attempts = [line["attempt"] for line in begun]
    if len(set(attempts)) < len(attempts):
        yield f"an attempt began twice: {attempts}"
    for line in begun:
        key, claimed_at_s = call.starts.get(line["attempt"], ("", 0.0))
        if key != line["key"]:
            yield f"attempt {line['attempt']} began without its claim, or with another key"
        elif line["at_s"] < claimed_at_s:
            yield f"attempt {line['attempt']} began before its claim"
    if len({key for key, _ in call.starts.values()}) > 1:
        yield f"keys differ: {call.starts}"
    most = 1 if POLICIES[call.tool] == "never" else MAX_TOOL_ATTEMPTS
    if len(call.starts) > most or len(begun) > most:
        yield f"{len(call.starts)} claims and {len(begun)} runs, and at most {most} are allowed"
    if POLICIES[call.tool] == "transactional":
        if effects != call.results:
            yield f"the transaction wrote {effects}, and the outcome says {call.results}"
    elif missing := set(call.results) - set(effects):
        yield f"it has results without effects: {missing}"


def _overlaps(call: Call, begun: list[Mapping[str, Any]], effects: list[str]) -> Iterable[str]:
    policy = POLICIES[call.tool]
    # The time of a row is that of its transaction's begin, which a transactional tool works in.
    if policy != "transactional" and any(line["at_s"] > call.ended_at_s for line in begun):
        yield f"a {policy} tool began after its outcome was recorded"
    if policy == "check" and len(effects) > 1:
        yield "a check tool took effect twice"


def judge_asking(report: Report, log: Log, ledger: Ledger) -> None:
    """Look whether models were asked only for what was claimed, where that was noted.

    Args:
        report: where violations go, and counts.
        log: what the log says.
        ledger: where workers noted that they ask.
    """
    asked = list(ledger.lines("asked"))
    report.counts["times a model was asked"] = len(asked)
    report.counts["workers that had a part"] = len({line["pid"] for line in asked})
    claims = log.counts["LlmCallStarted"]
    report.require(len(asked) <= claims, f"asked {len(asked)} times for {claims} claims")


def judge_messages(
    report: Report, log: Log, ledger: Ledger, said: Mapping[str, Iterable[Said]]
) -> None:
    """Look for everything that somebody was told to stand.

    Args:
        report: where violations go, and counts.
        log: what the log says.
        ledger: where processes noted what they were told.
        said: by thread id, what users said, and were told to have said.
    """
    for line in ledger.lines("acknowledged"):
        if category_of(line["stream"]) not in log.categories:
            continue
        report.counts["acknowledged events"] += len(line["ids"])
        lost = [id for id in line["ids"] if log.places.get(id) != line["stream"]]
        report.require(not lost, f"{line['stream']}: acknowledged, and not there: {lost}")
    report.counts["lost acknowledgements seen"] += sum(1 for _ in ledger.lines("found"))
    texts = list(log.texts.values())
    report.require(len(set(texts)) == len(texts), "a message of a user's stands twice")
    for thread_id, messages in said.items():
        for message in messages:
            stands = log.places.get(message.id, "").endswith(f"-{thread_id}")
            same = log.texts.get(message.id) == message.text
            report.require(stands and same, f"{thread_id}: lost what was said: {message.id}")
            report.counts["messages of users"] += 1

"""Threads for people: the transcript, the conversation, the state, use and lineage."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.rendering.events import cut, here
from messagedb_agent.cli.terminal import harmless, one_line, styled
from messagedb_agent.events.recorded import utc_time

if TYPE_CHECKING:
    from messagedb_agent.agents.family import Branch, Family
    from messagedb_agent.projections.items import Item, ShownCall
    from messagedb_agent.projections.lineage import Lineage
    from messagedb_agent.projections.usage import ThreadUsage

_SHOWN_CHARACTERS = 300
_SPEAKERS = {"user": "you", "assistant": "agent", "reasoning": "agent thinks"}
_WORDS = {
    "approval_asked": "asked for approval",
    "approved": "approved",
    "denied": "denied",
    "note": "outcome found out",
    "continued": "continued",
    "failure": "the model gave no answer",
    "rejected": "not the output that was asked for",
    "cancelled": "stopped",
    "ending": "asked to end",
    "ended": "ended",
    "fork": "forked from",
    "defined": "definition",
    "redefined": "the agent has changed",
    "limit": "limit reached",
    "foreign": "not an event of ours",
    "unreadable": "cannot be read",
}
_SOURCES = {"record": " (from the record; no tool ran)", "given": " (given; no tool ran)"}
_OUTCOMES = {"not_run": "not run", "unknown": "outcome unknown", "asked": "waits for approval"}


def transcript_lines(
    shown: Iterable["Item"], *, full: bool, is_left: bool = False
) -> Iterator[str]:
    """Give what a person reads of a thread.

    Args:
        shown: what there is to read.
        full: cut nothing short.
        is_left: what runs by the log does not, as whoever began it is gone.
    """
    for item in shown:
        if item.kind == "reasoning" and not full:
            continue
        yield ""
        yield from _item_lines(item, full=full, is_left=is_left)


def _item_lines(item: "Item", *, full: bool, is_left: bool) -> Iterator[str]:
    if item.call is not None:
        yield styled(_call_line(item.call, full=full, is_left=is_left), "dim")
    elif item.kind in _SPEAKERS:
        name = _SPEAKERS[item.kind] + (f" ({item.by})" if item.by else "")
        yield f"{styled(name, 'bold')}: {harmless(item.text)}"
    else:
        by = f" by {item.by}" if item.by else ""
        word = _WORDS.get(item.kind, item.kind)
        text = _cut(item.text, full=full)
        said = f"{word}{by}{_changed(item, full=full)}{': ' + text if text else ''}"
        yield styled(f"[{said}]", "dim")


def _changed(item: "Item", *, full: bool) -> str:
    """Say what a person has approved in place of what was asked about."""
    if item.arguments is None:
        return ""
    return f" with changed arguments {_cut(item.arguments, full=full)}"


def _call_line(call: "ShownCall", *, full: bool, is_left: bool) -> str:
    is_unknown = call.outcome == "unknown"
    # Who closes the call of a dead worker cannot know how long it ran, and says 0.
    has_time = call.elapsed_ms is not None and not (is_unknown and call.elapsed_ms == 0)
    time = f" ({call.elapsed_ms} ms)" if has_time else _SOURCES.get(call.source, "")
    result = call.result.removeprefix("outcome_unknown: ") if is_unknown else call.result
    said = result if full else cut(" ".join(result.split()), _SHOWN_CHARACTERS)
    arguments = _cut(call.arguments, full=full)
    outcome = _OUTCOMES.get(call.outcome, call.outcome)
    if is_left and call.outcome == "running":
        outcome = "interrupted: who ran it is gone"
    told = said if call.outcome == "completed" else f"{outcome}{': ' + said if said else ''}"
    return f"tool {call.tool} {arguments} -> {told}{time}"


def _cut(text: str, *, full: bool) -> str:
    return text if full else cut(text, _SHOWN_CHARACTERS)


def usage_rows(used: "ThreadUsage") -> Sequence[Sequence[str]]:
    """Return model calls by model, tool calls by tool, and their sums."""
    models = [*used.by_model.items(), ("all models", used.models)]
    tools = [*used.by_tool.items(), ("all tools", used.tools)]
    return [
        *(
            (
                name,
                str(use.calls),
                str(use.failed),
                str(use.tokens.input_tokens),
                str(use.tokens.output_tokens),
                _money(use.cost_usd, use.unpriced),
                str(use.elapsed_ms),
            )
            for name, use in models
        ),
        *(
            (name, str(use.calls), str(use.failed), "", "", "", str(use.elapsed_ms))
            for name, use in tools
        ),
    ]


USAGE_HEADINGS = ("", "calls", "failed", "tokens in", "tokens out", "cost USD", "ms")


def _money(cost_usd: Decimal, unpriced: int) -> str:
    return format(cost_usd, "f") + (f" + {unpriced} unpriced" if unpriced else "")


LINEAGE_HEADINGS = ("turn", "state", "agent", "parent")


def lineage_rows(states: "Lineage", names: Mapping[str, str]) -> Sequence[Sequence[str]]:
    """Return the states of a thread, oldest first.

    Args:
        states: the fold.
        names: what a person calls a state, such as `6f9c01/7`, by its id.
    """
    return [
        (str(s.turn), s.kind, names[s.id], names[s.parent_id] if s.parent_id else "")
        for s in states.states
    ]


def family_lines(found: "Family", thread_id: str) -> Iterator[str]:
    """Give a tree of forks: each thread with where it branched off, the one shown marked by `*`."""
    open_branches: list[tuple[Branch, str, str]] = [(found.threads[0], "", "")]
    while open_branches:
        branch, lead, below = open_branches.pop()
        mark = "* " if branch.thread_id == thread_id else ""
        where = "" if branch.forked_at is None else f" from {branch.forked_at}"
        yield lead + one_line(f"{mark}{branch.prefix}{where}: {branch.title}")
        ends = ("└─ ", "   ")
        for fork in reversed(found.forks(branch.thread_id)):
            open_branches.append((fork, below + ends[0], below + ends[1]))
            ends = ("├─ ", "│  ")
    if not found.is_whole:
        yield f"(and more; {len(found.threads)} threads are shown)"


def conversation_lines(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Give what the model is shown, from the same values as the JSON."""
    for index, message in enumerate(messages):
        name = f"tool {message['name']}" if message["role"] == "tool" else message["role"]
        calls = [f"calls {call['name']} {call['arguments']}" for call in message.get("calls", ())]
        if index:
            yield ""
        if message["text"].strip() or not calls:
            yield f"{styled(name, 'bold')}: {harmless(message['text'])}"
            yield from (styled(call, "dim") for call in calls)
        else:
            yield from (f"{styled(name, 'bold')} {styled(call, 'dim')}" for call in calls)


def local_time(time_ms: int | None) -> str:
    """Return a time for people, in the zone of this machine."""
    if time_ms is None:
        return ""
    return f"{here(utc_time(time_ms)):%Y-%m-%d %H:%M}"

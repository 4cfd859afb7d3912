"""What a decision needs to know of a thread, and no more: no text, no results, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

from messagedb_agent.changing import changed
from messagedb_agent.events.values import Limits
from messagedb_agent.events.words import EffectPolicy, Purpose


class Stage(Enum):
    """How far a tool call of the open round has come."""

    PROBLEM = "problem"
    NEEDS_APPROVAL = "needs approval"
    ASKED = "asked"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"


NOT_STARTED = frozenset({Stage.PROBLEM, Stage.NEEDS_APPROVAL, Stage.ASKED, Stage.READY})


@dataclass(frozen=True)
class ToolRule:
    """How calls of a tool are treated, as the definition in force says."""

    needs_approval: bool = False
    effect: EffectPolicy = "never"


@dataclass(frozen=True)
class OpenModelCall:
    """A model call whose claim stands and whose outcome does not.

    Attributes:
        id: id of its `LlmCallStarted`.
        position: position of that event.
        purpose: what it is for.
        repairs: whether it asks again for an output, after an answer that was not it.
        cancelled: whether its outcome no longer matters to the turn.
        outdated: whether an output was asked for since, so that no other one is waited for.
    """

    id: str
    position: int
    purpose: Purpose
    repairs: bool = False
    cancelled: bool = False
    outdated: bool = False


@dataclass(frozen=True)
class OpenToolCall:
    """A tool call of the open round.

    Attributes:
        tool: the tool's name.
        stage: how far it has come.
        cause: position of the event that its next one follows.
        attempt: how often it was started.
        key: idempotency key, the id of its first start; empty before that.
        cancelled: whether it was running when the turn was cancelled.
    """

    tool: str
    stage: Stage
    cause: int
    attempt: int = 0
    key: str = ""
    cancelled: bool = False


@dataclass(frozen=True)
class TurnUse:
    """What the turn has used of its limits."""

    calls: int = 0
    rounds: int = 0
    elapsed_ms: int = 0


@dataclass(frozen=True)
class ThreadUse:
    """What the thread has used of its limits."""

    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


NO_RULE = ToolRule()
"""How calls of a tool are treated that the definition does not know."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class State:
    """The fold of a thread that decisions are made on.

    Attributes:
        stream: stream of the newest `SessionStarted` that counts.
        started: whether there is a definition.
        blocked: whether an event that must not be ignored is unknown.
        rules: how each known tool is treated, by name.
        limits: the limits in force.
        owed: position of what makes an answer due; None where none is due.
        model_call: the open call for an answer or a summary.
        side_calls: open calls that neither block nor fail the turn, by claim id.
        calls: tool calls of the open round by call id, in the reply's order.
        dropped: whether the open round was dropped by cancel or completion.
        unresolved: calls whose outcome is unknown, by call id: how often each was started.
        failed: whether the last model call failed for good, or its answer was not the output that
            was asked for and neither was the one before.
        repairing: whether an answer of the turn was not the output that was asked for.
        interruptions: interrupted model calls since the last reply, message or continue.
        overflowed: whether the context overflowed since then.
        compaction_due: whether the conversation must be summarised before the next call, as it
            has overflowed.
        summarizes_at: tokens of a call from which on it is to be summarised; None for never.
        is_long: whether the newest reply had that many.
        least_tokens: tokens of the first reply behind the newest summary, which no summary makes
            less; None before there is one, 0 where nothing was summarised.
        stopped: names of the limits that stopped the thread.
        turn: what the turn has used.
        total: what the thread has used.
        terminating: position of the request to end the session.
        ended: whether the session is completed.
        deleted: whether the thread is hidden.
        tags: its tags, in the order in which they were put on.
        archived: whether it was put away.
    """

    stream: str = ""
    started: bool = False
    blocked: bool = False
    rules: Mapping[str, ToolRule] = field(default_factory=_nothing)
    limits: Limits = field(default_factory=Limits)
    owed: int | None = None
    model_call: OpenModelCall | None = None
    side_calls: Mapping[str, Purpose] = field(default_factory=_nothing)
    calls: Mapping[str, OpenToolCall] = field(default_factory=_nothing)
    dropped: bool = False
    unresolved: Mapping[str, int] = field(default_factory=_nothing)
    failed: bool = False
    repairing: bool = False
    interruptions: int = 0
    overflowed: bool = False
    compaction_due: bool = False
    summarizes_at: int | None = None
    is_long: bool = False
    least_tokens: int | None = 0
    stopped: tuple[str, ...] = ()
    turn: TurnUse = TurnUse()
    total: ThreadUse = ThreadUse()
    terminating: int | None = None
    ended: bool = False
    deleted: bool = False
    tags: tuple[str, ...] = ()
    archived: bool = False

    def at(self, *stages: Stage) -> tuple[str, ...]:
        """Return the ids of the calls at some stages, in the reply's order."""
        return tuple(id for id, call in self.calls.items() if call.stage in stages)

    @property
    def unknown(self) -> frozenset[str]:
        """Ids of the calls whose outcome is unknown and unresolved."""
        return frozenset(self.unresolved)

    @property
    def has_open_claims(self) -> bool:
        """Whether an effect was started whose outcome is not recorded."""
        return self.model_call is not None or bool(self.calls and self.at(Stage.RUNNING))

    @property
    def to_cancel(self) -> bool:
        """Whether effects under way are to be cancelled by their performer."""
        return (
            self.ended
            or self.deleted
            or self.terminating is not None
            or (self.model_call is not None and self.model_call.cancelled)
            or bool(self.calls and any(call.cancelled for call in self.calls.values()))
        ) and self.has_open_claims

    def with_call(self, call_id: str, **changes: Any) -> "State":
        """Return the state with one call changed."""
        calls = dict(self.calls)
        calls[call_id] = changed(calls[call_id], **changes)
        return changed(self, calls=calls)

"""One line of a list of threads."""

from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from messagedb_agent.agent.counting import counts
from messagedb_agent.agent.decider import decide
from messagedb_agent.agent.evolution import evolve_counted
from messagedb_agent.agent.state import State
from messagedb_agent.agent.steps import (
    CallModel,
    Compact,
    Complete,
    Done,
    RefuseCalls,
    RequestApproval,
    RunTools,
    Stop,
    Wait,
)
from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import (
    AgentRedefined,
    LlmCallStarted,
    LlmResponseReceived,
    SessionStarted,
    SessionTitled,
    UserMessageAdded,
)
from messagedb_agent.events.values import Definition
from messagedb_agent.projections.projection import Projection

TITLE_CHARS = 60
"""Most characters of a title that is taken from the first message."""

Status = Literal[
    "waiting",
    "ready",
    "running",
    "approval",
    "failed",
    "limit",
    "upgrade",
    "foreign",
    "ended",
    "deleted",
    "unknown",
]
"""How a thread stands.

- `waiting`: for the user.
- `ready`: there is a step to take, and nobody has claimed it; `continue` takes it.
- `running`: a model call or a tool call was started whose outcome is not recorded.
- `approval`: a person must allow a tool call.
- `failed`: the last model call failed for good; waits for a retry.
- `limit`: stopped by a limit.
- `upgrade`: holds an event that must not be ignored and that this code does not know.
- `foreign`: was never started as a thread.
- `ended`: the session is over, until a user speaks again.
- `deleted`: hidden.
- `unknown`: not to be told from its newest events, and too long to be read for a list.
"""


@dataclass(frozen=True)
class Summary:
    """The fold.

    Attributes:
        state: what decisions are made on; of a long thread in a list, only so far as `status`
            needs it, its tags and whether it is archived; but for these two, nothing of it where
            `is_partial`.
        stream: stream of the newest event, whether it counts or not: any thread has a name.
        given_title: the title that was given last; empty where there is none.
        user: whose thread it is, as the start that counts says; None where nobody is named.
        first_message: the first line of the first user message that has one.
        messages: user messages, and answers that have text; of a long thread in a list, those
            that do not count included.
        started_at_ms: when the thread began, a fork at its own start; milliseconds since
            1970-01-01 UTC; None before any event that counts.
        updated_at_ms: when the newest event that counts happened; likewise. Where `is_partial`,
            the newest event at all.
        is_partial: whether the newest rows of a long thread do not tell how it stands: `status`
            is then `unknown`. It is false of what a list tells from them, though not all is known.
    """

    state: State = field(default_factory=State, repr=False)
    stream: str = ""
    given_title: str = ""
    user: str | None = None
    first_message: str = ""
    messages: int = 0
    started_at_ms: int | None = None
    updated_at_ms: int | None = None
    is_partial: bool = False

    @property
    def thread_id(self) -> str:
        """The id in the stream's name, which nobody can get wrong; empty before any event."""
        return self.stream.partition("-")[2]

    @property
    def status(self) -> Status:
        """How the thread stands."""
        return "unknown" if self.is_partial else status(self.state)

    @property
    def title(self) -> str:
        """The title given, else the first message's first line, cut; one line in any case."""
        if self.given_title:
            return self.given_title
        if len(self.first_message) <= TITLE_CHARS:
            return self.first_message
        return self.first_message[: TITLE_CHARS - 1].rstrip() + "…"


def status(state: State) -> Status:
    """Say how a thread stands, in the word that a list shows."""
    match decide(state):
        case Done():
            return "deleted" if state.deleted else "ended"
        case Wait(reason=reason):
            return _WAITING[reason]
        case (
            Complete()
            | RefuseCalls()
            | RequestApproval()
            | RunTools()
            | Stop()
            | Compact()
            | CallModel()
        ):
            return "ready"
        case step:
            assert_never(step)


_WAITING: dict[str, Status] = {
    "upgrade": "upgrade",
    "start": "foreign",
    "effect": "running",
    "approval": "approval",
    "retry": "failed",
    "limit": "limit",
    "user": "waiting",
}


def _evolve(before: Summary, recorded: Recorded) -> Summary:
    if not counts(before.state, recorded):
        known = before.stream == recorded.stream
        return before if known else changed(before, stream=recorded.stream)
    event, time_ms = recorded.event, recorded.time_ms
    begins = before.started_at_ms is None or isinstance(event, SessionStarted)
    given, first, messages = before.given_title, before.first_message, before.messages
    user = before.user
    match event:
        case UserMessageAdded(text=text):
            first = first or _first_line(text)
            messages += 1
        case LlmResponseReceived(llm_call_id=claim, text=text):
            messages += bool(text.strip()) and claim not in before.state.side_calls
        case SessionTitled(title=title):
            given = _first_line(title)
        case SessionStarted(user=user):
            pass
        case _:
            pass
    return Summary(
        state=evolve_counted(before.state, recorded),
        stream=recorded.stream,
        given_title=given,
        user=user,
        first_message=first,
        messages=messages,
        started_at_ms=time_ms if begins else before.started_at_ms,
        updated_at_ms=time_ms,
    )


summary: Projection[Summary] = Projection(Summary(), _evolve)


def ready_for(claim: Recorded, definition: Definition) -> Summary:
    """Return what a thread was right before an engine's claim for an answer, from the claim alone.

    Whoever claims an answer has decided to on the whole history: the thread was begun and not
    ended, nothing was open, failed or blocked, an answer was owed. That holds of code that is not
    newer than this; newer code goes on behind what blocks the thread here. What is not known (what
    was used, whether the context overflowed before, calls on the side, what is unresolved) bears
    on no status, but for the overflow.

    Args:
        claim: the claim; its row's `schemaVersion` is not above ours.
        definition: the agent in force.
    """
    started = claim.event if isinstance(claim.event, LlmCallStarted) else None
    state = State(
        stream=claim.stream,
        started=True,
        owed=claim.position,
        interruptions=started.attempt - 1 if started else 0,
        repairing=started is not None and started.repairs,
    )
    redefined = replace(claim, event=AgentRedefined(definition=definition))
    return Summary(state=evolve_counted(state, redefined), stream=claim.stream)


def _first_line(text: str) -> str:
    """Return the first line that has anything on it, its white space made even."""
    return next((" ".join(line.split()) for line in text.splitlines() if line.strip()), "")

"""What `decide` may answer. Steps with an effect name the claim that is written first."""

from dataclasses import dataclass
from typing import Literal

from messagedb_agent.events.values import ReachedLimit

Reason = Literal["upgrade", "start", "effect", "approval", "retry", "limit", "user"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until somebody appends something."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Done:
    """The session is over, until a user speaks again."""


@dataclass(frozen=True, slots=True)
class Complete:
    """End the session: `SessionCompleted`."""


@dataclass(frozen=True, slots=True)
class RefuseCalls:
    """Close calls that cannot run: `ToolExecutionFailed` each."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestApproval:
    """Ask a person for each: `ToolApprovalRequested`."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run these at once; claim: `ToolExecutionStarted` each."""

    call_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop before the next model call: `LimitReached`."""

    limits: tuple[ReachedLimit, ...]


@dataclass(frozen=True, slots=True)
class Compact:
    """Have the conversation summarised; claim: `LlmCallStarted` (summary)."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Ask the model; claim: `LlmCallStarted` (answer).

    Attributes:
        repairs: whether an answer before it was not the output that was asked for.
    """

    repairs: bool = False


Step = (
    Wait | Done | Complete | RefuseCalls | RequestApproval | RunTools | Stop | Compact | CallModel
)

"""Every event of a thread, as a frozen class. The class's name is the message's type.

`spec.md` is the authority for names and keys. Events hold facts, and never how to draw, send or
store themselves. Keys whose value is the default are left out of the JSON,
so a default never changes.
"""

from pydantic import StrictBool

from messagedb_agent.events.values import (
    Attempt,
    Count,
    DecimalText,
    Definition,
    EventPlace,
    ForkPoint,
    JsonText,
    Limits,
    MessageRange,
    ModelParameters,
    OutputVerdict,
    PositiveCount,
    Price,
    ReachedLimit,
    ToolCall,
    Usage,
    Value,
)
from messagedb_agent.events.words import (
    ReadEnding,
    ReadFailureKind,
    ReadPurpose,
    ReadResolvedStatus,
    ReadToolFailureKind,
)

SCHEMA_VERSION = 1
"""Version of the shapes below; `upcasting` brings older ones here."""

RULES = 1
"""Number of the rules by which steps follow from a log: what counts, how it changes the state, what
`decide` says of that, the bounds, and the text that is shown of what is known of a user.

Raised where the rules change so that a step of an older log would not follow any more. Events carry
it, so that nobody condemns an old log by new rules; 1 is left out."""


class Fact(Value):
    """Base of all events."""


class SessionStarted(Fact):
    """A thread began, anew or as a fork.

    A fork that was begun `for_turn` is for what is said right behind its start, which is no state
    of the agent then: who answers there came from the state that it branched off from.
    """

    thread_id: str
    definition: Definition
    user: str | None = None
    metadata: JsonText | None = None
    forked_from: ForkPoint | None = None
    for_turn: StrictBool = False


class AgentRedefined(Fact):
    """From here on the agent is another one.

    Where it is so `for_turn` alone, the one that stood before comes back with the next message.
    """

    definition: Definition
    for_turn: StrictBool = False


class UserMessageAdded(Fact):
    """A user said something.

    `output_schema`, where given, is the JSON Schema of the one JSON value that the answer must be.
    """

    text: str
    user: str | None = None
    output_schema: JsonText | None = None


class LlmCallStarted(Fact):
    """Intent: a model is about to be asked.

    `context_position` is the last event that the request was folded from, by version
    `projection_version` of the projection `projection_name`; `left_out` names the messages of the
    conversation that it leaves out. `repairs` says that an answer before it was not the output that
    was asked for.
    """

    purpose: ReadPurpose
    model: str
    parameters: ModelParameters = ModelParameters()
    attempt: PositiveCount = 1
    repairs: StrictBool = False
    context_position: Count
    projection_name: str = "conversation"
    projection_version: PositiveCount = 1
    left_out: tuple[MessageRange, ...] = ()
    request_digest: str


class LlmResponseReceived(Fact):
    """The model answered the call `llm_call_id` (the id of its `LlmCallStarted`).

    `output` says whether the answer is the output that was asked for; absent where none was, where
    the reply calls tools, and where nobody looked.
    """

    llm_call_id: str
    model: str
    text: str
    reasoning: str | None = None
    provider_blocks: JsonText | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str
    output: OutputVerdict | None = None
    usage: Usage | None = None
    cost_usd: DecimalText | None = None
    price: Price | None = None
    attempts: tuple[Attempt, ...] = ()


class LlmCallFailed(Fact):
    """The model was asked and gave no usable answer; final for this call."""

    llm_call_id: str
    kind: ReadFailureKind
    message: str
    attempts: tuple[Attempt, ...] = ()


class ToolApprovalRequested(Fact):
    """A person must allow a call, with exactly these arguments."""

    call_id: str
    tool_name: str
    arguments: str


class ToolExecutionApproved(Fact):
    """A person allowed a call; `arguments`, where given, replace the model's."""

    call_id: str
    by: str | None = None
    reason: str | None = None
    arguments: str | None = None


class ToolExecutionDenied(Fact):
    """A person refused a call; this is the call's outcome."""

    call_id: str
    by: str | None = None
    reason: str | None = None


class ToolExecutionStarted(Fact):
    """Intent: a tool is about to run, with these arguments.

    `idempotency_key` is the id of the first attempt's event, the same in every attempt.
    """

    call_id: str
    tool_name: str
    arguments: str
    attempt: PositiveCount = 1
    idempotency_key: str


class ToolExecutionCompleted(Fact):
    """A call has a result, as the model is shown it.

    The tool gave it, but where `taken_from` names the event whose result it is, in a record, or
    `given_by` the person who gave it: then no tool ran.
    """

    call_id: str
    attempt: PositiveCount = 1
    result: str
    elapsed_ms: Count
    taken_from: EventPlace | None = None
    given_by: str | None = None


class ToolExecutionFailed(Fact):
    """A call ended without a result; attempt 0 never ran.

    Where `taken_from` names the event whose failure it is, in a record, no tool ran.
    """

    call_id: str
    attempt: Count
    kind: ReadToolFailureKind
    message: str
    elapsed_ms: Count
    taken_from: EventPlace | None = None


class ToolOutcomeResolved(Fact):
    """What really happened to a call of unknown outcome."""

    call_id: str
    status: ReadResolvedStatus
    text: str
    by: str | None = None


class ContextCompacted(Fact):
    """A summary stands for the conversation through `through_position`.

    The outcome of the summary call `llm_call_id`.
    """

    llm_call_id: str
    model: str
    summary: str
    through_position: Count
    usage: Usage | None = None
    cost_usd: DecimalText | None = None
    price: Price | None = None
    attempts: tuple[Attempt, ...] = ()


class LimitReached(Fact):
    """The thread stopped before a model call; names every limit reached."""

    limits: tuple[ReachedLimit, ...]


class SessionContinued(Fact):
    """Somebody lets the thread go on; limits given here replace those in force."""

    limits: Limits = Limits()
    by: str | None = None


class TurnCancelled(Fact):
    """Somebody stopped the run."""

    by: str | None = None
    reason: str | None = None


class SessionTerminationRequested(Fact):
    """Somebody asked that the session end."""

    by: str | None = None
    reason: str | None = None


class SessionCompleted(Fact):
    """The session ended; a later user message reopens it."""

    ending: ReadEnding
    reason: str | None = None


class SessionTitled(Fact):
    """The thread has a title."""

    title: str
    by: str | None = None


class SessionTagged(Fact):
    """Tags were put on the thread or taken off."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    by: str | None = None


class SessionArchived(Fact):
    """The thread was put away; nothing else changes."""

    by: str | None = None


class SessionUnarchived(Fact):
    """The thread was fetched back."""

    by: str | None = None


class SessionDeleted(Fact):
    """The thread is hidden; its history stays."""

    by: str | None = None
    reason: str | None = None


Event = (
    SessionStarted
    | AgentRedefined
    | UserMessageAdded
    | LlmCallStarted
    | LlmResponseReceived
    | LlmCallFailed
    | ToolApprovalRequested
    | ToolExecutionApproved
    | ToolExecutionDenied
    | ToolExecutionStarted
    | ToolExecutionCompleted
    | ToolExecutionFailed
    | ToolOutcomeResolved
    | ContextCompacted
    | LimitReached
    | SessionContinued
    | TurnCancelled
    | SessionTerminationRequested
    | SessionCompleted
    | SessionTitled
    | SessionTagged
    | SessionArchived
    | SessionUnarchived
    | SessionDeleted
)

"""What events and requests are made of: definitions, tools, limits, calls, usage and money."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from messagedb_agent.events.words import (
    ReadAnswering,
    ReadAttemptKind,
    ReadCallProblem,
    ReadEffectPolicy,
)


def _exact(value: object) -> object:
    """Let decimals in by their text, so that 0.1 stays 0.1; true and false are no numbers."""
    if isinstance(value, bool):
        raise PydanticCustomError("decimal_type", "Input should be a decimal number or its text")
    return str(value) if isinstance(value, float) else value


def _whole(value: object) -> object:
    """Let 1.0 in: writers in other languages may know but one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


DecimalText = Annotated[
    Decimal,
    Field(allow_inf_nan=False, max_digits=60),  # before what is no longer the core's own kind
    BeforeValidator(_exact),
    PlainSerializer(lambda value: format(value, "f"), return_type=str),
]
"""A decimal number, written as a string without an exponent: events hold no floats."""

_LARGEST = 2**53
Count = Annotated[int, Field(strict=True, ge=0, le=_LARGEST), BeforeValidator(_whole)]
"""A whole number from 0 to 2^53: what every JSON reader holds without loss."""

PositiveCount = Annotated[int, Field(strict=True, ge=1, le=_LARGEST), BeforeValidator(_whole)]
"""A whole number from 1 to 2^53."""

JsonText = str
"""One JSON value as text: how maps with keys that are not ours are stored."""

MAX_FAILURE_CHARS = 4_000
"""Longest text of a failure that is recorded, in characters."""


class Value(BaseModel):
    """Base of all values in events: immutable, closed when written, lowerCamel in JSON."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class ModelParameters(Value):
    """Settings of a model call; None leaves the provider's default in force.

    Attributes:
        temperature: decimal number, usually 0 to 2.
        top_p: decimal number, 0 to 1.
        max_tokens: most tokens of one answer.
        timeout_ms: most milliseconds that one attempt may take.
        max_retries: most attempts after the first.
        extra: further parameters of the provider, a JSON object as text.

    Raises:
        pydantic.ValidationError: a field is unknown or wrong.
    """

    temperature: DecimalText | None = None
    top_p: DecimalText | None = None
    max_tokens: PositiveCount | None = None
    timeout_ms: PositiveCount | None = None
    max_retries: Count | None = None
    extra: JsonText | None = None


class ToolSpec(Value):
    """A tool as the model is told of it, and the rules it runs by.

    Attributes:
        name: 1 to 64 letters, digits, `_` or `-`.
        description: what it does, for the model.
        parameters_schema: JSON Schema of its arguments, an object as text.
        needs_approval: whether a person must allow each call.
        effect: what to do with a call whose worker died.
        timeout_ms: most milliseconds that one call may take; None for no bound.
        source: `module[:attribute]` that it was loaded by, for people; None where it was not
            loaded by name. It is read out of a log: nothing may be imported because it says so.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str
    parameters_schema: JsonText
    needs_approval: StrictBool = False
    effect: ReadEffectPolicy = "never"
    timeout_ms: PositiveCount | None = None
    source: str | None = None


class Limits(Value):
    """Bounds of a turn and of a session; None is no bound.

    Attributes:
        calls_per_turn: model calls between two messages of the user.
        rounds_per_turn: rounds of tool calls between two messages of the user.
        elapsed_ms_per_turn: sum of the recorded durations of a turn, in milliseconds.
        tokens_per_thread: input and output tokens of the whole thread.
        cost_usd_per_thread: US dollars of the whole thread.

    Raises:
        pydantic.ValidationError: a field is unknown, or no whole number from 1 to 2^53 (dollars:
            no decimal number of at most 60 digits).
    """

    calls_per_turn: PositiveCount | None = None
    rounds_per_turn: PositiveCount | None = None
    elapsed_ms_per_turn: PositiveCount | None = None
    tokens_per_thread: PositiveCount | None = None
    cost_usd_per_thread: DecimalText | None = None


class Revision(Value):
    """A revision of a named definition, and where it stands.

    Attributes:
        stream_name: full name of the stream of its name.
        position: its position there, from 0: which revision it is.
        event_id: id of the event that saved it.
    """

    stream_name: str
    position: Count
    event_id: str


class Recalled(Value):
    """What was known of a user, as a model is shown it behind the system prompt.

    Attributes:
        text: the text, as it was made then.
        stream_name: full name of the user's stream.
        position: position there of the last event that changed what is known.
        event_id: id of that event; None in what was written before ids were recorded.
    """

    text: str = Field(min_length=1)
    stream_name: str
    position: Count
    event_id: str | None = None


class Definition(Value):
    """All that decides how an agent answers.

    Attributes:
        name: what the agent is called.
        system_prompt: what the model is told before the conversation.
        model: a model's name, such as `anthropic/claude-haiku-4-5`, or `offline`.
        parameters: settings of its model calls.
        tools: the tools offered, in order.
        limits: bounds of turns and of the session.
        context_strategy: which part of the conversation the model is shown, as text; `all` is all
            of it. `messagedb_agent.context` makes them, and says what there is. Where a log names
            one that is not known, all is shown.
        tool_names: names of the tools that it is to have, of those that are there wherever it goes
            on; None for all of these.
        revision: the named definition that it was made of; what was given beside that stands before
            it. None where there is none.
        memory: whether the model is shown what is known of the user who speaks.
        recalled: what that was when the agent was defined so; None where nothing was known.

    Raises:
        pydantic.ValidationError: a field is unknown or wrong. `Engine.define` raises the
            `ValidationError` of this package instead.
    """

    name: str = Field(min_length=1)
    system_prompt: str
    model: str = Field(min_length=1)
    parameters: ModelParameters = ModelParameters()
    tools: tuple[ToolSpec, ...] = ()
    limits: Limits = Limits()
    context_strategy: str = "all"
    tool_names: tuple[str, ...] | None = None
    revision: Revision | None = None
    memory: StrictBool = False
    recalled: Recalled | None = None

    @property
    def told(self) -> str:
        """What the model is told before the conversation: the prompt, and what is known."""
        known = self.recalled.text if self.recalled else ""
        return "\n\n".join(part for part in (self.system_prompt, known) if part)


class MessageRange(Value):
    """Messages of a conversation that stand side by side.

    Attributes:
        first: place of the first one, from 0.
        last: place of the last one.
    """

    first: Count = 0
    last: Count


class ForkPoint(Value):
    """Where a thread branched off.

    Attributes:
        stream_name: the parent's stream.
        position: position of the last event that is shared.
        event_id: id of that event.
        results: results given to calls that the prefix left open, and to calls like those that
            the parent has made since, a JSON object as text: call id to result.
        recorded: ids of the calls among them whose result is the parent's own.
        tools: what answers calls that are not in the parent's record; None for an ordinary
            fork, whose tools run. By the first two no tool runs in the thread, whoever takes it
            up.
    """

    stream_name: str
    position: Count
    event_id: str
    results: JsonText | None = None
    recorded: tuple[str, ...] = ()
    tools: ReadAnswering | None = None


class EventPlace(Value):
    """An event of any stream.

    Attributes:
        stream_name: full name of the stream.
        position: its position there.
    """

    stream_name: str
    position: Count


class ToolCall(Value):
    """A tool call as a model's reply asked for it.

    Attributes:
        call_id: ours: the claim's id without dashes, `_`, and the index in the reply.
        provider_call_id: the provider's, which may be missing or reused.
        name: the tool's name, as the model wrote it.
        arguments: the arguments as the model wrote them, in full, right or wrong.
        problem: why it cannot run; None where it can.
        problem_message: the same for a reader.
    """

    call_id: str
    provider_call_id: str | None = None
    name: str
    arguments: str
    problem: ReadCallProblem | None = None
    problem_message: str | None = None


class OutputVerdict(Value):
    """Whether an answer is the output that was asked for.

    Attributes:
        problem: why it is not, as the model is told; None where it is.
    """

    problem: str | None = None


class Usage(Value):
    """Tokens of a model call, by kind.

    Attributes:
        input_tokens: all input tokens, cached ones included.
        output_tokens: all output tokens, reasoning included.
        cached_input_tokens: of the input, read from the provider's cache.
        cache_write_tokens: of the input, written to the provider's cache.
        reasoning_tokens: of the output, not shown.
    """

    input_tokens: Count = 0
    output_tokens: Count = 0
    cached_input_tokens: Count = 0
    cache_write_tokens: Count = 0
    reasoning_tokens: Count = 0


class Price(Value):
    """The price a cost was computed with, in US dollars per million tokens; None is unknown."""

    input_usd: DecimalText | None = None
    output_usd: DecimalText | None = None
    cached_input_usd: DecimalText | None = None
    cache_write_usd: DecimalText | None = None


class Attempt(Value):
    """One try of a model call.

    Attributes:
        model: the model asked.
        kind: `answered`, or why it gave no answer.
        elapsed_ms: milliseconds from request to end.
        waited_ms: milliseconds waited before the request.
        usage: tokens, where the provider said.
    """

    model: str
    kind: ReadAttemptKind
    elapsed_ms: Count
    waited_ms: Count = 0
    usage: Usage | None = None


def spent(usage: Usage | None, attempts: Iterable[Attempt]) -> tuple[Usage, ...]:
    """Return what a model call used: its answer, and the tries before it where that was told."""
    tried = (attempt.usage for attempt in attempts if attempt.kind != "answered")
    return tuple(used for used in (usage, *tried) if used is not None)


class ReachedLimit(Value):
    """A limit that was reached; `name` is a key of `Limits` as JSON spells it."""

    name: str
    limit: str
    reached: str

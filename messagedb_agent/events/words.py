"""Closed sets of words, and how a word that this code does not know is read."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, ValidationInfo

EffectPolicy = Literal["retry", "keyed", "check", "never"]
"""What to do with a tool call whose worker died: run it again (`retry`: harmless; `keyed`: the
target honours the idempotency key), ask the tool (`check`), or leave it unknown (`never`)."""

CallProblem = Literal["unknown_tool", "bad_arguments", "cut_off"]
"""Why a tool call of a reply cannot run."""

Purpose = Literal["answer", "summary", "judge", "repair", "title", "facts"]
"""What a model call is for."""

FailureKind = Literal[
    "interrupted",
    "cancelled",
    "context_overflow",
    "rate_limited",
    "unavailable",
    "timed_out",
    "cut_off",
    "empty",
    "too_large",
    "refused",
    "authentication",
    "configuration",
    "bad_request",
    "internal",
]
"""Why a model call gave no usable answer."""

TurnFailureKind = FailureKind | Literal["bad_output"]
"""Why a turn waits for a person: its model call failed for good, or (`bad_output`) its answer was
not the output that was asked for, and neither was the one after it."""

ToolFailureKind = Literal[
    "unknown_tool",
    "bad_arguments",
    "cut_off",
    "raised",
    "timed_out",
    "cancelled",
    "outcome_unknown",
    "not_recorded",
]
"""Why a tool call gave no result. `not_recorded`: the thread is answered from another one's record,
which does not know this call; the turn stops there."""

Ending = Literal["done", "error", "timeout", "user"]
"""How a session ended."""

ResolvedStatus = Literal["completed", "failed"]
"""What became of a call of unknown outcome."""

Answering = Literal["recorded", "ask", "live"]
"""What answers the tool calls of a fork that its parent's record does not know: nothing (the turn
stops), a person, or the tool."""

AttemptKind = Literal["answered"] | FailureKind
"""How one try of a model call ended."""

READING = {"reading": True}
"""Validation context of what was written by somebody, who may be newer than this code."""


def _read_as(fallback: str, *known: str) -> BeforeValidator:
    """Read a word of a closed set that this code does not know as the nearest it does."""

    def validate(value: object, info: ValidationInfo) -> object:
        is_new = info.context is READING and isinstance(value, str) and value not in known
        return fallback if is_new else value

    return BeforeValidator(validate)


ReadFailureKind = Annotated[FailureKind, _read_as("internal", *get_args(FailureKind))]
ReadToolFailureKind = Annotated[ToolFailureKind, _read_as("raised", *get_args(ToolFailureKind))]
ReadCallProblem = Annotated[CallProblem, _read_as("bad_arguments", *get_args(CallProblem))]
ReadEffectPolicy = Annotated[EffectPolicy, _read_as("never", *get_args(EffectPolicy))]
ReadPurpose = Annotated[Purpose, _read_as("judge", *get_args(Purpose))]
ReadResolvedStatus = Annotated[ResolvedStatus, _read_as("failed", *get_args(ResolvedStatus))]
ReadEnding = Annotated[Ending, _read_as("done", *get_args(Ending))]
ReadAttemptKind = Annotated[AttemptKind, _read_as("internal", "answered", *get_args(FailureKind))]
ReadAnswering = Annotated[Answering, _read_as("recorded", *get_args(Answering))]

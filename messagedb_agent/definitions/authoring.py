"""`AgentDefinition`: an agent as its author writes it down."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

import pydantic
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    ValidationInfo,
    model_validator,
)

from messagedb_agent.definitions.prompt import compiled
from messagedb_agent.errors import ValidationError
from messagedb_agent.events.codec import clean_text
from messagedb_agent.events.refusal import refusal
from messagedb_agent.events.strategy import ContextStrategy, parsed
from messagedb_agent.events.values import Limits, ModelParameters, Value
from messagedb_agent.events.words import READING


def _text(value: str) -> str:
    """Return a text as it is compiled and kept: without blanks around it, lines ended by LF."""
    text = "\n".join(value.splitlines()).strip()
    if clean_text(text) != text:
        raise ValueError("it holds U+0000 or half a surrogate pair")
    return text


def _said(value: str) -> str:
    if not value:
        raise ValueError("it is empty")
    return value


def _strategy(value: object) -> object:
    """Return a strategy as its text; None is none."""
    try:
        return None if value is None else str(parsed(str(value)))
    except ValidationError as error:
        raise ValueError(str(error).removeprefix(f"{error.field}: ")) from error


Text = Annotated[str, AfterValidator(_text)]
NonEmpty = Annotated[Text, AfterValidator(_said)]
Texts = Annotated[Sequence[NonEmpty], AfterValidator(tuple)]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Example(Value):
    """An exchange as it should go.

    Attributes:
        user: what a user says.
        assistant: what the agent answers.
    """

    user: NonEmpty
    assistant: NonEmpty


class AgentDefinition(Value):
    """An agent as its author writes it down; `system_prompt` is what the model is told of it.

    Texts are kept without blanks around them. Of what stands behind the examples, whatever is left
    out is decided by who starts the agent.

    Attributes:
        role: who the agent is.
        goal: what it is there for.
        constraints: rules that it keeps to.
        personality: how it speaks.
        instructions: whatever else it should know, such as steps to follow.
        examples: exchanges as they should go, `Example` values or mappings with the same keys.
        name: what the agent is called; None leaves it to who starts it.
        model: a model's name, such as `anthropic/claude-haiku-4-5`; None as for the name.
        parameters: settings of its model calls.
        tools: names of the tools it has, out of those that are there; None for all of these.
        limits: bounds of its turns and of the session; None as for the name. Where they bound
            neither the rounds nor the model calls of a turn, it has 10 rounds.
        context: what of a conversation the model is shown, a strategy of `messagedb_agent.context`
            or its text, which is kept; None as for the name.
        memory: whether the model is shown what is known of the user who speaks (`Engine.memory`);
            None as for the name.

    Raises:
        ValidationError: a field is unknown, empty, or wrong; `field` is its name.
    """

    role: NonEmpty
    goal: Text = ""
    constraints: Texts = ()
    personality: Text = ""
    instructions: Text = ""
    examples: Annotated[Sequence[Example], AfterValidator(tuple)] = ()
    name: NonEmpty | None = None
    model: NonEmpty | None = None
    parameters: ModelParameters = ModelParameters()
    tools: Annotated[Sequence[ToolName], AfterValidator(tuple)] | None = None
    limits: Limits | None = None
    context: Annotated[ContextStrategy | str, BeforeValidator(_strategy)] | None = None
    memory: StrictBool | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _told_by_field(
        cls, given: Any, handler: Callable[[Any], Self], info: ValidationInfo
    ) -> Self:
        """Raise this package's own error, which names the first field at fault.

        Whoever reads what is stored knows pydantic's, as of every other value there.
        """
        try:
            return handler(given)
        except pydantic.ValidationError as error:
            if info.context == READING:
                raise
            raise refusal(error, "definition") from error

    @property
    def system_prompt(self) -> str:
        """What the model is told before the conversation: the same text for equal definitions."""
        return compiled(self)

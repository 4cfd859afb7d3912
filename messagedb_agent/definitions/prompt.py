"""The system prompt of a definition: sections in a fixed order, each left out where it is empty.

    # Role

    A travel agent for families.

    # Constraints

    - Name the price of whatever you propose.
    - Ask before you book.

    # Examples

    User: Where can we go in May?
    Assistant: How old are your children?

The whole of it is shown in `spec.md` 7. Between sections, and between examples, stands one empty
line; the text ends without a line break. Further lines of a constraint are indented by two blanks,
so that they stay part of it.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol


class _Exchange(Protocol):
    @property
    def user(self) -> str: ...
    @property
    def assistant(self) -> str: ...


class Written(Protocol):
    """What a prompt is made of; texts without blanks around them."""

    @property
    def role(self) -> str: ...
    @property
    def goal(self) -> str: ...
    @property
    def constraints(self) -> Sequence[str]: ...
    @property
    def personality(self) -> str: ...
    @property
    def instructions(self) -> str: ...
    @property
    def examples(self) -> Sequence[_Exchange]: ...


def compiled(written: Written) -> str:
    """Return the system prompt; of equal definitions the same, byte for byte."""
    return "\n\n".join(f"# {title}\n\n{text}" for title, text in _sections(written) if text)


def _sections(written: Written) -> Iterator[tuple[str, str]]:
    yield "Role", written.role
    yield "Goal", written.goal
    yield "Constraints", "\n".join(map(_item, written.constraints))
    yield "Personality", written.personality
    yield "Instructions", written.instructions
    yield "Examples", "\n\n".join(map(_exchange, written.examples))


def _item(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([f"- {first}", *(f"  {line}".rstrip() for line in others)])


def _exchange(example: _Exchange) -> str:
    return f"User: {example.user}\nAssistant: {example.assistant}"

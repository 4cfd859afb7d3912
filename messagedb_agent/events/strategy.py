"""Context strategies: which part of a conversation the model is shown, as values and as text.

    all    last_n:20    first_last:2,18    token_window:8000    summarize:8000
    last_n:20,sliding    first_last:2,18 | token_window:8000

The text is what a definition records. One that is not understood shows all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from messagedb_agent.errors import ValidationError

_LARGEST = 2**53
_SLIDING = "sliding"
_BYTES_A_TOKEN = 4


@dataclass(frozen=True, slots=True)
class LastN:
    """At most so many of the newest messages; `slides` drops no more than it must."""

    messages: int
    slides: bool = False

    def __str__(self) -> str:
        return _text("last_n", self.messages, slides=self.slides)


@dataclass(frozen=True, slots=True)
class FirstLast:
    """So many of the first messages, and at most so many of the newest."""

    first: int
    last: int
    slides: bool = False

    def __str__(self) -> str:
        return _text("first_last", self.first, self.last, slides=self.slides)


@dataclass(frozen=True, slots=True)
class TokenWindow:
    """The newest messages that have at most so many tokens together."""

    tokens: int
    slides: bool = False

    def __str__(self) -> str:
        return _text("token_window", self.tokens, slides=self.slides)


@dataclass(frozen=True, slots=True)
class Summarize:
    """A summary in the place of the older part, once a call had more tokens than this."""

    tokens: int

    def __str__(self) -> str:
        return _text("summarize", self.tokens)


Part = LastN | FirstLast | TokenWindow | Summarize


def _text(name: str, *numbers: int, slides: bool = False) -> str:
    given = [str(number) for number in numbers] + ([_SLIDING] if slides else [])
    return f"{name}:{','.join(given)}"


@dataclass(frozen=True, slots=True)
class ContextStrategy:
    """Which part of a conversation the model is shown; strategies are joined by `|`.

    Attributes:
        parts: what bounds it, each after the one before; none shows all.
    """

    parts: tuple[Part, ...] = ()

    def __or__(self, other: "ContextStrategy") -> "ContextStrategy":
        """Return the strategy that leaves out what one of the two leaves out.

        Raises:
            ValidationError: both summarise.
        """
        return _joined((*self.parts, *other.parts))

    def __str__(self) -> str:
        """Return the text that is recorded."""
        return " | ".join(map(str, self.parts)) or "all"

    @property
    def summarizes_at(self) -> int | None:
        """Tokens of a call from which on the conversation is summarised; None for never."""
        return next((part.tokens for part in self.parts if isinstance(part, Summarize)), None)


ALL = ContextStrategy()


def last_n(messages: int, *, sliding: bool = False) -> ContextStrategy:
    """Show the newest messages alone.

    Args:
        messages: how many at most. A reply with tool calls counts together with their results and
            is never parted from them; what the model has not seen yet is always shown, and of a
            turn that is cut, the message that it answers.
        sliding: drop no more than is too much. By default about half is dropped at once, so that
            until then each request begins as the one before it, as prompt caches need it.

    Raises:
        ValidationError: it is no whole number from 1 on.
    """
    return ContextStrategy((LastN(_number("last_n", messages), sliding),))


def first_last(first: int, last: int, *, sliding: bool = False) -> ContextStrategy:
    """Show how the conversation began, and its newest messages.

    Args:
        first: how many messages of its beginning.
        last: how many of the newest at most.
        sliding: see `last_n`.

    Raises:
        ValidationError: one is no whole number from 1 on.
    """
    numbers = _number("first_last", first), _number("first_last", last)
    return ContextStrategy((FirstLast(*numbers, sliding),))


def token_window(tokens: int, *, sliding: bool = False) -> ContextStrategy:
    """Show the newest messages that have at most so many tokens together.

    They are counted by the model's own tokenizer where that is here, else estimated; what was
    left out is recorded, so that nobody needs to count again.

    Args:
        tokens: how many at most, prompt and tools not counted.
        sliding: see `last_n`.

    Raises:
        ValidationError: it is no whole number from 1 on.
    """
    return ContextStrategy((TokenWindow(_number("token_window", tokens), sliding),))


def summarize(tokens: int) -> ContextStrategy:
    """Have the older part of the conversation summarised by the model once it has grown long.

    Args:
        tokens: input and output tokens of a call, as its provider counts them, from which on a
            summary is made before the next one. Where a model says nothing of tokens, the
            conversation is summarised when it has overflowed.

    Raises:
        ValidationError: it is no whole number from 1 on.
    """
    return ContextStrategy((Summarize(_number("summarize", tokens)),))


def _number(name: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST:
        return value
    raise _wrong(f"{name} takes whole numbers from 1 on, not {value!r}")


def _wrong(why: str) -> ValidationError:
    return ValidationError(f"context: {why}", field="context")


_NAMED: Mapping[str, tuple[int, Callable[..., ContextStrategy]]] = {
    "last_n": (1, last_n),
    "first_last": (2, first_last),
    "token_window": (1, token_window),
    "summarize": (1, summarize),
}
"""By name: how many numbers it takes, and what makes it of them."""

_KNOWN = "all, last_n:N, first_last:N,N, token_window:TOKENS, summarize:TOKENS, joined by |"


def parsed(text: str) -> ContextStrategy:
    """Return the strategy of a text, where a caller gives it.

    Raises:
        ValidationError: it is not known.
    """
    if text.strip() == "all":
        return ALL
    return _joined(tuple(part for one in text.split("|") for part in _one(one.strip()).parts))


def _one(text: str) -> ContextStrategy:
    name, _, rest = text.partition(":")
    words = [word.strip() for word in rest.split(",")]
    size, made = _NAMED.get(name.strip(), (0, None))
    options = {"sliding": True} if words[size:] == [_SLIDING] and name != "summarize" else {}
    numbers = words[:size] if options else words
    if made is None or len(numbers) != size or not all(map(_is_number, numbers)):
        raise _wrong(f"{text!r} is not known; there is {_KNOWN}")
    return made(*map(int, numbers), **options)


def _is_number(text: str) -> bool:
    return re.fullmatch("[0-9]{1,17}", text) is not None


def _joined(parts: tuple[Part, ...]) -> ContextStrategy:
    if sum(isinstance(part, Summarize) for part in parts) > 1:
        raise _wrong("summarize can be given once")
    return ContextStrategy(parts)


@lru_cache(maxsize=256)
def recorded(text: str) -> ContextStrategy:
    """Return the strategy that a log names; all is shown where it is not known."""
    try:
        return parsed(text)
    except ValidationError:
        return ALL


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has, for models whose tokenizer is not here."""
    return -(-len(text.encode(errors="surrogatepass")) // _BYTES_A_TOKEN)

"""The tags of a thread: short words by which people find it again."""

from collections.abc import Sequence
from reprlib import repr as short

from messagedb_agent.errors import ValidationError

MAX_TAGS = 100
"""Most tags that a thread has; of more, those that came first are kept."""

MAX_TAG_CHARS = 100
"""Most characters of a tag that is put on."""


def tagged(tags: Sequence[str], added: Sequence[str], removed: Sequence[str]) -> tuple[str, ...]:
    """Return a thread's tags after some were taken off, and then some put on.

    Each stands once, where it was put on first.
    """
    off = frozenset(removed)
    kept = dict.fromkeys(tag for tag in tags if tag not in off)
    return tuple(dict.fromkeys((*kept, *added)))[:MAX_TAGS]


def checked_tags(
    tags: Sequence[str], added: Sequence[str], removed: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is new among tags that are put on, and there among those that are taken off.

    Args:
        tags: what the thread has.
        added: what is put on.
        removed: what is taken off.

    Raises:
        ValidationError: a tag that is put on is empty, too long, not one line or begins or ends
            with a blank; one is put on and taken off; the thread would have too many.
    """
    for tag in added:
        _check(tag)
    if both := next((tag for tag in added if tag in removed), None):
        raise ValidationError(f"tag {both!r} is put on and taken off", field="tag")
    new = tuple(dict.fromkeys(tag for tag in added if tag not in tags))
    gone = tuple(dict.fromkeys(tag for tag in removed if tag in tags))
    if new and len(tags) - len(gone) + len(new) > MAX_TAGS:
        raise ValidationError(f"a thread has {MAX_TAGS} tags at most", field="tag")
    return new, gone


def check_text(text: object, field: str, name: str = "") -> None:
    """Refuse what is no text, or has nothing in it but blanks.

    Args:
        text: what was given.
        field: what the caller calls it.
        name: what people call it, where that is another word.

    Raises:
        ValidationError: it is refused.
    """
    name = name or field
    if not isinstance(text, str):
        raise ValidationError(f"the {name} is no text: {short(text)}", field=field)
    if not text.strip():
        raise ValidationError(f"the {name} is empty", field=field)


def _check(tag: str) -> None:
    check_text(tag, "tag")
    if len(tag) > MAX_TAG_CHARS:
        raise ValidationError(f"a tag has {MAX_TAG_CHARS} characters at most", field="tag")
    if tag != tag.strip() or not tag.isprintable():
        raise ValidationError(
            f"tag {tag!r} is not plain: one line, with no blank at its ends", field="tag"
        )

"""Types of messages as they are typed, and those that no event of a thread has."""

from collections.abc import Sequence
from difflib import get_close_matches

from messagedb_agent.cli.terminal import note, one_line
from messagedb_agent.errors import ValidationError

_NEAR = 0.8  # how alike two names are of which one is the other misspelt, from 0 to 1


def named_types(given: str | None) -> Sequence[str] | None:
    """Return the types that were typed, with commas between them; None for all.

    Raises:
        ValidationError: one of them is empty.
    """
    if given is None:
        return None
    types = [type.strip() for type in given.split(",")]
    if not all(types):
        raise ValidationError("--types takes names of types, separated by commas", field="types")
    return types


def tell_unknown(types: Sequence[str] | None, *, of_threads: bool) -> None:
    """Say which types no event of ours has: other writers' messages have what they like."""
    from messagedb_agent.events.codec import EVENT_TYPES

    ours = {name.casefold(): name for name in EVENT_TYPES}
    for type in dict.fromkeys(types or ()):
        near = get_close_matches(type.casefold(), ours, 1, _NEAR)
        if type in EVENT_TYPES or not (near or of_threads):
            continue
        meant = f"; is it {ours[near[0]]}?" if near else "; only another writer's messages have it"
        note(one_line(f"no event of a thread has the type {type!r}{meant}"))

"""`--tool-result CALL=JSON`: which call is meant, and what it is to have given."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import orjson

from messagedb_agent.cli.naming import is_named, position_named
from messagedb_agent.errors import AmbiguousName, NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.projections.record import RecordedCall

_FIELD = "tool-result"


async def given_results(
    engine: "Engine", agent: "Agent", at: int, given: Sequence[str]
) -> Mapping[str, str]:
    """Return results by the id of the call that each is for.

    Args:
        engine: what reads the thread.
        agent: the state that a fork is to branch off.
        at: the position that was named for it.
        given: `CALL=JSON` each.

    Raises:
        ValidationError: one is not written so, what it gives is no JSON, or a call has two.
        NotFound: no call of the thread fits, or more than one.
    """
    from messagedb_agent.projections.record import record

    if not given:
        return {}
    pairs = [_split(text) for text in given]
    calls = (await engine.fold(agent.thread_id, record)).calls()
    turn = (await engine.fold(agent.thread_id, record, at=at)).turn
    found: dict[str, str] = {}
    for name, text in pairs:
        id = _meant(tuple(calls.values()), turn, name).call_id
        if id in found:
            raise ValidationError(f"two results for call {id}", field=_FIELD)
        found[id] = text
    return found


def _split(given: str) -> tuple[str, str]:
    name, mark, text = given.partition("=")
    if not mark or not name:
        raise ValidationError(f"{given!r} is not CALL=JSON", field=_FIELD)
    return name, result_text(text)


def result_text(text: str) -> str:
    """Return what the model is to be shown: a text as it is, anything else as JSON.

    Raises:
        ValidationError: it is no JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        hint = f"; as a text it is '\"{text}\"'" if '"' not in text else ""
        raise ValidationError(f"{text!r} is no JSON: {error}{hint}", field=_FIELD) from error
    return value if isinstance(value, str) else text.strip()


def _meant(calls: Sequence["RecordedCall"], turn: int, name: str) -> "RecordedCall":
    """Return the call that a person means.

    By the position of an event that is about it alone; by its tool, where that was called once in
    the turn; by its id, a beginning or an end of it.
    """
    position = position_named(name)
    for fitting in (
        [c for c in calls if position is not None and position in c.events],
        [c for c in calls if c.tool == name and c.turn == turn],
        [c for c in calls if is_named(c.call_id, name)],
    ):
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise AmbiguousName("tool call", name, tuple(call.call_id for call in fitting))
    raise NotFound("tool call", name)

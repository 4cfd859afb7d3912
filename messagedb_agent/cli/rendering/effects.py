"""Tool calls as effects, for people and for programs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.rendering.events import cut

if TYPE_CHECKING:
    from messagedb_agent.projections.effects import ToolEffect

EFFECTS_HEADINGS = ("call", "tool", "policy", "attempts", "outcome", "key", "arguments")
_SHOWN_CHARACTERS = 60
_SHORTEST = 8  # characters of a call's id: the index in its reply, and some of its claim
_OUTCOMES = {"not_run": "not run", "asked": "waits for approval"}


def effect_rows(
    effects: Sequence["ToolEffect"],
    among: Sequence["ToolEffect"],
    *,
    full: bool,
    is_left: bool = False,
) -> Sequence[Sequence[str]]:
    """Return one row for each call.

    Args:
        effects: what is shown.
        among: all calls of the thread: the end of an id that is shown is no other call's.
        full: cut nothing short.
        is_left: what runs by the log does not, as whoever began it is gone.
    """
    ids = [effect.call_id for effect in among]
    return [
        (
            effect.call_id if full else short_call(effect.call_id, ids),
            effect.tool,
            effect.policy,
            str(effect.attempts),
            _outcome(effect, is_left=is_left),
            effect.key,
            effect.arguments if full else cut(effect.arguments, _SHOWN_CHARACTERS),
        )
        for effect in effects
    ]


def short_call(call_id: str, ids: Sequence[str]) -> str:
    """Return the shortest end of a call's id that fits no other of `ids`."""
    others = [id for id in ids if id != call_id]
    for length in range(_SHORTEST, len(call_id)):
        end = call_id[-length:]
        if not any(id.endswith(end) for id in others):
            return end
    return call_id


def effect_json(effect: "ToolEffect", *, is_left: bool = False) -> Mapping[str, Any]:
    """Return a call with all that is known of it; `is_left` as for `effect_rows`."""
    resolution = effect.resolution
    return {
        "callId": effect.call_id,
        "tool": effect.tool,
        "arguments": effect.arguments,
        "policy": effect.policy,
        "position": effect.position,
        "attempts": effect.attempts,
        "idempotencyKey": effect.key or None,
        "outcome": _now(effect, is_left=is_left),
        "text": effect.text,
        "resolution": resolution
        and {"status": resolution.status, "text": resolution.text, "by": resolution.by},
    }


def _now(effect: "ToolEffect", *, is_left: bool) -> str:
    return "interrupted" if is_left and effect.outcome == "running" else effect.outcome


def _outcome(effect: "ToolEffect", *, is_left: bool) -> str:
    said = _now(effect, is_left=is_left)
    said = _OUTCOMES.get(said, said)
    return f"{said}, {effect.resolution.status} after all" if effect.resolution else said

"""From a tool's declared properties to the value that is offered and recorded."""

import json
from collections.abc import Mapping
from typing import Any, TypeGuard, get_args

from messagedb_agent.errors import ValidationError
from messagedb_agent.events.values import JsonText, ToolSpec
from messagedb_agent.events.words import EffectPolicy
from messagedb_agent.tools.running import shortened

_NAME_RULE = "1 to 64 letters, digits, '_' or '-'"


def make_spec(
    *,
    name: object,
    description: object,
    parameters: Mapping[str, Any],
    needs_approval: object,
    effect: object,
    timeout_s: object,
    reconcile: object = None,
    transactional: object = False,
) -> ToolSpec:
    """Return the spec of a tool that declares these properties.

    Args:
        name: 1 to 64 letters, digits, `_` or `-`.
        description: what it does, for the model.
        parameters: JSON Schema of the arguments, an object.
        needs_approval: whether a person must allow each call.
        effect: `retry`, `keyed`, `check` or `never`, as `Tool` explains them; None is `never`, or
            `retry` for a transactional tool.
        timeout_s: seconds that one call may take, more than 0; None for no bound.
        reconcile: says what became of a call; for `check` tools, and for those alone.
        transactional: whether it writes in the transaction that its result is appended in.

    Raises:
        ValidationError: one of them is not what it must be; `field` is its name.
    """
    if not isinstance(name, str) or not _is_name(name):
        shown = shortened(repr(name), 80)
        raise ValidationError(f"{shown} is no name for a tool: {_NAME_RULE}", field="name")
    if not isinstance(description, str):
        raise _refused(name, "description", "is not text")
    if not isinstance(needs_approval, bool):
        raise _refused(name, "needs_approval", "is neither True nor False")
    policy = _policy(name, effect, transactional)
    if policy == "check" and not callable(reconcile):
        raise _refused(name, "reconcile", "must be a function: a `check` tool is asked by it")
    if policy != "check" and reconcile is not None:
        raise _refused(name, "reconcile", "is asked of a tool with effect='check' alone")
    return ToolSpec(
        name=name,
        description=description,
        parameters_schema=_schema_text(name, parameters),
        needs_approval=needs_approval,
        effect=policy,
        timeout_ms=_timeout_ms(name, timeout_s),
    )


def _is_name(text: str) -> bool:
    return (
        0 < len(text) <= 64
        and text.isascii()
        and text.replace("_", "a").replace("-", "a").isalnum()
    )


def _policy(name: str, effect: object, transactional: object) -> EffectPolicy:
    """Return the policy that is recorded.

    A transactional call whose worker died has left nothing behind, or its outcome: it is harmless
    to repeat, and every reader of the log knows the word for that.
    """
    if not isinstance(transactional, bool):
        raise _refused(name, "transactional", "is neither True nor False")
    if transactional and effect not in (None, "retry"):
        why = f"{effect!r} is no effect of a transactional tool, which is harmless to repeat"
        raise _refused(name, "effect", why)
    if effect is None:
        return "retry" if transactional else "never"
    if not _is_policy(effect):
        policies = ", ".join(get_args(EffectPolicy))
        raise _refused(name, "effect", f"{effect!r} is none of {policies}")
    return effect


def _is_policy(value: object) -> TypeGuard[EffectPolicy]:
    return value in get_args(EffectPolicy)


def _timeout_ms(name: str, timeout_s: object) -> int | None:
    if timeout_s is None:
        return None
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float):
        raise _refused(name, "timeout_s", "is no number of seconds")
    if not 0 < timeout_s < float("inf"):
        raise _refused(name, "timeout_s", "must be more than 0 seconds; None is no bound")
    return max(1, round(timeout_s * 1000))


def _schema_text(name: str, parameters: Mapping[str, Any]) -> JsonText:
    """Return the schema as JSON, the same text for the same schema."""
    if parameters.get("type", "object") != "object":
        raise _refused(name, "parameters", "must be the schema of a JSON object")
    schema = {"type": "object", "properties": {}, **parameters}
    try:
        return json.dumps(
            schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise _refused(name, "parameters", f"is no JSON: {error}") from error


def _refused(tool: str, field: str, why: str) -> ValidationError:
    return ValidationError(f"tool {tool!r}: {field} {why}", field=field)

"""What the offline model finds when it is asked for facts: a few fixed English phrases."""

import json
import re
from collections.abc import Iterator

_PHRASES = tuple(
    (re.compile(pattern, re.IGNORECASE), key)
    for pattern, key in (
        (r"\bmy name is ([^.,;!?\n]+)", "name"),
        (r"\bI live in ([^.,;!?\n]+)", "home city"),
        (r"\bI am allergic to ([^.,;!?\n]+)", "allergy"),
        (r"\bI (?:like|love) ([^.,;!?\n]+)", "likes"),
    )
)


def facts_in(asked: str) -> str:
    """Return the answer to a request for facts, as JSON.

    Args:
        asked: the lines of the conversation that the request shows, JSON objects.
    """
    return json.dumps({"facts": [*_facts(asked)]}, ensure_ascii=False)


def _facts(asked: str) -> Iterator[dict[str, object]]:
    for line in asked.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if not isinstance(said, dict) or not isinstance(text := said.get("user"), str):
            continue
        for phrase, key in _PHRASES:
            if found := phrase.search(text):
                yield {"message": said.get("message"), "key": key, "value": found[1].strip()}

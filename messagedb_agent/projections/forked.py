"""What a fork is told of the calls that its prefix left open."""

from collections.abc import Mapping

import orjson

from messagedb_agent.events.schema import SessionStarted


def given_results(started: SessionStarted) -> Mapping[str, str]:
    """Return the results that a fork is given, by call id.

    What cannot be read, and a result that is no text, counts as not given: the model is told that
    the call was not run, and nobody may be shown anything else.
    """
    text = started.forked_from.results if started.forked_from else None
    try:
        given = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(given, dict):
        return {}
    return {id: result for id, result in given.items() if isinstance(result, str)}

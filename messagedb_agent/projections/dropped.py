"""What becomes of the open calls of a round that a cancel, an end or a fork drops."""

from collections.abc import Mapping

import orjson

from messagedb_agent.agent.state import NOT_STARTED, Stage, State
from messagedb_agent.events.recorded import Recorded
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


def left_out(state: State, recorded: Recorded) -> tuple[str, ...]:
    """Return the open calls that will never have an outcome, by an event that drops them.

    Args:
        state: the state before the event.
        recorded: a cancel, the end of the session, or the start of a fork, which leaves behind
            what its parent was running, too.
    """
    running = (Stage.RUNNING,) if isinstance(recorded.event, SessionStarted) else ()
    return state.at(*NOT_STARTED, *running)

"""Model calls beside the turn: recorded like any other, they neither block nor fail it."""

import asyncio
from collections.abc import Awaitable, Callable

from messagedb_agent.agent.decider import thread_limits
from messagedb_agent.containing import to_the_end
from messagedb_agent.engine.batch import Batch, Draft
from messagedb_agent.engine.ended import Ended
from messagedb_agent.engine.journal import Journal
from messagedb_agent.engine.plan import AskModel
from messagedb_agent.errors import Refused
from messagedb_agent.events.schema import Event, LlmCallFailed, LlmCallStarted, LlmResponseReceived
from messagedb_agent.events.words import Purpose
from messagedb_agent.projections.conversation import Conversation
from messagedb_agent.projections.requests import FoldedRequest
from messagedb_agent.store.hold import Hold

Perform = Callable[[AskModel, Hold], Awaitable[Ended]]
"""Asks a model, and returns what came of it."""


async def ask_aside(
    journal: Journal,
    perform: Perform,
    purpose: Purpose,
    fold: Callable[[Conversation], FoldedRequest],
    then: Callable[[Batch, LlmResponseReceived], None],
) -> Event:
    """Ask a model something about a thread, whoever works on it meanwhile.

    Nobody needs to own the thread: what protects it is the expected version of each append. Who
    dies in between leaves a call without outcome, which nothing waits for.

    Args:
        journal: the thread, read to its end.
        perform: asks the model.
        purpose: what the call is for; not what is part of a turn.
        fold: folds the request from the conversation, or refuses it.
        then: adds what follows from the reply, in its append.

    Returns:
        The outcome: the reply, or the failure.

    Raises:
        Refused: a limit of the session is reached.
        CancelledError: the caller was cancelled; the call is recorded as cancelled.

    What `fold` and `then` raise comes through; where it is `then`, the outcome is not recorded.
    """
    asked = await journal.claim(lambda batch: _claimed(batch, purpose, fold(batch.shown)))
    outcome = await perform(asked, Hold())
    if not isinstance(outcome, Draft):
        raise TypeError(f"a model call ended with {outcome!r}")

    def follow(batch: Batch) -> None:
        if isinstance(outcome.event, LlmResponseReceived) and batch.sealed:
            then(batch, outcome.event)

    recording = journal.record((outcome,), then=follow)
    if isinstance(outcome.event, LlmCallFailed) and outcome.event.kind == "cancelled":
        await to_the_end(recording)
        raise asyncio.CancelledError
    await recording
    return outcome.event


def _claimed(batch: Batch, purpose: Purpose, folded: FoldedRequest) -> AskModel:
    state = batch.shown.state
    if reached := thread_limits(state, state.limits):
        names = ", ".join(limit.name for limit in reached)
        raise Refused(f"a limit of the session is reached: {names}")
    started = LlmCallStarted(
        purpose=purpose,
        model=folded.request.model,
        parameters=folded.request.parameters,
        context_position=batch.head.version,
        projection_name=folded.projection,
        projection_version=folded.version,
        request_digest=folded.digest,
        left_out=folded.left_out,
    )
    recorded = batch.claim(started, None)
    return AskModel(recorded.id, recorded.position, purpose, folded.request, None)

"""Tries again what is worth trying again: the only place that does so for model calls.

Waits grow by doubling, from `first_wait_ms` up to `most_wait_ms`, and each is drawn from the
upper half of its range, so that many clients do not come back at the same moment. A provider
that names a waiting time is obeyed, up to `most_retry_after_ms`. One that refuses the schema of an
answer is asked once more without it, whatever the retries allow.
"""

import asyncio
import random as _random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from messagedb_agent.events.request import CallFailure, Delta, Reply, Request
from messagedb_agent.events.values import Attempt
from messagedb_agent.llm.attempt import Failed, ModelAttempt
from messagedb_agent.llm.contained import outcome_of
from messagedb_agent.llm.model import OnDelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a model call is tried.

    Attributes:
        max_retries: most attempts after the first, where the request does not say.
        timeout_ms: most milliseconds of one attempt, where the request does not say.
        deadline_ms: most milliseconds of the whole call, waiting included.
        first_wait_ms: the longest first wait.
        most_wait_ms: the longest wait of our own choosing.
        most_retry_after_ms: the longest wait that a provider may ask for; a longer one is cut.
    """

    max_retries: int = 3
    timeout_ms: int = 120_000
    deadline_ms: int = 1_800_000
    first_wait_ms: int = 1_000
    most_wait_ms: int = 30_000
    most_retry_after_ms: int = 120_000


class Retrying:
    """A `LanguageModel` made of single attempts.

    Args:
        model: asks once.
        policy: how often and how patiently.
        sleep: waits for some seconds.
        random: gives a number from 0 up to 1.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        model: ModelAttempt,
        policy: RetryPolicy = RetryPolicy(),
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = _random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._policy = policy
        self._sleep = sleep
        self._random = random
        self._clock = clock

    async def complete(
        self, request: Request, *, on_delta: OnDelta | None = None
    ) -> Reply | CallFailure:
        """Answer one request, trying again what is worth it; see `LanguageModel.complete`."""
        shown = _Shown(on_delta) if on_delta else None
        ends = self._clock() + self._policy.deadline_ms / 1000
        is_listeners = shown.has_raised if shown else _never
        attempts: list[Attempt] = []
        waited_ms = 0
        while True:
            began = self._clock()
            timeout_s = min(self._timeout_s(request), max(ends - began, 0.001))
            attempt = partial(self._model.attempt, request, timeout_s=timeout_s, on_delta=shown)
            outcome = await outcome_of(attempt, timeout_s=timeout_s, is_callers=is_listeners)
            elapsed_ms = _ms(self._clock() - began)
            if isinstance(outcome, Reply):
                answered = Attempt(
                    model=outcome.model,
                    kind="answered",
                    elapsed_ms=elapsed_ms,
                    waited_ms=waited_ms,
                )
                return replace(outcome, attempts=(*attempts, answered))
            attempts.append(
                Attempt(
                    model=request.model,
                    kind=outcome.kind,
                    elapsed_ms=elapsed_ms,
                    waited_ms=waited_ms,
                    usage=outcome.usage,
                )
            )
            if refused := outcome.refuses_schema and request.output_schema is not None:
                # What the answer must be is said in the request's last message all the same.
                request = replace(request, output_schema=None)
            wait_s = 0.0 if refused else self._wait_s(request, outcome, attempts)
            if wait_s is None or self._clock() + wait_s >= ends:
                return CallFailure(outcome.kind, outcome.message, tuple(attempts))
            before = self._clock()
            await self._sleep(wait_s)
            waited_ms = _ms(self._clock() - before)
            if shown:
                shown.restart()

    def _timeout_s(self, request: Request) -> float:
        own = request.parameters.timeout_ms
        return (self._policy.timeout_ms if own is None else own) / 1000

    def _wait_s(self, request: Request, failed: Failed, attempts: list[Attempt]) -> float | None:
        """Seconds to wait before the next attempt; None if there shall be none."""
        own = request.parameters.max_retries
        most = self._policy.max_retries if own is None else own
        of_this_kind = sum(attempt.kind == failed.kind for attempt in attempts)
        if len(attempts) > most:
            return None
        if failed.retries is not None and of_this_kind > failed.retries:
            return None
        doubled_ms = self._policy.first_wait_ms << min(len(attempts) - 1, 30)
        wait_ms = min(doubled_ms, self._policy.most_wait_ms) * (0.5 + self._random() / 2)
        if failed.retry_after_ms is not None:
            asked_ms = min(failed.retry_after_ms, self._policy.most_retry_after_ms)
            wait_ms = max(wait_ms, asked_ms)
        return wait_ms / 1000


class _Shown:
    """Passes pieces on; knows whether any must be taken back, and what their listener raised."""

    def __init__(self, on_delta: OnDelta) -> None:
        self._on_delta = on_delta
        self._any = False
        self._raised: BaseException | None = None

    def __call__(self, delta: Delta) -> None:
        self._any = True
        try:
            self._on_delta(delta)
        except BaseException as error:
            self._raised = error
            raise

    def has_raised(self, error: BaseException) -> bool:
        """Say whether an exception is the listener's."""
        return error is self._raised

    def restart(self) -> None:
        if self._any:
            self._any = False
            self._on_delta(Delta("restart", ""))


def _never(error: BaseException) -> bool:
    return False


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))

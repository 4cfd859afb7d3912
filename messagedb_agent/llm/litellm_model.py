"""Any model that litellm can reach, asked once: the adapter between its words and ours."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.events.request import Delta, Reply, Request
from messagedb_agent.llm.attempt import Failed
from messagedb_agent.llm.litellm_errors import failed, refuses_form
from messagedb_agent.llm.litellm_library import load_in_thread
from messagedb_agent.llm.litellm_money import cost_of, price_of
from messagedb_agent.llm.litellm_reply import (
    Answer,
    get,
    provider_blocks,
    read_delta,
    read_whole,
    requested,
    usage_of,
)
from messagedb_agent.llm.litellm_request import (
    request_messages,
    request_output,
    request_settings,
    request_tools,
)
from messagedb_agent.llm.masking import masked
from messagedb_agent.llm.model import OnDelta

_CONNECT_TIMEOUT_S = 15.0
_CLIENT_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """A model as litellm is told of it.

    Attributes:
        name: litellm's name, with its provider: `anthropic/claude-haiku-4-5`.
        options: what goes with every call: `api_key`, `api_base`, `vertex_project`, ….
        secrets: values that no message may show.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class LitellmModel:
    """Asks a model once through litellm, whose own retries are off.

    An answer is streamed where somebody wants its pieces, and comes whole otherwise. A provider
    whose whole answers cannot be read (litellm drops an answer whose usage has the wrong type)
    is asked for streams from then on.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams_only = False

    async def attempt(
        self, request: Request, *, timeout_s: float, on_delta: OnDelta | None = None
    ) -> Reply | Failed:
        """Ask once; see `ModelAttempt.attempt`."""
        try:
            arguments = _arguments(request, self._target)
            # The import has its own pace, and is no part of the provider's time.
            litellm = await load_in_thread()
            if form := request_output(litellm, self._target.name, request):
                arguments["response_format"] = form
        except (ConfigurationError, ImportError) as error:
            return Failed("configuration", masked(str(error), self._target.secrets))
        attempt = _Attempt(litellm, self._target, arguments, timeout_s)
        streaming = on_delta is not None or self._streams_only
        try:
            async with (
                asyncio.timeout(timeout_s) as deadline,
                contextlib.aclosing(attempt.stream() if streaming else attempt.whole()) as pieces,
            ):
                while isinstance(piece := await attempt.next_of(pieces), Delta):
                    if on_delta is not None:
                        on_delta(piece)
        except TimeoutError:
            if not deadline.expired():
                raise  # not ours but the listener's
            return Failed("timed_out", f"no answer within {timeout_s:g} seconds", retries=None)
        if isinstance(piece, Failed):
            if form and refuses_form(piece):
                return replace(piece, refuses_schema=True)
            if piece.kind == "internal":
                self._streams_only = True
        return piece


def _arguments(request: Request, target: Target) -> dict[str, Any]:
    """What litellm is called with, whichever way the answer shall come."""
    arguments: dict[str, Any] = {
        **request_settings(request.parameters),
        **target.options,
        "model": target.name,
        "messages": request_messages(request, litellm_name=target.name),
        "num_retries": 0,
        "max_retries": 0,
    }
    if offered := request_tools(request.tools):
        arguments["tools"] = offered
    return arguments


_Pieces = AsyncGenerator[Delta | Reply | Failed, None]


class _Attempt:
    """One request and what comes of it: deltas, and then the reply or why there is none."""

    def __init__(
        self, litellm: Any, target: Target, arguments: dict[str, Any], timeout_s: float
    ) -> None:
        self._litellm = litellm
        self._target = target
        self._arguments = arguments
        self._timeout_s = timeout_s
        self._answer = Answer()

    async def next_of(self, pieces: _Pieces) -> Delta | Reply | Failed:
        """Return the next piece: the boundary at which what litellm raises becomes a value."""
        try:
            return await anext(pieces)
        except Exception as error:  # noqa: BLE001 - becomes the event that the call failed
            return failed(error, secrets=self._target.secrets, streaming=self._answer.began())

    async def whole(self) -> _Pieces:
        """Ask for the answer in one piece."""
        response = await self._ask()
        yield self._reply(read_whole(response), get(response, "usage"))

    async def stream(self) -> _Pieces:
        """Ask for the answer in pieces."""
        stream = await self._ask(stream=True, stream_options={"include_usage": True})
        raw_usage: Any = None
        try:
            async for chunk in _chunks(stream):
                raw_usage = get(chunk, "usage") or raw_usage
                for delta in read_delta(self._answer, chunk):
                    yield delta
        finally:
            await stream.aclose()
        # Where the connection ends without a finish, litellm adds one of its own.
        if stream.received_finish_reason is None:
            yield self._cut_off()
        else:
            # It also adds usage of its own counting where the provider gave none.
            told = any(get(chunk, "usage") is not None for chunk in stream.chunks)
            yield self._reply(self._answer, raw_usage if told else None)

    async def _ask(self, **how: Any) -> Any:
        """Send the request: the one place where litellm is called."""
        # litellm brings it along, and is imported when it is used.
        import httpx

        # The deadline is ours; this one only has to be later. It is seldom another, since
        # litellm keeps a client for each value.
        later_s = max(_CLIENT_TIMEOUT_S, self._timeout_s)
        timeout = httpx.Timeout(later_s, connect=_CONNECT_TIMEOUT_S)
        return await self._litellm.acompletion(**self._arguments, **how, timeout=timeout)

    def _reply(self, answer: Answer, raw_usage: Any) -> Reply | Failed:
        usage = usage_of(raw_usage)
        finish = answer.finish_reason or "stop"
        calls = requested(answer)
        if not answer.text and not calls:
            if finish == "content_filter":
                return Failed("refused", "the provider's filter withheld the answer", usage=usage)
            return Failed("empty", f"the answer is empty ({finish})", retries=2, usage=usage)
        name = self._target.name
        return Reply(
            model=answer.model or name,
            text=answer.text,
            finish_reason="tool_calls" if calls and finish == "stop" else finish,
            calls=calls,
            usage=usage,
            reasoning=answer.reasoning or None,
            provider_blocks=provider_blocks(answer, litellm_name=name),
            cost_usd=cost_of(self._litellm, name, usage, raw_usage),
            price=price_of(self._litellm, name),
        )

    def _cut_off(self) -> Failed:
        if self._answer.began():
            return Failed("cut_off", "the stream ended before the answer did", retries=None)
        return Failed("empty", "the provider closed the stream without an answer", retries=2)


async def _chunks(stream: Any) -> AsyncIterator[Any]:
    """The chunks of a stream, up to an error that comes when the answer is whole already."""
    try:
        async for chunk in stream:
            yield chunk
    except Exception:
        # Behind the finish only usage comes, and no answer is lost for want of it.
        if stream.received_finish_reason is None:
            raise

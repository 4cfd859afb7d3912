"""What goes wrong between a provider and real litellm, as failures: tried again, or not."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import pytest

from messagedb_agent.events.request import Delta
from messagedb_agent.llm.retrying import RetryPolicy
from tests.end_to_end.llm.asking import BOTH_FORMS, BOTH_WAYS, KEY, Asker, request
from tests.model_server import Answer, Body, Drop, Fail, ModelServer, Say, Stall

AGAIN = 3  # requests that go out where trying again is worth it: one, and two retries
ONCE = 1

FAILURES: list[tuple[Answer, str, int]] = [
    (Fail(429, "slow down"), "rate_limited", AGAIN),
    (Fail(500, "boom"), "unavailable", AGAIN),
    (Fail(502, "bad gateway"), "unavailable", AGAIN),
    (Fail(503, "down"), "unavailable", AGAIN),
    (Fail(529, "Overloaded"), "unavailable", AGAIN),
    (Fail(408, "too slow"), "timed_out", AGAIN),
    (Drop(), "unavailable", AGAIN),
    (Fail(401, "who are you?"), "authentication", ONCE),
    (Fail(403, "not you"), "authentication", ONCE),
    (Fail(404, "no such model"), "configuration", ONCE),
    (Fail(400, "temperature is out of range"), "bad_request", ONCE),
    (Fail(400, "the rate limit of 429 is mentioned only"), "bad_request", ONCE),
    (Fail(422, "cannot be processed"), "bad_request", ONCE),
    (Fail(400, "prompt is too long: 3 tokens > 2 maximum"), "context_overflow", ONCE),
    (Fail(413, "too many bytes"), "context_overflow", ONCE),
    (Fail(400, "Output blocked by content filtering policy"), "refused", ONCE),
]
OPENAI_FAILURES: list[tuple[Answer, str, int]] = [
    (Fail(400, "sorry", code="context_length_exceeded"), "context_overflow", ONCE),
    (Fail(400, "sorry", code="content_policy_violation"), "refused", ONCE),
    (Fail(429, "pay first", code="insufficient_quota"), "rate_limited", ONCE),
    (Fail(429, "Request too large: 33000 tokens"), "context_overflow", ONCE),
]


def _named(case: object) -> str | None:
    return f"{case.status}-{case.message}" if isinstance(case, Fail) else None


async def _expect(asker: Asker, answer: Answer, kind: str, requests: int) -> None:
    asker.server.then(*[answer] * AGAIN)
    failure = await asker.failure()
    assert failure.kind == kind
    assert failure.message
    assert len(asker.server.requests) == requests
    assert [attempt.kind for attempt in failure.attempts] == [kind] * requests


@BOTH_FORMS
@BOTH_WAYS
@pytest.mark.parametrize(("answer", "kind", "requests"), FAILURES, ids=_named)
async def test_each_failure_has_its_kind_and_goes_out_as_often_as_it_is_worth(
    server: ModelServer, form: str, streamed: bool, answer: Answer, kind: str, requests: int
) -> None:
    await _expect(Asker(server, form, streamed), answer, kind, requests)


@BOTH_WAYS
@pytest.mark.parametrize(("answer", "kind", "requests"), OPENAI_FAILURES, ids=_named)
async def test_the_codes_of_openai_count_too(
    server: ModelServer, streamed: bool, answer: Answer, kind: str, requests: int
) -> None:
    await _expect(Asker(server, "openai", streamed), answer, kind, requests)


@BOTH_FORMS
@BOTH_WAYS
async def test_a_failure_that_passes_is_followed_by_the_answer(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Fail(500, "boom"), Say("here you are"))
    asker = Asker(server, form, streamed)
    reply = await asker.reply()
    assert reply.text == "here you are"
    assert [attempt.kind for attempt in reply.attempts] == ["unavailable", "answered"]
    assert len(asker.sleeps.seconds) == 1


@BOTH_FORMS
@BOTH_WAYS
async def test_a_provider_that_names_a_waiting_time_is_obeyed_up_to_a_bound(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(
        Fail(429, "wait", headers={"retry-after": "7"}),
        Fail(429, "wait", headers={"retry-after": "86400"}),
        Say("thanks"),
    )
    asker = Asker(server, form, streamed)
    await asker.reply()
    assert asker.sleeps.seconds == [7.0, 120.0]


@BOTH_FORMS
@pytest.mark.parametrize("cut", ["clean", "abrupt"])
@pytest.mark.parametrize("after", [2, 3])
async def test_a_cut_stream_is_never_taken_for_complete(
    server: ModelServer, form: str, cut: Literal["clean", "abrupt"], after: int
) -> None:
    broken = Say("a half of it", cut_after=after + (form == "anthropic"), cut=cut)
    server.then(broken, Say("all of it"))
    asker = Asker(server, form, streamed=True)
    reply = await asker.reply()
    assert reply.text == "all of it"
    assert [attempt.kind for attempt in reply.attempts] == ["cut_off", "answered"]
    assert "restart" in [delta.kind for delta in asker.deltas]
    assert asker.shown() == "all of it"


@BOTH_FORMS
async def test_a_stream_that_is_cut_every_time_fails(server: ModelServer, form: str) -> None:
    await _expect(Asker(server, form, True), Say("a half of it", cut_after=4), "cut_off", AGAIN)


ERRORS_IN_STREAMS = {
    "openai": (
        'data: {"id": "x", "choices": [{"index": 0, "delta": {"content": "Well, "}}]}\n\n'
        'data: {"error": {"message": "overloaded", "type": "server_error", "code": "500"}}\n\n'
    ),
    "anthropic": (
        'event: message_start\ndata: {"type": "message_start", "message": {"id": "m", "type": '
        '"message", "role": "assistant", "content": [], "model": "x", "usage": {}}}\n\n'
        'event: content_block_start\ndata: {"type": "content_block_start", "index": 0, '
        '"content_block": {"type": "text", "text": ""}}\n\n'
        'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, '
        '"delta": {"type": "text_delta", "text": "Well, "}}\n\n'
        'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", '
        '"message": "overloaded"}}\n\n'
    ),
}


@BOTH_FORMS
async def test_an_error_inside_a_stream_cuts_it_off(server: ModelServer, form: str) -> None:
    body = Body(ERRORS_IN_STREAMS[form].encode(), content_type="text/event-stream")
    server.then(body, Say("Well, yes."))
    asker = Asker(server, form, streamed=True)
    reply = await asker.reply()
    assert (reply.text, asker.shown()) == ("Well, yes.", "Well, yes.")
    assert [attempt.kind for attempt in reply.attempts] == ["cut_off", "answered"]


async def test_an_error_in_place_of_a_stream_is_tried_again(server: ModelServer) -> None:
    error = ERRORS_IN_STREAMS["openai"].partition("\n\n")[2].encode()
    await _expect(
        Asker(server, "openai", streamed=True),
        Body(error, content_type="text/event-stream"),
        "unavailable",
        AGAIN,
    )


@BOTH_FORMS
@BOTH_WAYS
async def test_an_empty_answer_is_asked_for_again_twice_at_most(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(*[Say("")] * 9)
    failure = await Asker(server, form, streamed).failure(request(max_retries=8))
    assert failure.kind == "empty"
    assert len(server.requests) == AGAIN
    assert failure.attempts[0].usage is not None


@BOTH_FORMS
@BOTH_WAYS
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"data: {bad\n\ndata: [DONE]\n\n"])
async def test_an_answer_that_is_none_fails_after_a_few_tries(
    server: ModelServer, form: str, streamed: bool, body: bytes
) -> None:
    server.then(*[Body(body)] * AGAIN)
    failure = await Asker(server, form, streamed).failure()
    assert failure.kind in ("unavailable", "empty", "internal")
    assert 1 < len(server.requests) <= AGAIN


@BOTH_FORMS
@BOTH_WAYS
async def test_an_answer_that_a_filter_withheld_is_refused(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Say("", finish="content_filter"))
    failure = await Asker(server, form, streamed).failure()
    assert (failure.kind, len(server.requests)) == ("refused", ONCE)


@BOTH_FORMS
@BOTH_WAYS
async def test_a_server_that_stalls_is_left_at_the_timeout_and_asked_again(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Say("here you are"), Stall(), Stall())
    asker = Asker(server, form, streamed)
    await asker.reply()  # litellm's first request in a process may take a second by itself
    failure = await asker.failure(request(timeout_ms=200, max_retries=1))
    assert failure.kind == "timed_out"
    assert len(server.requests) == 3
    assert await _eventually(lambda: server.left == 2)


@BOTH_WAYS
async def test_the_whole_call_has_a_deadline(server: ModelServer, streamed: bool) -> None:
    server.then(*[Stall()] * 9)
    asker = Asker(server, "openai", streamed, policy=RetryPolicy(deadline_ms=200))
    failure = await asker.failure(request(timeout_ms=60_000, max_retries=8))
    assert (failure.kind, len(server.requests)) == ("timed_out", 1)


@BOTH_FORMS
@BOTH_WAYS
async def test_a_server_that_is_not_there_is_unavailable(form: str, streamed: bool) -> None:
    with ModelServer() as closed:
        pass
    failure = await Asker(closed, form, streamed).failure()
    assert (failure.kind, len(failure.attempts)) == ("unavailable", AGAIN)


@BOTH_FORMS
@pytest.mark.parametrize("begun", [False, True])
@BOTH_WAYS
async def test_cancelling_ends_the_request_at_once(
    server: ModelServer, form: str, streamed: bool, begun: bool
) -> None:
    stalls = Say("some pieces and then", cut_after=4, cut="stall")
    server.then(stalls if begun and streamed else Stall())
    asker = Asker(server, form, streamed)
    asking = asyncio.create_task(asker())
    assert await _eventually(lambda: bool(asker.deltas if begun and streamed else server.requests))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await _eventually(lambda: server.left == 1)
    assert len(server.requests) == 1


async def test_what_a_listener_raises_is_no_failure_of_the_model(server: ModelServer) -> None:
    def listen(delta: Delta) -> None:
        raise LookupError(delta.text)

    server.then(Say("hello"))
    with pytest.raises(LookupError):
        await Asker(server).model().complete(request(), on_delta=listen)
    assert len(server.requests) == 1


@BOTH_FORMS
async def test_no_key_appears_in_a_message(server: ModelServer, form: str) -> None:
    server.then(Fail(401, f"bad key: I was sent {KEY}, and not AIzaSyA0123456789"))
    failure = await Asker(server, form).failure()
    assert KEY not in failure.message
    assert "AIzaSyA" not in failure.message
    assert failure.message.startswith("bad key")


@BOTH_FORMS
@BOTH_WAYS
async def test_a_message_is_one_line_of_bounded_length(
    server: ModelServer, form: str, streamed: bool
) -> None:
    server.then(Fail(400, "wrong\n" * 2_000))
    failure = await Asker(server, form, streamed).failure()
    assert "\n" not in failure.message
    assert 1_000 < len(failure.message) <= 2_000


@BOTH_FORMS
@BOTH_WAYS
async def test_nothing_is_printed(
    server: ModelServer, form: str, streamed: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    server.then(Fail(500, "boom"), Fail(400, "no"), Say("x", usage=None))
    await Asker(server, form, streamed)()
    await Asker(server, form, streamed)()
    logging.getLogger("LiteLLM").error("litellm has its own handler for this")
    assert capfd.readouterr() == ("", "")


async def _eventually(condition: Callable[[], bool]) -> bool:
    """Wait until something is so, for what the server's threads do in their own time."""
    for _ in range(2_000):
        if condition():
            return True
        await asyncio.sleep(0.01)
    return False

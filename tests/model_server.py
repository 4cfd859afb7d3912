"""A model provider on loopback: scripted answers in OpenAI's and Anthropic's form.

It is strict: a history that a provider would refuse is answered with status 400 and kept in
`refusals`. It runs in threads of its own, so that tests of both kinds, sync and async, and
processes started by them can talk to it.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.model_forms import AnthropicForm, Form, OpenAiForm
from tests.provider_rules import broken_rule

_FORMS: Mapping[str, Form] = {
    "/v1/chat/completions": OpenAiForm(),
    "/v1/messages": AnthropicForm(),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a scripted answer; `arguments` goes out as it is, text or not."""

    name: str | None
    arguments: Any = "{}"
    id: str | None = "call_1"


@dataclass(frozen=True, slots=True)
class Say:
    """A model's answer.

    Attributes:
        text: what it says.
        calls: the tools it asks for.
        finish: `stop`, `tool_calls`, `length` or `content_filter`; None fits it to the calls.
        usage: input and output tokens, or any JSON value to be sent in their place;
            None leaves usage out.
        reasoning: what it thinks aloud.
        signature: the signature of its reasoning (Anthropic's form).
        model: name of the model that answers.
        piece: characters of a delta, when streaming.
        write: bytes of one write to the socket, when streaming; None writes event by event.
        cut_after: deltas after which the stream ends; None sends all.
        cut: `clean` closes the connection as if all were said, `abrupt` breaks it, `stall`
            keeps it open and says no more.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    usage: Any = (11, 7)
    reasoning: str | None = None
    signature: str | None = None
    model: str = "scripted-1"
    piece: int = 4
    write: int | None = None
    cut_after: int | None = None
    cut: Literal["clean", "abrupt", "stall"] = "clean"


@dataclass(frozen=True, slots=True)
class Fail:
    """An error of the provider, with the JSON body that belongs to its form."""

    status: int
    message: str = "scripted failure"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """Any bytes at all as the answer."""

    content: bytes
    status: int = 200
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Stall:
    """No byte, until the client goes away or the server is closed."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is closed without a byte."""


Answer = Say | Fail | Body | Stall | Drop


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in; header names in small letters."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class ModelServer:
    """Answers requests from its script, one after the other.

    Attributes:
        requests: every request received, refused ones included.
        refusals: why histories were refused.
        left: number of clients that went away while they were kept waiting.
    """

    def __init__(self, *script: Answer | Callable[[Received], Answer]) -> None:
        self._script = list(script)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.requests: list[Received] = []
        self.refusals: list[str] = []
        self.left = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Base address without a path, such as `http://127.0.0.1:4711`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def then(self, *script: Answer | Callable[[Received], Answer]) -> None:
        """Add answers to the end of the script."""
        with self._lock:
            self._script.extend(script)

    def answer(self, received: Received) -> Answer:
        """Take the next answer off the script, or refuse the request."""
        with self._lock:
            self.requests.append(received)
            if broken := broken_rule(received.path, received.body):
                self.refusals.append(broken)
                return Fail(400, broken)
            if not self._script:
                return Fail(500, "the script is at its end")
            step = self._script.pop(0)
        return step(received) if callable(step) else step

    def wait_for_client(self, gone: Callable[[], bool]) -> None:
        """Hold a request until its client is gone or the server closes."""
        while not self._closing.is_set():
            if gone():
                self.count_left()
                return
            time.sleep(0.01)

    def count_left(self) -> None:
        """Count a client that went away while it was kept waiting."""
        with self._lock:
            self.left += 1


class _Server(ThreadingHTTPServer):
    owner: ModelServer
    # server_close() then waits for every open request, so none outlives its test.
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: tests do it on purpose."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test output clean."""

    def do_POST(self) -> None:
        self.close_connection = True
        content = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {key.lower(): value for key, value in self.headers.items()}
        received = Received(self.path.split("?")[0], headers, json.loads(content))
        form = _FORMS.get(received.path)
        if form is None:
            self._send(404, b'{"error": {"message": "no such path"}}')
            return
        match self.server.owner.answer(received):
            case Say() as say if received.body.get("stream"):
                self._stream(say, form.events(say, received.body))
            case Say() as say:
                self._send(200, json.dumps(form.whole(say)).encode())
            case Fail() as fail:
                self._send(fail.status, json.dumps(form.error(fail)).encode(), fail.headers)
            case Body() as body:
                kind = {"content-type": body.content_type}
                self._send(body.status, body.content, kind)
            case Stall():
                self.server.owner.wait_for_client(self._client_is_gone)
            case Drop():
                pass

    def _client_is_gone(self) -> bool:
        self.connection.setblocking(False)
        try:
            return not self.connection.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        all_headers = {"content-type": "application/json", **(headers or {})}
        for name, value in all_headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, say: Say, events: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        # Without a length the end of the connection is the end of the answer: a cut looks
        # clean. In chunks, a missing last one shows.
        chunked = say.cut == "abrupt"
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for piece in _pieces(events, say.cut_after, say.write):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                self.wfile.flush()
                if say.write is not None:
                    time.sleep(0.0003)  # else the kernel joins the writes again
        except ConnectionError:
            if say.cut == "stall":  # it had enough before the stall began
                self.server.owner.count_left()
            raise
        if say.cut == "stall":
            self.server.owner.wait_for_client(self._client_is_gone)
        if chunked and say.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")


def _pieces(events: Iterator[bytes], cut_after: int | None, write: int | None) -> Iterator[bytes]:
    kept = [event for index, event in enumerate(events) if cut_after is None or index < cut_after]
    if write is None:
        yield from kept
        return
    whole = b"".join(kept)
    for start in range(0, len(whole), write):
        yield whole[start : start + write]

"""Tracing from the command line: live, afterwards, and what goes wrong with it."""

import base64
import json
import logging
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from messagedb_agent.observability import tracing as tracing_module
from tests.cli import CommandLine, finished
from tests.otlp_receiver import Arrived, Receiver, receiving, spans_in
from tests.waiting import until_now

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _own_logger() -> Iterator[None]:
    """Undo what a command does to the logs of OpenTelemetry in this process."""
    logger = logging.getLogger("opentelemetry")
    before = (list(logger.handlers), logger.propagate)
    yield
    logger.handlers, logger.propagate = before


def printed(out: str) -> list[Arrived]:
    """Read OTLP's JSON lines as a receiver does: its ids are hexadecimal."""
    found = []
    for line in out.splitlines():
        values = re.sub(
            r'"(traceId|spanId|parentSpanId)":"([0-9a-f]+)"',
            lambda match: f'"{match[1]}":"{_base64(match[2])}"',
            line,
        )
        found += spans_in(ParseDict(json.loads(values), ExportTraceServiceRequest()))
    return found


def _base64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def test_a_thread_recorded_without_tracing_is_exported_afterwards(
    cli: CommandLine, receiver: Receiver
) -> None:
    cli.set(TRACEPARENT=TRACEPARENT, TRACESTATE="v=1")
    cli("start", "What is 5 + 3?", "--model", "offline")
    first = cli("export", "last", "--otel")
    assert first.code == 0
    assert len(first.out.splitlines()) == 1
    spans = printed(first.out)
    assert [span.name for span in spans] == [
        "chat offline",
        "execute_tool calculate",
        "chat offline",
        "invoke_agent assistant",
    ]
    assert (spans[-1].trace_id, spans[-1].parent_id, spans[-1].state) == (TRACE, SPAN, "v=1")
    assert "exported: 4 spans of 1 thread" in first.err
    sent = cli("export", "--all", "--otel", "--endpoint", receiver.url)
    assert (sent.code, sent.out) == (0, "")
    assert receiver.spans == printed(cli("export", "last", "--otel").out) == spans


def test_a_command_traces_as_it_goes(cli: CommandLine, receiver: Receiver) -> None:
    cli.set(ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    cli.set(OTEL_SERVICE_NAME="mine")
    assert cli("start", "What is 5 + 3?", "--model", "offline").code == 0
    assert cli("chat", "last", stdin=b"What is 2 + 2?\nThanks\n").code == 0
    assert receiver.services == {"mine"}
    live = {span.span_id: span for span in receiver.spans}
    assert len(live) == len(receiver.spans) == 4 + 4 + 2
    exported = printed(cli("export", "last", "--otel").out)
    assert {span.span_id: span for span in exported} == live


def test_a_worker_traces_what_was_said_elsewhere(cli: CommandLine, receiver: Receiver) -> None:
    cli.set(TRACEPARENT=TRACEPARENT)
    assert cli("start", "--detach", "What is 5 + 3?", "--model", "offline").code == 0
    worker = cli.process(
        *("worker", "--model", "offline"),
        environment={"ENABLE_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
    )
    try:
        until_now(lambda: cli("show", "last").out.count("5 + 3 = 8"))
    finally:
        worker.send_signal(signal.SIGTERM)
        assert finished(worker).code == 0
    assert [span.trace_id for span in receiver.spans] == [TRACE] * 4
    assert receiver.spans[-1].parent_id == SPAN


def test_without_tracing_nothing_of_it_is_imported(cli: CommandLine) -> None:
    code = (
        "import sys; from messagedb_agent.cli.app import main\n"
        "main(sys.argv[1:])\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentel', 'google.p'))]\n"
        "sys.exit(', '.join(loaded) or 0)"
    )
    words = ("--category", cli._category, "start", "What is 5 + 3?", "--model", "offline")
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "5 + 3 = 8" in ended.stdout


def test_an_endpoint_that_is_down_is_one_warning(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing_module, "FLUSH_S", 0.2)
    cli.set(ENABLE_TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    cli.set(OTEL_EXPORTER_OTLP_TIMEOUT="0.5")  # for its retries
    cli.set(LOG_FORMAT="text", LOG_LEVEL="WARNING")
    ended = cli("start", "What is 5 + 3?", "--model", "offline")
    assert (ended.code, ended.out) == (0, "5 + 3 = 8.\n")
    assert ended.err.count("export") == 1
    assert "Traceback" not in ended.err


def test_a_malformed_traceparent_of_the_environment_is_ignored_and_told(cli: CommandLine) -> None:
    cli.set(TRACEPARENT="canary-nonsense", LOG_FORMAT="text", LOG_LEVEL="WARNING")
    ended = cli("start", "What is 5 + 3?", "--model", "offline")
    assert (ended.code, ended.out) == (0, "5 + 3 = 8.\n")
    assert "TRACEPARENT is malformed" in ended.err
    assert "canary" not in ended.err
    (turn,) = (s for s in printed(cli("export", "last", "--otel").out) if s.parent_id == "")
    assert turn.happenings == ()


def test_tracing_without_its_packages_says_what_to_install(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing_module, "_NEEDED", ("opentelemetry.nowhere.sdk",))
    line = cli.refused("export", "--all", "--otel", code=4)
    assert "messagedb-agent[tracing]" in line
    cli.set(ENABLE_TRACING="true")
    line = cli.refused("start", "What is 5 + 3?", "--model", "offline", code=4)
    assert "messagedb-agent[tracing]" in line
    assert cli("list").code == 4


def test_what_is_refused_of_an_export_is_named(cli: CommandLine, receiver: Receiver) -> None:
    assert "threads" in cli.refused("export", "--otel", code=2)
    cli.refused("export", "nothing", "--otel", code=3)
    assert "--otel" in cli.refused("export", "--all", "--endpoint", receiver.url, code=2)
    for endpoint in ("nowhere", "ftp://h", "http://", "http://h:0", "http://[", "http://h h"):
        line = cli.refused("export", "--all", "--otel", "--endpoint", endpoint, code=2)
        assert "--endpoint" in line


@pytest.mark.parametrize("status", [302, 400])  # what is sent elsewhere has not arrived
def test_an_endpoint_that_refuses_ends_the_export_with_11(
    cli: CommandLine, receiver: Receiver, status: int
) -> None:
    cli("start", "What is 5 + 3?", "--model", "offline")
    receiver.status = status
    ended = cli("export", "last", "--otel", "--endpoint", receiver.url)
    assert (ended.code, ended.out) == (11, "")
    assert "the endpoint did not take the spans" in ended.err
    assert "exported" not in ended.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("words", [(), ("--otel",)])
def test_an_export_to_a_full_disk_is_not_said_to_be_one(
    cli: CommandLine, words: tuple[str, ...]
) -> None:
    cli("start", "What is 5 + 3?", "--model", "offline")
    with open("/dev/full", "w") as full:
        command = cli.program("export", "last", *words)
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 11
    assert "exported" not in ended.stderr


@pytest.mark.parametrize("time", ["-infinity", "1960-01-01", "infinity"])
def test_rows_of_whatever_time_are_exported(
    cli: CommandLine, category: str, admin_url: str, time: str
) -> None:
    cli("start", "What is 5 + 3?", "--model", "offline")
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET metadata = NULL, time = %s"
            " WHERE message_store.category(stream_name) = %s",
            (time, f"{category}:v0"),
        )
    ended = cli("export", "last", "--otel")
    assert ended.code == 0
    assert {(s.start_ns < 0, s.start_ns == s.end_ns) for s in printed(ended.out)} == {(False, True)}


def test_a_fork_without_its_parent_keeps_no_other_thread_from_being_exported(
    cli: CommandLine, category: str, admin_url: str
) -> None:
    cli("start", "What is 5 + 3?", "--model", "offline")
    cli("fork", "last")
    cli("start", "What is 1 + 1?", "--model", "offline")
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "DELETE FROM message_store.messages WHERE stream_name IN"
            " (SELECT stream_name FROM message_store.messages"
            " WHERE message_store.category(stream_name) = %s ORDER BY global_position LIMIT 1)",
            (f"{category}:v0",),
        )
    ended = cli("export", "--all", "--otel")
    assert ended.code == 1
    assert len(printed(ended.out)) == 4
    assert "was forked from" in ended.err
    assert "4 spans of 1 thread" in ended.err


def test_an_export_of_nothing_is_nothing(cli: CommandLine, receiver: Receiver) -> None:
    ended = cli("export", "--all", "--otel", "--endpoint", receiver.url)
    assert (ended.code, ended.out, receiver.requests) == (0, "", [])


def test_open_turns_are_left_out(cli: CommandLine, tmp_path: Path) -> None:
    cli("start", "--detach", "What is 5 + 3?", "--model", "offline")
    ended = cli("export", "last", "--otel")
    assert (ended.code, ended.out) == (0, "")
    assert "0 spans" in ended.err

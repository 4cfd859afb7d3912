"""Logs: one record an event, in JSON or text, without what anybody said."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from messagedb_agent.config import Settings
from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    ToolExecutionCompleted,
    ToolExecutionStarted,
    UserMessageAdded,
)
from messagedb_agent.observability.logging import EventLog, configure

STREAM = "agent:v0-6f9c"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger("messagedb_agent")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before
    structlog.contextvars.clear_contextvars()


def logged(*, level: str | None = None, form: str | None = None) -> io.StringIO:
    stream = io.StringIO()
    settings: Settings = Settings.model_validate({"log_level": level, "log_format": form})
    configure(settings, stream)
    return stream


def run() -> None:
    log = EventLog()
    log(Recorded("1", STREAM, 0, UserMessageAdded(text="my secret wish")))
    started = ToolExecutionStarted(
        call_id="c", tool_name="t", arguments="my secret", attempt=1, idempotency_key="k"
    )
    log(Recorded("2", STREAM, 1, started))
    done = ToolExecutionCompleted(call_id="c", attempt=1, result="my secret", elapsed_ms=12)
    log(Recorded("3", STREAM, 2, done))


def test_each_event_is_one_record_with_its_place_step_and_time() -> None:
    stream = logged(form="json")
    run()
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [r["event"] for r in records] == [
        "recorded UserMessageAdded",
        "recorded ToolExecutionStarted",
        "recorded ToolExecutionCompleted",
    ]
    assert [(r["thread"], r["position"]) for r in records] == [("6f9c", n) for n in range(3)]
    assert [r.get("step") for r in records] == [None, "RunTools", "RunTools"]
    assert [r.get("elapsed_ms") for r in records] == [None, None, 12]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_record_holds_what_was_said(form: str) -> None:
    stream = logged(form=form)
    run()
    assert len(stream.getvalue().splitlines()) == 3
    assert "secret" not in stream.getvalue()


def test_what_is_logged_meanwhile_says_where() -> None:
    stream = logged(form="json")
    run()
    logging.getLogger("messagedb_agent.llm").warning("waits %d s", 3)
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["event"], last["thread"], last["position"]) == ("waits 3 s", "6f9c", 2)
    assert last["level"] == "warning"


def test_an_event_of_others_is_logged_by_its_own_type() -> None:
    stream = logged(form="json")
    EventLog()(Recorded("1", STREAM, 0, UnknownEvent("SomethingElse", "unknown type")))
    assert json.loads(stream.getvalue())["event"] == "recorded SomethingElse"


def test_the_level_is_kept() -> None:
    stream = logged(level="WARNING")
    run()
    assert stream.getvalue() == ""


def test_configuring_again_replaces_the_earlier_stream() -> None:
    first, second = logged(form="json"), logged(form="json")
    run()
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 3


def test_importing_the_library_configures_nothing() -> None:
    code = (
        "import logging, messagedb_agent\n"
        "[getattr(messagedb_agent, name) for name in messagedb_agent.__all__]\n"
        "import messagedb_agent.observability.logging\n"
        "logger = logging.getLogger('messagedb_agent')\n"
        "assert not logger.handlers and not logging.getLogger().handlers and not logger.level\n"
        "import structlog; assert not structlog.is_configured()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr

"""Logs: structlog over the standard logger `messagedb_agent`, on standard error.

Importing this configures nothing; an entry point calls `configure`. At INFO a record says what
happened, where and how long it took, and never what anybody said.
"""

import importlib
import logging
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from messagedb_agent.config import Settings
    from messagedb_agent.events.recorded import Recorded

LOGGER = "messagedb_agent"
_MARK = "_messagedb_agent_handler"
_ABSENT: Any = object()
# Libraries that would write a line for every request.
_CHATTY = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router", "asyncio", "httpcore", "httpx", "openai")
# What the agent is doing once an event of this type stands.
_STEPS = {
    "LlmCallStarted": "CallModel",
    "LimitReached": "Stop",
    "SessionCompleted": "Complete",
    "ToolApprovalRequested": "RequestApproval",
    "ToolExecutionStarted": "RunTools",
}


def configure(settings: "Settings", stream: TextIO | None = None) -> None:
    """Write the logs of this package to a stream, in place of an earlier call's.

    Args:
        settings: level and format; where they are unset, WARNING and text on a terminal, INFO
            and JSON elsewhere.
        stream: standard error by default.
    """
    target = sys.stderr if stream is None else stream
    is_watched = target.isatty()
    handler = logging.StreamHandler(target)
    handler.setFormatter(_Formatter(settings.log_format or ("text" if is_watched else "json")))
    setattr(handler, _MARK, True)
    logger = logging.getLogger(LOGGER)
    logger.handlers = [h for h in logger.handlers if not hasattr(h, _MARK)] + [handler]
    logger.setLevel(settings.log_level or ("WARNING" if is_watched else "INFO"))
    logger.propagate = False
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of each statement that a silent server did not end; whoever asked tells what matters.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    if settings.enable_tracing:
        _tell_once("opentelemetry")


def _tell_once(name: str) -> None:
    """Make one warning of all errors of a library; it would repeat them every few seconds."""
    logger = logging.getLogger(name)
    logger.handlers = [handler for handler in logger.handlers if not hasattr(handler, _MARK)]
    handler = _Once(logging.ERROR)
    setattr(handler, _MARK, True)
    logger.addHandler(handler)
    logger.propagate = False


class _Once(logging.Handler):
    """Warns of the first record, and keeps the others to DEBUG.

    What they say may quote addresses, so the warning does not quote it.
    """

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._is_told = False

    def emit(self, record: logging.LogRecord) -> None:
        ours = logging.getLogger("messagedb_agent.observability")
        if not self._is_told:
            self._is_told = True
            ours.warning(
                "spans or metrics are not exported; OTEL_EXPORTER_OTLP_ENDPOINT says where"
            )
        ours.debug("%s", record.getMessage())


class EventLog:
    """Logs the events of a run, and binds thread, position and step to whatever is logged."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(LOGGER)
        self._step = ""

    def __call__(self, recorded: "Recorded") -> None:
        """Log that an event stands in the log."""
        if not self._logger.isEnabledFor(logging.INFO):
            return
        event = recorded.event
        kind = getattr(event, "type", type(event).__name__)  # an unknown event has its own name
        self._step = _STEPS.get(kind, self._step)
        _structlog().contextvars.bind_contextvars(
            thread=recorded.stream.partition("-")[2], position=recorded.position, step=self._step
        )
        self._logger.info("recorded %s", kind, extra={"elapsed_ms": _elapsed_ms(event)})


def _elapsed_ms(event: Any) -> int | None:
    """Return how long an outcome took, in milliseconds; None for what takes no time."""
    if (elapsed_ms := getattr(event, "elapsed_ms", None)) is not None:
        return int(elapsed_ms)
    attempts = getattr(event, "attempts", ())
    return sum(a.elapsed_ms + a.waited_ms for a in attempts) if attempts else None


class _Formatter(logging.Formatter):
    """structlog's formatter, made when the first record is written: most commands write none."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self._form = form
        self._made: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        self._made = self._made or _made(_structlog(), self._form)
        return self._made.format(record)


@cache
def _structlog() -> Any:
    """Import structlog without the library it would draw tracebacks with.

    It takes rich where it can be imported, for a colourful form that is not used here and that
    takes ten times as long to import as structlog itself.
    """
    present = sys.modules.get("rich", _ABSENT)
    sys.modules["rich"] = None  # type: ignore[assignment]  # what makes an import fail
    try:
        return importlib.import_module("structlog")
    finally:
        if present is _ABSENT:
            del sys.modules["rich"]
        else:
            sys.modules["rich"] = present


def _made(structlog: Any, form: str) -> logging.Formatter:
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_empty,
    ]
    last: list[Any]
    if form == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
    formatter: logging.Formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    return formatter


def _without_empty(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if value not in (None, "")}

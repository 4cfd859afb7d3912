"""`export --otel`: the spans of threads, printed as OTLP or sent."""

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from messagedb_agent.cli.commands.archiving import named_or_all
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.streams import flush_answers
from messagedb_agent.cli.tally import threads_text
from messagedb_agent.cli.terminal import note, write
from messagedb_agent.errors import IntegrityError, ValidationError

if TYPE_CHECKING:
    from messagedb_agent.observability.exporting import Exporting


def export_spans(
    common: Common, threads: Sequence[str], *, take_all: bool, endpoint: str | None
) -> int:
    """Print the spans of threads, or send them.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
        ValidationError: the endpoint is no address.
    """
    from messagedb_agent.observability.tracing import require_packages, wants_content

    _check(endpoint)
    setup = set_up(common)
    require_packages()
    with_content = wants_content(os.environ)

    async def work() -> int:
        from messagedb_agent.observability.exporting import Exporting, lines, sending_to, spans_of

        out = Exporting(lines(write) if endpoint is None else sending_to(endpoint))
        async with opened(setup) as engine:
            ids = await named_or_all(engine, threads, take_all=take_all)
            wrong = 0
            for id in ids:
                stream = engine._stream(id)
                try:
                    async for span in spans_of(engine.store, stream, with_content=with_content):
                        out.add(span)
                        if out.is_full and not await _flushed(out):
                            return ExitCode.OUTPUT
                except IntegrityError as error:  # the others are whole
                    note(f"error: {error}")
                    wrong += 1
                if not await _flushed(out):
                    return ExitCode.OUTPUT
        flush_answers()
        note(f"exported: {out.sent} spans of {threads_text(len(ids) - wrong)}")
        return ExitCode.FINDING if wrong else ExitCode.OK

    return run(work())


async def _flushed(out: "Exporting") -> bool:
    """Send what is collected, in a thread: an endpoint may be slow; say whether it has arrived."""
    if await asyncio.to_thread(out.flush):
        return True
    note(
        f"error: the endpoint did not take the spans; {out.sent} were sent before. Sent again, they"
        " are the same spans"
    )
    return False


def _check(endpoint: str | None) -> None:
    if endpoint is None:
        return
    from messagedb_agent.config import web_address

    try:
        web_address(endpoint)
    except ValueError as error:
        raise ValidationError(f"--endpoint: {error}", field="endpoint") from error

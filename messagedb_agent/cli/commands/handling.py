"""`consume HANDLER`: hands the messages of a category to a function."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.kinds import named_types, tell_unknown
from messagedb_agent.cli.leaving import leave_now
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.stopping import stopped_by_signals
from messagedb_agent.cli.streams import give_back
from messagedb_agent.cli.terminal import note
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine, Subscription
    from messagedb_agent.consumers import Handler

DEFAULT_NAME = "consumer"


@dataclass(frozen=True, slots=True)
class Given:
    """What is consumed, and how, as typed.

    Attributes:
        handler: `module:function`.
        group: what the position is kept under.
        category: of Message DB; None for threads.
        size: how many members the group has; None for no group.
        member: which of them this is.
        start: `start`, `now` or a global position.
        types: types of messages, separated by commas; None for all.
        correlation: a category; None for all.
        once: end when all is handled that there is.
        timeout_s: seconds that one message may take.
        tries: how often a message may fail before its thread is parked.
        standby: whether to wait while another process has the group, or the member of it.
    """

    handler: str
    group: str
    category: str | None
    size: int | None
    member: int
    start: str
    types: str | None
    correlation: str | None
    once: bool
    timeout_s: float
    tries: int
    standby: bool


def handle(common: Common, given: Given) -> int:
    """Consume until SIGTERM or Ctrl-C, or once.

    Raises:
        ConfigurationError: there is no such handler.
        ValidationError: a value is none.
        Conflict: another process has the group, and that is not to be waited for.
    """
    from messagedb_agent.consumers import load_handler

    setup = set_up(common, log_level="INFO")
    give_back()  # standard output is the handler's
    handler = load_handler(given.handler)

    async def serve() -> int:
        async with opened(setup) as engine:
            if getattr(handler, "takes_engine", False):
                subscription = _subscription(engine, handler(engine), given)
            else:
                subscription = _subscription(engine, handler, given)
            ends = "once" if given.once else "Ctrl-C or SIGTERM ends it"
            note(
                f"handing {subscription.category} to {given.handler} as {given.group!r},"
                f" process {os.getpid()}; {ends}"
            )
            tell_unknown(named_types(given.types), of_threads=given.category is None)
            grace = f"what is under way has {subscription.grace_s:g} s"
            with stopped_by_signals(subscription.stop, grace):
                await subscription.run(once=given.once)
            if parked := subscription.parked:
                of = ("--of", given.category) if given.category else ()
                words = ("--parked", "list", "--group", given.group, *of)
                note(f"{parked} parked; see: {command(setup.common, 'consume', *words)}")
        return ExitCode.OK

    return run(serve())


def _subscription(engine: "Engine", handler: "Handler", given: Given) -> "Subscription":
    from messagedb_agent import Subscription
    from messagedb_agent.consumers import Patience

    return Subscription(
        engine.store,
        given.category or f"{engine.category}:{engine.version}",
        handler,
        name=given.group,
        start=_start(given.start),
        size=given.size,
        member=given.member,
        types=named_types(given.types),
        correlation=given.correlation,
        timeout_s=given.timeout_s,
        patience=Patience(given.tries),
        standby=given.standby,
        on_blocked=_end_at_once,
    )


def _end_at_once(said: str) -> None:
    """End a process in which nothing goes on; the next one finds the message, and parks it."""
    note(f"{said}; the process ends, and the next one is careful")
    leave_now(ExitCode.INTERNAL)


def _start(given: str) -> Literal["start", "now"] | int:
    if given == "start":
        return "start"
    if given == "now":
        return "now"
    if given.isdecimal() and given.isascii() and 0 < int(given[:20]) < 2**63:
        return int(given)
    raise ValidationError("--from takes start, now or a global position, from 1", field="from")

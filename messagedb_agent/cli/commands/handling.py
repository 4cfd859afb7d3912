"""`consume HANDLER`: hands the messages of a category to a function."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.leaving import leave_now
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.running import run
from messagedb_agent.cli.stopping import stopped_by_signals
from messagedb_agent.cli.streams import give_back
from messagedb_agent.cli.terminal import note, one_line
from messagedb_agent.errors import ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine, Subscription
    from messagedb_agent.consumers import Handler

DEFAULT_NAME = "consumer"

_NEAR = 0.8  # how alike two names are of which one is the other misspelt, from 0 to 1


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
            _tell_unknown(subscription, given.category is None)
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
        types=_types(given.types),
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


def _types(given: str | None) -> list[str] | None:
    if given is None:
        return None
    types = [type.strip() for type in given.split(",")]
    if not all(types):
        raise ValidationError("--types takes names of types, separated by commas", field="types")
    return types


def _tell_unknown(subscription: "Subscription", of_threads: bool) -> None:
    """Say which types no event of ours has: other writers' messages have what they like."""
    from messagedb_agent.events.codec import EVENT_TYPES

    ours = {name.casefold(): name for name in EVENT_TYPES}
    for type in dict.fromkeys(subscription.types or ()):
        near = get_close_matches(type.casefold(), ours, 1, _NEAR)
        if type in EVENT_TYPES or not (near or of_threads):
            continue
        meant = f"; is it {ours[near[0]]}?" if near else "; only another writer's messages have it"
        note(one_line(f"no event of a thread has the type {type!r}{meant}"))


def _start(given: str) -> Literal["start", "now"] | int:
    if given == "start":
        return "start"
    if given == "now":
        return "now"
    if given.isdecimal() and given.isascii() and 0 < int(given[:20]) < 2**63:
        return int(given)
    raise ValidationError("--from takes start, now or a global position, from 1", field="from")

"""`verify --user` and `verify --definition`: whether one stream is what was written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import Setup, opened
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.rendering.verified import beside_json, finding_line, named_lines
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, one_line, out, write
from messagedb_agent.errors import NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent.audit import Anchor, Kinds, Verification


@dataclass(frozen=True, slots=True)
class Beside:
    """A stream beside threads, as it is named.

    Attributes:
        user: whose memory; None for a definition.
        definition: name of a definition; None for a user's memory.
    """

    user: str | None
    definition: str | None

    def stream(self, kinds: "Kinds") -> str:
        """Return the full name of its stream.

        Raises:
            RefusedName: there can be no such user, or no such definition.
            ValidationError: both are named.
        """
        if self.user is not None and self.definition is not None:
            raise ValidationError("name a user or a definition, not both", field="user")
        if self.user is not None:
            return kinds.user(self.user)
        return kinds.definition(self.definition or "")


def verify_beside(setup: Setup, asked: Beside, form: str, anchor: "Anchor | None") -> int:
    """Check the stream of a user or a definition, and print what was found.

    Raises:
        NotFound: nothing of it is there, and an anchor knows nothing of it; or there is an anchor
            that does not.
        RefusedName: there can be no such user, or no such definition.
    """
    from messagedb_agent.audit import BesideChecking, Kinds

    kinds = Kinds(f"{setup.common.category}:{setup.common.version}")
    stream = asked.stream(kinds)

    async def check() -> "Verification":
        async with opened(setup) as engine:
            head = anchor.heads.get(stream) if anchor else None
            if anchor is not None and head is None:
                missing = NotFound("anchored stream", stream)
                missing.args = (f"{stream} is not in the anchor of {anchor.made_at}",)
                raise missing
            if head is None and await engine.store.stream_version(stream) < 0:
                raise NotFound(*_missing(asked))
            return await BesideChecking(engine.store, kinds).verify(stream, head)

    found = run(check())
    if form == "json":
        out(text_of(beside_json(stream, found)))
    else:
        _print(setup, asked, stream, found)
    return ExitCode.OK if found.finding is None else ExitCode.FINDING


def _missing(asked: Beside) -> tuple[str, str]:
    return ("definition", asked.definition) if asked.definition else ("user", asked.user or "")


def _print(setup: Setup, asked: Beside, stream: str, found: "Verification") -> None:
    events = found.events - len(found.foreign)
    checked = f"{stream}, {events} event{'' if events == 1 else 's'}"
    for line in named_lines(found):
        write(one_line(line))
    if found.finding is None:
        write(one_line(f"verified: {checked}"))
        return
    write(one_line(finding_line(found.finding)))
    write(one_line(f"not verified: {checked}"))
    if asked.user is not None:
        note(f"look at it: {command(setup.common, 'memory', asked.user, '--as', 'events')}")

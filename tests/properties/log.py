"""A stream while it is made up: what stands in it, and what can be referred to."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from messagedb_agent.events.recorded import Recorded, UnknownEvent
from messagedb_agent.events.schema import (
    Event,
    LlmCallStarted,
    LlmResponseReceived,
    SessionStarted,
)
from messagedb_agent.events.strategy import last_n, summarize
from messagedb_agent.events.values import (
    ForkPoint,
    Limits,
    Recalled,
)
from messagedb_agent.projections.conversation import Conversation, conversation
from tests.given import definition, tool

NOBODY = "ffffffff-ffff-7fff-8fff-ffffffffffff"

TEXTS = ("", " \n", "yes", "tell me more")
ODD_RESULTS = (None, "", "[]", "{", '{"a": 1}', '{"c": "\\ud800"}')

AGENTS = (
    definition(
        tool("look", effect="retry"),
        tool("pay"),
        tool("rm", approval=True, effect="keyed"),
        tool("check", effect="check"),
    ),
    definition(tool("look", approval=True), limits=Limits(calls_per_turn=3, rounds_per_turn=2)),
    definition(
        limits=Limits.model_validate({"tokensPerThread": 5, "costUsdPerThread": "0.5"}),
    ),
    definition(
        tool("look", effect="retry"), tool("pay"), context=last_n(3) | summarize(6)
    ).model_copy(
        update={
            "memory": True,
            "recalled": Recalled(text="home: Paris", stream_name="agentUser-ada", position=0),
        }
    ),
)


@dataclass
class Log:
    """A stream while it is made up.

    Attributes:
        records: what stands in it, a fork's prefix first.
        stream: where the next event goes.
        forks: how often it was forked.
        shown: the fold of all that.
    """

    records: list[Recorded]
    stream: str = "agent:v0-s0"
    forks: int = 0
    shown: Conversation = field(default_factory=Conversation)

    def add(self, event: Event | UnknownEvent) -> Recorded:
        """Record an event behind all others; ids are unique, as in a store."""
        position = sum(1 for r in self.records if r.stream == self.stream)
        number = len(self.records) + 1
        id = f"{number:08x}-0000-7000-8000-{self.forks:012x}"
        recorded = Recorded(id, self.stream, position, event)
        self.replay(recorded)
        return recorded

    def replay(self, recorded: Recorded) -> None:
        """Take over an event as it stands."""
        self.records.append(recorded)
        self.shown = conversation.evolve(self.shown, recorded)

    def fork(self, results: str | None, agent: int = 0) -> Recorded:
        """Go on in another stream, from the newest event on."""
        self.forks += 1
        last = self.records[-1] if self.records else None
        point = ForkPoint(
            stream_name=last.stream if last else "agent:v0-gone",
            position=last.position if last else 0,
            event_id=last.id if last else NOBODY,
            results=results,
        )
        self.stream = f"agent:v0-s{self.forks}"
        return self.add(
            SessionStarted(
                thread_id=f"s{self.forks}", definition=pick(AGENTS, agent), forked_from=point
            )
        )

    def results(self, number: int) -> str | None:
        """Return results that a fork may be given, mostly for the newest calls."""
        if number % 4 == 3:
            return ODD_RESULTS[number // 4 % len(ODD_RESULTS)]
        texts = (*TEXTS, None, 7)
        given = {self.call(back): pick(texts, number + back) for back in range(1 + number % 3)}
        return json.dumps(given)

    def claim(self, back: int) -> str:
        """Return the id of a claim, counted from the newest; nobody's where there is none."""
        ids = [r.id for r in self.records if isinstance(r.event, LlmCallStarted)]
        return ids[-1 - back] if back < len(ids) else NOBODY

    def call(self, back: int) -> str:
        """Return the id of a tool call, counted from the newest."""
        ids = [
            c.call_id
            for r in self.records
            if isinstance(r.event, LlmResponseReceived)
            for c in r.event.tool_calls
        ]
        return ids[-1 - back] if back < len(ids) else f"{'0' * 32}_{back}"


def pick(choices: Sequence[Any], number: int) -> Any:
    """Return one of some choices."""
    return choices[number % len(choices)]

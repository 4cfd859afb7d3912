"""What the tests of models ask, and how they ask it: through real litellm, of a scripted server."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from messagedb_agent.events.request import (
    CallFailure,
    Delta,
    Reply,
    Request,
    RequestMessage,
    UserText,
)
from messagedb_agent.events.values import ModelParameters, ToolSpec
from messagedb_agent.llm.litellm_model import LitellmModel, Target
from messagedb_agent.llm.retrying import Retrying, RetryPolicy
from tests.model_server import ModelServer

KEY = "letmein-0123456789abcdef"
FORMS = ("openai", "anthropic")
BOTH_FORMS = pytest.mark.parametrize("form", FORMS)
BOTH_WAYS = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
NAMES = {"openai": "openai/scripted", "anthropic": "anthropic/claude-scripted"}

ADD = ToolSpec(
    name="add",
    description="Adds numbers.",
    parameters_schema='{"type": "object", "properties": {"a": {"type": "integer"}}}',
)


@dataclass
class Sleeps:
    """A sleep that only notes how long it was to last, in seconds."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Asker:
    """Asks a server in one form, streamed or not, and keeps what was shown meanwhile."""

    server: ModelServer
    form: str = "openai"
    streamed: bool = False
    name: str | None = None
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleeps: Sleeps = field(default_factory=Sleeps)
    deltas: list[Delta] = field(default_factory=list)

    def model(self) -> Retrying:
        base = self.server.url + ("/v1" if self.form == "openai" else "")
        options = {"api_base": base, "api_key": KEY}
        target = Target(self.name or NAMES[self.form], options, (KEY,))
        return Retrying(LitellmModel(target), self.policy, sleep=self.sleeps)

    async def __call__(self, asked: Request | None = None) -> Reply | CallFailure:
        on_delta = self.deltas.append if self.streamed else None
        return await self.model().complete(asked or request(), on_delta=on_delta)

    async def reply(self, asked: Request | None = None) -> Reply:
        outcome = await self(asked)
        assert isinstance(outcome, Reply), outcome
        return outcome

    async def failure(self, asked: Request | None = None) -> CallFailure:
        outcome = await self(asked)
        assert isinstance(outcome, CallFailure), outcome
        return outcome

    def shown(self, kind: str = "text") -> str:
        """The pieces of one kind, joined, since the last restart."""
        joined = ""
        for delta in self.deltas:
            joined = "" if delta.kind == "restart" else joined
            joined += delta.text if delta.kind == kind else ""
        return joined


def request(
    *messages: RequestMessage, tools: tuple[ToolSpec, ...] = (ADD,), **parameters: Any
) -> Request:
    """A request with few retries, so that a test sees them all."""
    settings: dict[str, Any] = {
        "max_retries": 2,
        "max_tokens": 100,
        "temperature": Decimal("0.2"),
    } | parameters
    return Request(
        model="scripted",
        system_prompt="You are a test.",
        messages=messages or (UserText("hello"),),
        tools=tools,
        parameters=ModelParameters(**settings),
    )

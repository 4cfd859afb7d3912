"""What the models of the benchmarks say: a tool call, then an answer, in no time."""

from decimal import Decimal

from messagedb_agent.events.request import Reply, Request, RequestedCall, ToolAnswer
from messagedb_agent.events.values import Attempt, Usage
from messagedb_agent.llm.model import OnDelta
from messagedb_agent.llm.scripted import call


def _reply(text: str, *calls: RequestedCall) -> Reply:
    usage = Usage(input_tokens=1200, output_tokens=40)
    return Reply(
        model="scripted",
        text=text,
        calls=calls,
        finish_reason="tool_calls" if calls else "stop",
        usage=usage,
        cost_usd=Decimal("0.0042"),
        attempts=(Attempt(model="scripted", kind="answered", elapsed_ms=812),),
    )


# Made beforehand: no model's time is measured.
_ASKED = _reply("", call("calculate", expression="6 * 7"))
_ANSWERED = _reply("Six times seven is 42, as it has always been.")


class OneCall:
    """A model that calls one tool and then answers, in every turn of every thread."""

    async def complete(self, request: Request, *, on_delta: OnDelta | None = None) -> Reply:
        """Give the call, or the answer where the call's result was said last."""
        return _ANSWERED if isinstance(request.messages[-1], ToolAnswer) else _ASKED

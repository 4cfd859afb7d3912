"""Turns and effects under way, and the spans that they become once they have ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from messagedb_agent.changing import changed
from messagedb_agent.events.recorded import Recorded
from messagedb_agent.events.schema import LlmResponseReceived, UserMessageAdded
from messagedb_agent.events.trace_context import (
    TraceContext,
    is_malformed_in,
    trace_context_in,
)
from messagedb_agent.events.values import Definition
from messagedb_agent.observability import attributes, content
from messagedb_agent.observability.attributes import Answer
from messagedb_agent.observability.spans import (
    Attributes,
    Happening,
    Span,
    SpanKind,
    span_id,
    trace_id,
)

IGNORED = f"{attributes.OWN}.traceparent_ignored"
"""What happened in a turn whose sender's `traceparent` is malformed."""


@dataclass(frozen=True)
class Turn:
    """A turn that has not ended.

    Attributes:
        opened: the event that began it.
        context: its span.
        sender: the span of who sent the message; None where nobody said.
        links: spans of other traces that it goes on from.
        is_misnamed: whether its sender's `traceparent` is none.
        dropped: why nothing more comes of it; None where something does.
        input_tokens: what its answers used.
        output_tokens: likewise.
        reply: the newest reply in it.
    """

    opened: Recorded
    context: TraceContext
    sender: TraceContext | None
    links: tuple[TraceContext, ...] = ()
    is_misnamed: bool = False
    dropped: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    reply: LlmResponseReceived | None = None

    def with_answer(self, answer: Answer) -> "Turn":
        """Return the turn after a model call in it."""
        reply = answer if isinstance(answer, LlmResponseReceived) else self.reply
        usage = getattr(answer, "usage", None)
        return changed(
            self,
            reply=reply,
            input_tokens=self.input_tokens + (usage.input_tokens if usage else 0),
            output_tokens=self.output_tokens + (usage.output_tokens if usage else 0),
        )

    def ended(
        self,
        by: Recorded,
        agent: Definition | None,
        error: str | None,
        *,
        with_content: bool,
    ) -> Span:
        """Return the turn's span.

        Args:
            by: the event that it ended with; the agent that came of it is named by its id.
            agent: the agent in force.
            error: what went wrong; None where nothing did.
            with_content: whether it tells what was said.
        """
        name = agent.name if agent else "agent"
        values = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.agent.id": by.id,
            **(attributes.asked(agent.model) if agent else {}),
            **attributes.placed(self.opened),
        }
        if self.reply is not None:
            values["gen_ai.response.finish_reasons"] = (self.reply.finish_reason,)
            values["gen_ai.usage.input_tokens"] = self.input_tokens
            values["gen_ai.usage.output_tokens"] = self.output_tokens
        if with_content:
            values |= self._said()
        return Span(
            name=f"invoke_agent {name}",
            kind="internal",
            context=self.context,
            parent=self.sender,
            sender=self.sender,
            start_ms=self.opened.time_ms,
            end_ms=max(self.opened.time_ms, by.time_ms),
            attributes=values,
            happenings=self._ignored(),
            links=self.links,
            error=error,
        )

    def _ignored(self) -> tuple[Happening, ...]:
        if not self.is_misnamed:
            return ()
        return (Happening(IGNORED, self.opened.time_ms),)

    def _said(self) -> Attributes:
        said = self.opened.event
        asked = content.message(said.text) if isinstance(said, UserMessageAdded) else {}
        reply = self.reply
        return {**asked, **(content.answer(reply.text, reply.finish_reason) if reply else {})}


def opened(
    recorded: Recorded, properties: str | None, links: Sequence[TraceContext | None]
) -> Turn:
    """Return the turn that an event begins, in the trace of who sent it or in one of its own."""
    sender = trace_context_in(properties)
    context = TraceContext(
        sender.trace_id if sender else trace_id(recorded.id),
        span_id(recorded.id, "turn"),
        sender.is_sampled if sender else True,
        sender.state if sender else "",
    )
    came_from = tuple(link for link in links if link)
    return Turn(recorded, context, sender, came_from, is_malformed_in(properties))


@dataclass(frozen=True)
class Begun:
    """An effect, or a wait for a person, that has not ended.

    Attributes:
        name: what is done.
        kind: whether here, or by a server.
        role: what its event begins with it.
        by: the event that began it.
        turn: the turn that it belongs to.
        attributes: what is known of it by now.
    """

    name: str
    kind: SpanKind
    role: str
    by: Recorded
    turn: Turn
    attributes: Attributes

    @property
    def context(self) -> TraceContext:
        """Its span."""
        return changed_span(self.turn.context, span_id(self.by.id, self.role))

    def ended(
        self,
        by: Recorded,
        more: Attributes,
        error: str | None = None,
        *,
        message: str | None = None,
        happenings: tuple[Happening, ...] = (),
    ) -> Span:
        """Return its span.

        Args:
            by: the event that it ended with.
            more: what is known of it beside.
            error: what went wrong; None where nothing did.
            message: the same in words; None unless content is wanted.
            happenings: what happened in it.
        """
        return Span(
            name=self.name,
            kind=self.kind,
            context=self.context,
            parent=self.turn.context,
            sender=self.turn.sender,
            start_ms=self.by.time_ms,
            end_ms=max(self.by.time_ms, by.time_ms),
            attributes={**self.attributes, **more},
            happenings=happenings,
            error=error,
            message=message,
        )


def changed_span(context: TraceContext, id: str) -> TraceContext:
    """Return another span of the same trace."""
    return TraceContext(context.trace_id, id, context.is_sampled, context.state)

"""Output for programs: JSON whose keys are documented and stay."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from messagedb_agent.cli.valuing import Output, value_line
from messagedb_agent.events.recorded import utc_time

if TYPE_CHECKING:
    from messagedb_agent import Agent, Engine
    from messagedb_agent.agents.family import Family
    from messagedb_agent.agents.finding import Listed
    from messagedb_agent.agents.waiting import WaitingCall
    from messagedb_agent.consumers import Parked
    from messagedb_agent.projections.stats import ThreadStats
    from messagedb_agent.projections.usage import ThreadUsage
    from messagedb_agent.store.message import Message


def text_of(value: Any) -> str:
    """Return a value as one line of JSON."""
    return orjson.dumps(value).decode()


async def turn_json(engine: "Engine", agent: "Agent", output: Output | None = None) -> str:
    """Return how a turn ended, and what waits for a person; usage is the whole thread's.

    Args:
        engine: what reads the thread.
        agent: the state.
        output: what the answer was asked to be, where that is known.

    Raises:
        ModelError: the answer is recorded as an output, and is none.
    """
    return text_of(await turn_values(engine, agent, output))


async def turn_values(
    engine: "Engine", agent: "Agent", output: Output | None = None
) -> Mapping[str, Any]:
    """Return the same as a value."""
    from messagedb_agent.projections.usage import usage

    return {
        "threadId": agent.thread_id,
        "status": agent.status,
        "answer": agent.answer,
        "output": _verbatim(value_line(agent, output)),
        "usage": usage_totals(await engine.fold(agent.thread_id, usage)),
        "position": agent.position,
        "approvals": [
            {"callId": a.call_id, "toolName": a.tool_name, "arguments": a.arguments}
            for a in agent.approvals
        ],
    }


def usage_totals(used: "ThreadUsage") -> Mapping[str, Any]:
    """Return what a thread has used in all; money is a decimal string, as in the events."""
    models = used.models
    return {
        "inputTokens": models.tokens.input_tokens,
        "outputTokens": models.tokens.output_tokens,
        "cachedInputTokens": models.tokens.cached_input_tokens,
        "cacheWriteTokens": models.tokens.cache_write_tokens,
        "reasoningTokens": models.tokens.reasoning_tokens,
        "costUsd": format(models.cost_usd, "f"),
        "unpricedCalls": models.unpriced,
        "modelCalls": models.calls,
        "toolCalls": used.tools.calls,
    }


def message_json(message: "Message") -> str:
    """Return a message as it stands in the store, its JSON digit for digit."""
    return text_of(
        {
            "id": message.id,
            "streamName": message.stream_name,
            "type": message.type,
            "position": message.position,
            "globalPosition": message.global_position,
            "time": f"{message.time.isoformat(timespec='microseconds')}Z",
            "data": _verbatim(message.data),
            "metadata": _verbatim(message.metadata),
        }
    )


def _verbatim(text: str | None) -> orjson.Fragment | None:
    return None if text is None else orjson.Fragment(text)


def listed_json(listed: "Listed") -> Mapping[str, Any]:
    """Return a thread in a list."""
    found = listed.summary
    return {
        "threadId": found.thread_id,
        "status": listed.status,
        "title": found.title,
        "user": found.user,
        "tags": list(found.state.tags),
        "archived": found.state.archived,
        "messages": found.messages,
        "startedAt": time_text(found.started_at_ms),
        "updatedAt": time_text(found.updated_at_ms),
    }


def stats_json(stats: "ThreadStats") -> Mapping[str, Any]:
    """Return a thread in numbers."""
    point = stats.forked_from
    return {
        "threadId": stats.thread_id,
        "title": stats.title,
        "messageCount": stats.message_count,
        "eventCount": stats.event_count,
        "totalBytes": stats.total_bytes,
        **usage_totals(stats.usage),
        "elapsedMs": stats.elapsed_ms,
        "startedAt": stats.started_at and utc_text(stats.started_at),
        "updatedAt": stats.updated_at and utc_text(stats.updated_at),
        "forkedFrom": point and {"threadId": point.thread_id, "position": point.position},
    }


def family_json(found: "Family") -> Mapping[str, Any]:
    """Return the threads of a tree of forks, each behind its parent."""
    threads = [
        {
            "threadId": branch.thread_id,
            "title": branch.title,
            "parentId": branch.parent_id,
            "forkedAt": branch.forked_at,
        }
        for branch in found.threads
    ]
    return {"threads": threads, "isWhole": found.is_whole}


def waiting_json(call: "WaitingCall") -> Mapping[str, Any]:
    """Return a call that waits for approval."""
    return {
        "threadId": call.thread_id,
        "callId": call.call_id,
        "toolName": call.tool_name,
        "arguments": call.arguments,
        "askedAt": utc_text(call.asked_at),
    }


def parked_json(parked: "Parked") -> Mapping[str, Any]:
    """Return a thread that workers have put aside."""
    return {
        "threadId": parked.thread_id,
        "streamName": parked.stream,
        "position": parked.position,
        "globalPosition": parked.global_position,
        "tries": parked.tries,
        "reason": parked.reason,
    }


def time_text(time_ms: int | None) -> str | None:
    """Return a time in milliseconds since 1970-01-01 UTC in ISO 8601; None where there is none."""
    if time_ms is None:
        return None
    return utc_text(utc_time(time_ms))


def utc_text(time: datetime) -> str:
    """Return a time (UTC, with its zone) in ISO 8601, to the millisecond: as long as any other."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

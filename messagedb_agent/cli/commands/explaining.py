"""`explain`: what a model was asked with, and where each part of it came from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import is_named, position_named
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.events import cut
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import harmless, one_line, out, write
from messagedb_agent.errors import AmbiguousName, NotFound, Refused

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.events.recorded import Place
    from messagedb_agent.projections.explanation import Claim, Explanation, Gap

_SHOWN_CHARACTERS = 200
_SHOWN_CALLS = 10


def explain(common: Common, thread: str, call: str, form: str, *, full: bool) -> int:
    """Rebuild a request, and print it part by part."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            found = await _explained(engine, await engine.find_thread(thread), call)
            places = await _short_places(engine, found)
        if form == "json":
            out(text_of(_json(found)))
        else:
            for line in _lines(found, places, full=full):
                write(harmless(line))
        return ExitCode.OK if found.is_recorded else ExitCode.FINDING

    return run(work())


async def _explained(engine: "Engine", thread_id: str, call: str) -> "Explanation":
    from messagedb_agent.projections.explanation import asking, explained

    whole = await engine.fold(thread_id, asking)
    claim = await _meant(engine, thread_id, whole.claims, call)
    event = claim.event
    # In a fork's past, positions are those of the stream that the claim stands in.
    own = claim.place.stream.partition("-")[2]
    found = explained(claim, await engine.fold(own, asking, at=event.context_position))
    if found is None:
        raise Refused(
            f"this request was folded by the projection {event.projection_name}, version"
            f" {event.projection_version}, which is not known here"
        )
    return found


async def _meant(engine: "Engine", thread_id: str, claims: Sequence["Claim"], call: str) -> "Claim":
    """Return the claim that a person means.

    Raises:
        NotFound: no model call fits, or more than one.
    """
    from messagedb_agent.events.codec import decode
    from messagedb_agent.events.outcomes import answered

    if (position := position_named(call)) is not None:
        async for row in engine.messages(thread_id, position=position, until=position):
            ids = (row.id, answered(decode(row).recorded.event))
            for claim in claims:
                if claim.id in ids:
                    return claim
    fitting = [claim for claim in claims if is_named(claim.id, call)]
    if len(fitting) > 1:
        raise AmbiguousName("model call", call, tuple(claim.id for claim in fitting))
    if not fitting:
        missing = NotFound("model call", call)
        missing.args = (f"{missing}; {_those_of(thread_id, claims)}",)
        raise missing
    return fitting[0]


def _those_of(thread_id: str, claims: Sequence["Claim"]) -> str:
    """Say what the newest model calls of a thread are called; those of a fork's past by their ids.

    A position is one of the thread's own stream.
    """
    if not claims:
        return "the thread has none"
    own = [one for one in claims if one.place.stream.partition("-")[2] == thread_id]
    names = [str(one.place.position) for one in own] or [one.id for one in claims]
    more = "…, " if len(names) > _SHOWN_CALLS else ""
    whose = "those of the thread begin at" if own else "those of the thread's past are"
    return f"{whose}: {more}{', '.join(names[-_SHOWN_CALLS:])}"


async def _short_places(engine: "Engine", found: "Explanation") -> Mapping["Place", str]:
    """Return what the places are called that a request was made of, by the words of `show`."""
    from messagedb_agent.cli.naming import ShortThreads

    short, own = ShortThreads(engine), found.claim.place.stream
    return {
        at: str(at.position)
        if at.stream == own
        else await short.name(at.stream.partition("-")[2], at.position)
        for at in {
            found.defined,
            *(part.place for part in found.parts if part.place),
            *(place for gap in found.gaps for place in (gap.first, gap.last)),
        }
    }


def _lines(found: "Explanation", places: Mapping["Place", str], *, full: bool) -> Iterator[str]:
    from messagedb_agent.cli.rendering.diff import message_text
    from messagedb_agent.cli.rendering.plain import plain

    claim = found.claim

    def shown(text: str) -> str:
        return text if full else cut(" ".join(text.split()), _SHOWN_CHARACTERS)

    def at(place: "Place | None") -> str:
        return f"{one_line(places[place]) if place else '(always)':>{width}}"

    width = max(4, *map(len, places.values()))
    request, defined = found.request, at(found.defined)
    given = plain(request.parameters)
    parameters = f" {text_of(given)}" if given else ""
    yield f"request of {claim.place.stream}/{claim.place.position}"
    yield f"{defined}  model {one_line(request.model)}{parameters}"
    yield f"{defined}  system: {shown(request.system_prompt)}"
    if found.recalled:
        known = f"{found.recalled.stream}/{found.recalled.position}"
        yield f"{defined}  (its end is what was known of the user at {one_line(known)})"
    for tool in request.tools:
        yield f"{defined}  tool {tool.name}: {shown(tool.description)}"
    for index, part in enumerate((*found.parts, None)):
        for gap in found.gaps:
            if gap.before == index:
                yield f"{'':{width}}  {_left_out(gap, found, places)}"
        if part is not None:
            yield f"{at(part.place)}  {shown(message_text(part.message))}"
    if found.is_recorded:
        yield f"digest {found.digest}, as recorded"
    else:
        yield (
            "not the request that was recorded: digest "
            f"{claim.event.request_digest}, computed {found.digest}"
        )


def _left_out(gap: "Gap", found: "Explanation", places: Mapping["Place", str]) -> str:
    stays = found.claim.event.purpose == "summary" and gap.before == len(found.parts) - 1
    why = "they stay as they are" if stays else f"context {one_line(found.strategy)}"
    count = f"{gap.messages} message{'s' if gap.messages != 1 else ''}"
    first, last = one_line(places[gap.first]), one_line(places[gap.last])
    at = f"at {first}" if first == last else f"from {first} to {last}"
    return f"({count} left out, {at}: {why})"


def _json(found: "Explanation") -> Mapping[str, Any]:
    from messagedb_agent.cli.rendering.plain import message_values, plain

    def place(at: "Place") -> Mapping[str, Any]:
        return {"streamName": at.stream, "position": at.position}

    claim, request = found.claim, found.request
    return {
        "claim": {
            **place(claim.place),
            "id": claim.id,
            "purpose": claim.event.purpose,
        },
        "digest": {
            "recorded": claim.event.request_digest,
            "computed": found.digest,
        },
        "model": request.model,
        "parameters": plain(request.parameters),
        "systemPrompt": request.system_prompt,
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "parametersSchema": tool.parameters_schema,
            }
            for tool in request.tools
        ],
        "definedBy": place(found.defined),
        "recalled": found.recalled and place(found.recalled),
        "messages": [
            {**message_values(part.message), "from": part.place and place(part.place)}
            for part in found.parts
        ],
        "contextStrategy": found.strategy,
        "leftOut": [
            {
                "before": gap.before,
                "messages": gap.messages,
                "first": place(gap.first),
                "last": place(gap.last),
            }
            for gap in found.gaps
        ],
    }

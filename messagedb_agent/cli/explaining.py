"""`explain`: what a model was asked with, and where each part of it came from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.naming import is_named, position_named
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.render_events import cut
from messagedb_agent.cli.render_json import text_of
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import harmless, one_line, out, write
from messagedb_agent.errors import AmbiguousName, NotFound, Refused

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.events.recorded import Place
    from messagedb_agent.projections.explanation import Claim, Explanation

_SHOWN_CHARACTERS = 200


def explain(common: Common, thread: str, call: str, form: str, *, full: bool) -> int:
    """Rebuild a request, and print it part by part."""
    setup = set_up(common)

    async def work() -> int:
        async with opened(setup) as engine:
            found = await _explained(engine, await engine.find_thread(thread), call)
        if form == "json":
            out(text_of(_json(found)))
        else:
            for line in _lines(found, full=full):
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
    from messagedb_agent import decode
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
        raise NotFound("model call", call)
    return fitting[0]


def _lines(found: "Explanation", *, full: bool) -> Iterator[str]:
    from messagedb_agent.cli.render_diff import message_text
    from messagedb_agent.cli.render_plain import plain

    claim = found.claim

    def shown(text: str) -> str:
        return text if full else cut(" ".join(text.split()), _SHOWN_CHARACTERS)

    def at(place: "Place | None") -> str:
        if place is None:
            return "(always)"
        if place.stream == claim.place.stream:
            return f"{place.position:>4}"
        return one_line(f"{place.stream.partition('-')[2]}/{place.position}")

    request, defined = found.request, at(found.defined)
    yield f"request of {claim.place.stream}/{claim.place.position}"
    yield f"{defined}  model {one_line(request.model)} {text_of(plain(request.parameters))}"
    yield f"{defined}  system: {shown(request.system_prompt)}"
    for tool in request.tools:
        yield f"{defined}  tool {tool.name}: {shown(tool.description)}"
    for part in found.parts:
        yield f"{at(part.place)}  {shown(message_text(part.message))}"
    if found.is_recorded:
        yield f"digest {found.digest}, as recorded"
    else:
        yield (
            "not the request that was recorded: digest "
            f"{claim.event.request_digest}, computed {found.digest}"
        )


def _json(found: "Explanation") -> Mapping[str, Any]:
    from messagedb_agent.cli.render_plain import message_values, plain

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
        "messages": [
            {**message_values(part.message), "from": part.place and place(part.place)}
            for part in found.parts
        ],
    }

"""`memory`: what is known of users, across threads."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of, time_text
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.rendering.text import local_time
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import harmless, note, one_line, out, write
from messagedb_agent.errors import NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.events.memory import Noted
    from messagedb_agent.events.values import EventPlace
    from messagedb_agent.projections.memory import Fact, Memory

Action = Literal["set", "get", "forget"]
_WORDS: Mapping[str | None, int] = {None: 0, "set": 2, "get": 1, "forget": 1}


@dataclass(frozen=True, slots=True)
class Remembering:
    """What is asked of users' memory, as typed.

    Attributes:
        user: whose it is; None for the list of users.
        action: what is to be done; None shows what is known.
        key: name of a fact.
        value: what is known by it.
        is_json: whether the value is JSON; else it is text.
        under: category of facts; None for any.
        by: who says so.
        at: position as of which it is asked; None for now.
        view: what is shown.
        form: how it is printed.
    """

    user: str | None
    action: Action | None
    key: str | None
    value: str | None
    is_json: bool
    under: str | None
    by: str | None
    at: int | None
    view: Literal["facts", "prompt", "events"]
    form: str


def memory(common: Common, asked: Remembering) -> int:
    """Show, note or forget what is known of a user.

    Raises:
        ValidationError: words are missing, too many, or do not go together; or a value is refused.
        NotFound: nothing is known by that key.
    """
    _check(asked)
    value = _value(asked)
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            if asked.user is None:
                await _list_users(setup.common, engine, asked.form)
            elif asked.action == "set":
                known = await engine.memory.set(
                    asked.user, asked.key or "", value, category=asked.under, by=asked.by
                )
                _print_fact(known, asked.form)
            elif asked.action == "forget":
                await engine.memory.forget(asked.user, asked.key or "", by=asked.by)
                if asked.form == "json":
                    out(text_of({"user": asked.user, "forgotten": asked.key}))
                else:
                    note(f"forgotten; what it was: {_events_of(setup.common, asked.user)}")
            elif asked.action == "get":
                await _print_one(engine, asked.user, asked)
            else:
                await _show(engine, asked.user, asked)

    run(work())
    return ExitCode.OK


def extract(common: Common, thread: str, by: str | None, form: str) -> int:
    """Have a thread's model find facts about its users, and print those that are new.

    Raises:
        NotFound: there is no such thread.
        ModelError: the model gave no answer, or none that can be used.
    """
    setup = set_up(common)

    async def work() -> None:
        async with opened(setup) as engine:
            thread_id = await engine.find_thread(thread)
            facts = await engine.memory.extract(thread_id, by=by)
        if form == "json":
            out(text_of([{**_fact_json(fact), "streamName": fact.place.stream} for fact in facts]))
        elif facts:
            print_table(("key", "value", "under", "taught by"), [_fact_row(fact) for fact in facts])
        else:
            note("nothing new is known")

    run(work())
    return ExitCode.OK


def _check(asked: Remembering) -> None:
    given = sum(word is not None for word in (asked.key, asked.value))
    if given != _WORDS[asked.action]:
        usage = "set KEY VALUE, get KEY, forget KEY, or nothing more"
        raise ValidationError(f"behind USER stands {usage}", field=asked.action or "key")
    if asked.action is not None and asked.view != "facts":
        raise ValidationError(f"--as does not go with {asked.action}", field="as")
    if asked.at is not None and (asked.action in ("set", "forget") or asked.view == "events"):
        raise ValidationError("--at goes with looking at facts alone", field="at")
    if asked.user is None and (asked.at is not None or asked.view != "facts"):
        raise ValidationError("whose memory? USER is missing", field="user")
    if asked.under is not None and asked.action in ("get", "forget"):
        raise ValidationError(f"--under does not go with {asked.action}", field="under")
    if asked.is_json and asked.action != "set":
        raise ValidationError("--json goes with set alone", field="json")


def _value(asked: Remembering) -> Any:
    if asked.value is None or not asked.is_json:
        return asked.value
    from messagedb_agent.events.memory import checked_value

    return json.loads(checked_value(asked.value))


async def _list_users(common: Common, engine: "Engine", form: str) -> None:
    users = await engine.memory.users()
    if form == "json":
        out(text_of({"users": users}))
        return
    for user in users:
        write(one_line(user))
    if not users:
        line = command(common, "memory", "ada", "set", "city", "Paris")
        note(f"nothing is remembered of anybody; begin with: {line}")


async def _show(engine: "Engine", user: str, asked: Remembering) -> None:
    stream = engine.memory.stream(user)
    if asked.view == "events":
        events = [noted async for noted in engine.memory.history(user)]
        if asked.form == "json":
            out(text_of([_noted_json(noted) for noted in events]))
        else:
            print_table(("position", "time", "what"), [_noted_row(noted) for noted in events])
        return
    memory = await engine.memory.recall(user, at=asked.at)
    if asked.view == "prompt":
        prompt = memory.as_prompt()
        out(text_of({"user": user, "prompt": prompt}) if asked.form == "json" else prompt)
        return
    facts = [fact for fact in memory.facts.values() if asked.under in (None, fact.category)]
    if asked.form == "json":
        out(text_of(_memory_json(user, stream, memory, facts)))
    elif facts:
        print_table(("key", "value", "under", "taught by"), [_fact_row(fact) for fact in facts])
    else:
        note("nothing is known")


async def _print_one(engine: "Engine", user: str, asked: Remembering) -> None:
    key = asked.key or ""
    known = await engine.memory.get(user, key, at=asked.at)
    if known is None:
        raise NotFound("fact", key)
    _print_fact(known, asked.form)


def _print_fact(fact: "Fact", form: str) -> None:
    out(text_of(_fact_json(fact)) if form == "json" else _shown(fact))


def _shown(fact: "Fact") -> str:
    """Return a value as a person reads it: a text as it is, all else as JSON."""
    return fact.value if isinstance(fact.value, str) else fact.text


def _events_of(common: Common, user: str) -> str:
    return command(common, "memory", user, "--as", "events")


def _fact_row(fact: "Fact") -> tuple[str, ...]:
    return (fact.key, _shown(fact), fact.category or "", _place_text(fact.taught_by))


def _place_text(place: "EventPlace | None") -> str:
    return f"{place.stream_name}/{place.position}" if place else ""


def _noted_row(noted: "Noted") -> tuple[str, ...]:
    from messagedb_agent.events.memory import FactForgotten, FactRemembered, FactsExtracted

    match noted.event:
        case FactRemembered(key=key, value=value, taught_by=taught):
            what = f"{key} = {value}{f' from {_place_text(taught)}' if taught else ''}"
        case FactForgotten(key=key):
            what = f"{key} forgotten"
        case FactsExtracted(stream_name=stream, position=position):
            what = f"looked for facts through {stream}/{position}"
        case foreign:
            what = f"{foreign.type} ({foreign.reason})"
    return (str(noted.place.position), local_time(noted.time_ms), harmless(what))


def _noted_json(noted: "Noted") -> Mapping[str, Any]:
    from messagedb_agent.events.recorded import UnknownEvent

    match noted.event:
        case UnknownEvent(type=kind):
            data = None
        case event:
            kind = type(event).__name__
            data = event.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        "position": noted.place.position,
        "id": noted.id,
        "type": kind,
        "time": time_text(noted.time_ms),
        "data": data,
    }


def _memory_json(
    user: str, stream: str, memory: "Memory", facts: list["Fact"]
) -> Mapping[str, Any]:
    return {
        "user": user,
        "streamName": stream,
        "position": memory.position,
        "facts": [_fact_json(fact) for fact in facts],
    }


def _fact_json(fact: "Fact") -> Mapping[str, Any]:
    taught = fact.taught_by
    return {
        "key": fact.key,
        "value": orjson.Fragment(fact.text),
        "category": fact.category,
        "taughtBy": taught and {"streamName": taught.stream_name, "position": taught.position},
        "by": fact.by,
        "position": fact.place.position,
        "time": time_text(fact.time_ms),
    }

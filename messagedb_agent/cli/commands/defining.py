"""`definitions`: what is saved and which templates there are; showing, saving, revisions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.describing import Described
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.next_steps import command
from messagedb_agent.cli.opening import opened, set_up
from messagedb_agent.cli.rendering.json import text_of, time_text
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.rendering.text import local_time
from messagedb_agent.cli.running import run
from messagedb_agent.cli.terminal import note, out
from messagedb_agent.errors import NotFound, ValidationError

if TYPE_CHECKING:
    from messagedb_agent import AgentDefinition, Engine
    from messagedb_agent.definitions import SavedDefinition, Template


@dataclass(frozen=True, slots=True)
class Saving:
    """How a definition is saved.

    Attributes:
        by: who saves it.
        follows: the revision that it is to follow; None for the newest.
    """

    by: str | None
    follows: int | None


def list_all(common: Common, form: str) -> int:
    """Print the names that are saved, and the templates."""

    async def work(engine: "Engine") -> None:
        saved, templates = await engine.definitions.list(), engine.definitions.templates()
        if form == "json":
            shown = {
                "definitions": [_saved_json(one) for one in saved],
                "templates": [_template_json(one) for one in templates],
            }
            out(text_of(shown))
            return
        rows = [
            *((one.name, f"revision {one.revision}", one.definition.role) for one in saved),
            *((one.name, _kind(one), one.description) for one in templates),
        ]
        print_table(("name", "is", "says"), rows)
        if not saved:
            typed = command(common, "definitions", "save")
            note(f"nothing is saved yet; {typed} NAME --template TEMPLATE")

    return _with_engine(common, work)


def show(common: Common, described: Described, form: str) -> int:
    """Print the prompt that is made of a definition."""
    _require(described, "NAME, a FILE or --template says which is to be shown", "NAME|FILE")

    async def work(engine: "Engine") -> None:
        from messagedb_agent import AgentDefinition

        written = await described.written(engine)
        if written is None:
            return
        if isinstance(written, AgentDefinition):
            if form == "json":
                shown = {"definition": _plain(written), "systemPrompt": written.system_prompt}
                out(text_of(shown))
            else:
                out(written.system_prompt)
            return
        if form == "json":
            out(text_of(_saved_json(written)))
            return
        out(written.system_prompt)
        by = f", by {written.by}" if written.by else ""
        note(f"{written.name}, revision {written.revision}, {local_time(written.time_ms)}{by}")

    return _with_engine(common, work)


def save(common: Common, name: str, described: Described, saving: Saving, form: str) -> int:
    """Save a definition, and say which revision it is."""
    _require(described, "--definition or --template says what is to be saved", "--definition")

    async def work(engine: "Engine") -> None:
        from messagedb_agent import AgentDefinition

        written = await described.written(engine)
        if written is None:
            return
        definition = written if isinstance(written, AgentDefinition) else written.definition
        before = await _newest(engine, name)
        saved = await engine.definitions.save(
            name, definition, by=saving.by, expected=saving.follows
        )
        out(text_of(_saved_json(saved)) if form == "json" else f"{saved.name}@{saved.revision}")
        if before == saved:
            note(f"nothing is changed: revision {saved.revision} says the same")
        note(f'begin a thread: {command(common, "start", "--definition", name)} "..."')

    return _with_engine(common, work)


async def _newest(engine: "Engine", name: str) -> "SavedDefinition | None":
    try:
        return (await engine.definitions.revisions(name))[-1]
    except NotFound:
        return None


def revisions(common: Common, name: str, form: str) -> int:
    """Print the revisions of a name, oldest first."""

    async def work(engine: "Engine") -> None:
        found = await engine.definitions.revisions(name)
        if form == "json":
            out(text_of([_saved_json(one) for one in found]))
            return
        rows, before = [], None
        for one in found:
            rows.append(
                (
                    str(one.revision),
                    local_time(one.time_ms),
                    one.by or "",
                    _changed(before, one.definition),
                )
            )
            before = one.definition
        print_table(("revision", "saved", "by", "changed"), rows)

    return _with_engine(common, work)


def _with_engine(common: Common, work: Callable[["Engine"], Awaitable[None]]) -> int:
    setup = set_up(common)

    async def connected() -> None:
        async with opened(setup) as engine:
            await work(engine)

    run(connected())
    return ExitCode.OK


def _require(described: Described, why: str, field: str) -> None:
    if not described.is_given:
        raise ValidationError(why, field=field)


def _changed(before: "AgentDefinition | None", after: "AgentDefinition") -> str:
    names = type(after).model_fields
    return ", ".join(
        name for name in names if getattr(after, name) != getattr(before, name, names[name].default)
    )


def _kind(template: "Template") -> str:
    needs = ", ".join(template.variables)
    return f"template with {needs}" if needs else "template"


def _plain(definition: "AgentDefinition") -> Mapping[str, Any]:
    plain: Mapping[str, Any] = definition.model_dump(
        mode="json", by_alias=True, exclude_defaults=True
    )
    return plain


def _saved_json(saved: "SavedDefinition") -> Mapping[str, Any]:
    return {
        "name": saved.name,
        "revision": saved.revision,
        "streamName": saved.place.stream_name,
        "eventId": saved.place.event_id,
        "savedAt": time_text(saved.time_ms),
        "by": saved.by,
        "definition": _plain(saved.definition),
        "systemPrompt": saved.system_prompt,
    }


def _template_json(template: "Template") -> Mapping[str, Any]:
    return {
        "name": template.name,
        "description": template.description,
        "variables": dict(template.variables),
    }

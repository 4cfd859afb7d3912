"""`config`: the settings in force, and where each came from."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import Setup, set_up
from messagedb_agent.cli.render_json import text_of
from messagedb_agent.cli.tables import print_table
from messagedb_agent.cli.terminal import is_terminal, note, out

if TYPE_CHECKING:
    pass

MASK = "***"


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as it is shown; secrets are masked."""

    name: str
    value: str
    source: str


def config(common: Common, form: str) -> int:
    """Print the settings."""
    setup = set_up(common)
    shown = (*_settings(setup), *_keys(setup), *_options(setup.common))
    if form == "json":
        out(text_of([{"name": s.name, "value": s.value, "source": s.source} for s in shown]))
        return ExitCode.OK
    print_table(("setting", "value", "from"), [(s.name, s.value, s.source) for s in shown])
    settings = setup.loaded.settings
    parts = [name for name, value in settings.database_parts.items() if value is not None]
    if settings.message_db_url is not None and parts:
        note(f"MESSAGE_DB_URL is set and wins; not used: {', '.join(parts)}")
    return ExitCode.OK


def _settings(setup: Setup) -> Iterator[Shown]:
    settings, sources = setup.loaded.settings, setup.loaded.sources
    is_watched = is_terminal(sys.stderr)
    unset = {
        "MESSAGE_DB_URL": "(the embedded server)",
        "MODEL_NAME": "offline",
        "LOG_LEVEL": "WARNING" if is_watched else "INFO",
        "LOG_FORMAT": "text" if is_watched else "json",
        "MESSAGEDB_AGENT_HOME": str(setup.database.home),
        "POSTGRES_BIN": "(the one that comes with this package)",
    }
    for field in type(settings).model_fields:
        name, value = field.upper(), getattr(settings, field)
        if name == "MESSAGE_DB_URL" and (address := setup.database.display_address):
            yield Shown(name, address, sources.get(name, "the DB_ settings"))
        elif value is None:
            yield Shown(name, unset.get(name, "(unset)"), "default")
        else:
            yield Shown(name, _text(value), sources.get(name, "default"))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return re.sub(r"(?<=://)[^/@]*@", f"{MASK}@", str(value))  # a SecretStr shows stars


def _keys(setup: Setup) -> Iterator[Shown]:
    """Name the providers' keys that are there."""
    for name in setup.model_settings.keys:
        yield Shown(name, MASK, setup.loaded.source_of(name))


def _options(common: Common) -> Iterator[Shown]:
    default = Common()
    for name in ("category", "version", "tools"):
        value = getattr(common, name)
        source = "default" if value == getattr(default, name) else "argument"
        text = ", ".join(value) if isinstance(value, tuple) else value
        yield Shown(f"--{name}", text or "(the built-in ones)", source)

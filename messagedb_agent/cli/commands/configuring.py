"""`config`: the settings in force, and where each came from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.exits import ExitCode
from messagedb_agent.cli.opening import Setup, set_up
from messagedb_agent.cli.rendering.json import text_of
from messagedb_agent.cli.rendering.tables import print_table
from messagedb_agent.cli.streams import notes
from messagedb_agent.cli.terminal import is_terminal, note, out
from messagedb_agent.store.address import MASK, plain_name


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as it is shown; secrets are masked."""

    name: str
    value: str
    source: str


def config(common: Common, form: str) -> int:
    """Print the settings."""
    setup = set_up(common)
    shown = (*_settings(setup), *_keys(setup), *_options(setup.common), *_data(setup))
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
    is_watched = is_terminal(notes())
    unset = {
        "MESSAGE_DB_URL": "(the embedded server)",
        "MODEL_NAME": "offline",
        "LOG_LEVEL": "WARNING" if is_watched else "INFO",
        "LOG_FORMAT": "text" if is_watched else "json",
        "MESSAGEDB_AGENT_HOME": "(the folder that this platform has for data)",
        "POSTGRES_BIN": "(the one that comes with this package)",
    }
    for field in type(settings).model_fields:
        name, value = field.upper(), getattr(settings, field)
        if name == "MESSAGE_DB_URL" and (address := setup.database.display_address):
            yield Shown(name, address, sources.get(name, "the DB_ settings"))
        elif value is None:
            yield Shown(name, unset.get(name, "(unset)"), "default")
        else:
            yield Shown(name, _text(name, value), sources.get(name, "default"))


def _text(name: str, value: object) -> str:
    if name == "MODEL_API_BASE":
        return _without_secrets(str(value))
    if name in ("DB_NAME", "DB_USER"):
        return plain_name(str(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)  # a SecretStr shows stars


def _without_secrets(text: str) -> str:
    """Return a URL, well formed or not, without what may be a password or a key in it."""
    scheme = re.match(r"\w+://", text)
    start = scheme.end() if scheme else 0
    rest = re.sub(r"\A.*@", f"{MASK}@", text[start:], flags=re.S)  # a password may hold an @ too
    return text[:start] + re.sub(r"[?#].*", f"?{MASK}", rest, flags=re.S)


def _data(setup: Setup) -> Iterator[Shown]:
    """Say where the embedded server's data really lie, which as root is not below its home."""
    data = setup.database.data
    if data is not None:
        settings = setup.loaded.settings
        source = "MESSAGEDB_AGENT_HOME" if settings.messagedb_agent_home else "default"
        yield Shown("(data)", str(data), source)


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

"""Settings: read once, at the entry point, from arguments, environment and a `.env` file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from messagedb_agent.agents.snapshot_policy import DEFAULT_SNAPSHOTS, snapshot_policy
from messagedb_agent.errors import AgentError, ConfigurationError
from messagedb_agent.store import address

DEFAULT_FILE = Path(".env")

_MAX_CALLS = 2**53  # what an event can hold
_SHORTEST_KEY = 16
_MAX_IDLE_S = 10 * 365 * 86_400.0


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _host(value: str) -> str:
    if not address.is_host(value):
        raise ValueError("it is no host; the other parts of an address are settings of their own")
    return value


def web_address(value: str) -> str:
    """Return a value that is the address of a server.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(value)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        is_one = False
    if not is_one or any(character.isspace() for character in value):
        raise ValueError("it is no address of the form http://host:port/path, or https")
    return value


def _long_key(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < _SHORTEST_KEY:
        raise ValueError(f"it has fewer than {_SHORTEST_KEY} characters")
    return value


def _policy(value: str) -> str:
    try:
        snapshot_policy(value)
    except AgentError as error:
        raise ValueError("it is none of: never, once, every N (a number of events)") from error
    return value


def _name(value: str) -> str:
    if address.is_connection_string(value):
        raise ValueError("it is a connection string; MESSAGE_DB_URL takes one")
    return value


class Settings(BaseSettings):
    """What is configured. A variable's name is the field's in capitals.

    Attributes:
        message_db_url: `postgresql://` URL of a Message DB, or a connection string of libpq's;
            wins over the parts below.
        db_host: host, or folder of a socket.
        db_port: port.
        db_name: name of the database.
        db_user: role.
        db_password: its password.
        model_name: the model; None for `offline`.
        model_api_base: `http://` or `https://` address of a server that stands in for the
            provider.
        gcp_project: project on Google Cloud.
        gcp_location: its region.
        max_iterations: model calls per turn, at most.
        enable_tracing: whether turns are traced, by OpenTelemetry; it needs the extra `tracing`.
        log_level: the least important level that is logged; None for INFO in pipes and WARNING
            on a terminal. DEBUG also shows tracebacks.
        log_format: None for JSON in pipes and text on a terminal.
        snapshots: how often the fold of a long thread is kept beside it: `never`, `once` or
            `every N`, in events.
        templates: folder with templates of definitions that stand before those of the package.
        embedded_idle_s: the embedded server ends after this many seconds without a client.
        messagedb_agent_home: folder of the embedded server; None for the user's data folder.
        postgres_bin: `bin` folder of an installed PostgreSQL to embed.
        anchor_key: what anchors are signed with, of at least 16 characters; None leaves them
            unsigned.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        case_sensitive=True,
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        hide_input_in_errors=True,  # a traceback shows what an error was made of
    )

    message_db_url: SecretStr | None = None
    db_host: Annotated[str, AfterValidator(_host)] | None = None
    db_port: Annotated[int | None, Field(ge=1, le=65_535)] = None
    db_name: Annotated[str, AfterValidator(_name)] | None = None
    db_user: str | None = None
    db_password: SecretStr | None = None
    model_name: str | None = None
    model_api_base: Annotated[str, AfterValidator(web_address)] | None = None
    gcp_project: str | None = None
    gcp_location: str | None = None
    max_iterations: Annotated[int, Field(ge=1, le=_MAX_CALLS)] = 100
    enable_tracing: bool = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] | None, BeforeValidator(_upper)
    ] = None
    log_format: Annotated[Literal["json", "text"] | None, BeforeValidator(_lower)] = None
    snapshots: Annotated[str, AfterValidator(_policy)] = DEFAULT_SNAPSHOTS
    templates: Path | None = None
    embedded_idle_s: Annotated[float, Field(gt=0, le=_MAX_IDLE_S)] = 600
    messagedb_agent_home: Path | None = None
    postgres_bin: Path | None = None
    anchor_key: Annotated[SecretStr | None, AfterValidator(_long_key)] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` has read, so that it is known where each value came from."""
        return (init_settings,)

    @property
    def database_url(self) -> str | None:
        """URL of the database; None means the embedded server."""
        if self.message_db_url is not None:
            return address.cleaned(self.message_db_url.get_secret_value())
        if any(value is not None for value in self.database_parts.values()):
            return self._built_url()
        return None

    @property
    def database_parts(self) -> Mapping[str, object]:
        """The parts of the database's address that are set or not, by variable."""
        return {
            "DB_HOST": self.db_host,
            "DB_PORT": self.db_port,
            "DB_NAME": self.db_name,
            "DB_USER": self.db_user,
            "DB_PASSWORD": self.db_password,
        }

    def _built_url(self) -> str:
        user = quote(self.db_user or "message_store", safe="")
        if self.db_password is not None:
            user += f":{quote(self.db_password.get_secret_value(), safe='')}"
        host, port = self.db_host or "localhost", self.db_port or 5432
        name = quote(self.db_name or "message_store", safe="")
        if host.startswith("/"):  # the folder of a socket
            return f"postgresql://{user}@/{name}?host={quote(host, safe='')}&port={port}"
        host = f"[{host}]" if ":" in host else quote(host, safe="")
        return f"postgresql://{user}@{host}:{port}/{name}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings and where they came from.

    Attributes:
        settings: the settings.
        sources: where each setting that is set came from, by variable: `argument`,
            `environment`, or the path of a file.
        file: the file that was read; None where there was none.
        environ: the environment, and what else stands in the file, such as providers' keys.
    """

    settings: Settings
    sources: Mapping[str, str]
    environ: Mapping[str, str] = field(repr=False)
    file: Path | None = None

    def source_of(self, name: str) -> str:
        """Return where a variable of `environ` came from."""
        return "environment" if name in os.environ or self.file is None else str(self.file)


def load(file: Path | None = None, *, arguments: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings: arguments before environment before file before defaults.

    Args:
        file: a file in .env form; None reads `./.env` where there is one.
        arguments: values given on the command line, by variable.

    Raises:
        ConfigurationError: the file cannot be read, or a value is wrong; `field` names it.
    """
    found = _file(file)
    in_file = _read(found) if found else {}
    environment = _present(EnvSettingsSource(Settings).env_vars)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in (
        (str(found), in_file),
        ("environment", environment),
        ("argument", dict(arguments or {})),
    ):
        known = {name: value for name, value in layer.items() if name in _VARIABLES}
        values |= known
        sources |= dict.fromkeys(known, source)
    try:
        settings = Settings(**{name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        raise _refused(error, sources) from error
    return Loaded(settings, sources, {**in_file, **environment}, found)


_VARIABLES = frozenset(map(str.upper, Settings.model_fields))


def _file(given: Path | None) -> Path | None:
    if given is None:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not given.exists() or given.is_dir():
        raise ConfigurationError(f"there is no file {str(given)!r} of settings", field="config")
    return given


def _read(file: Path) -> dict[str, str]:
    try:
        return _present(DotEnvSettingsSource(Settings, env_file=file).env_vars)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigurationError(f"{str(file)!r} cannot be read: {why}", field="config") from error


def _present(variables: Mapping[str, str | None]) -> dict[str, str]:
    """Leave out what is empty: `DB_PASSWORD=` is as good as no line."""
    return {name: value for name, value in variables.items() if value}


def _refused(error: ValidationError, sources: Mapping[str, str]) -> ConfigurationError:
    """Name the variable at fault, what is wrong, and where it stands; never the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]).upper()
    why = first["msg"].removeprefix("Value error, ")
    return ConfigurationError(
        f"{name} is wrong: {why} (from {sources.get(name, 'default')})", field=name
    )

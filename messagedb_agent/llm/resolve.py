"""Which model a name means, and whether it can be asked at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from messagedb_agent.errors import ConfigurationError, ValidationError
from messagedb_agent.llm import vertex
from messagedb_agent.llm.litellm_library import load, load_in_thread
from messagedb_agent.llm.masking import is_secret_name, secrets_of
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.providers import (
    BY_NAME,
    PROVIDERS,
    Provider,
    check_provider,
    is_known,
    key_of,
    region_option,
    suggest,
)
from messagedb_agent.llm.retrying import Retrying, RetryPolicy

if TYPE_CHECKING:
    from messagedb_agent.llm.litellm_model import Target

OFFLINE = "offline"

_BARE_OPENAI = re.compile(r"(chat)?gpt-|o\d(-|$)", re.IGNORECASE)
# Servers of one's own need no key, but OpenAI's client refuses to start without one.
_NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What decides, beside its name, how a model is reached.

    Attributes:
        api_base: address of a server that stands in for the provider; None for the provider's.
        gcp_project: project on Google Cloud.
        gcp_location: its region, such as `europe-west1` or `global`.
        environ: the variables in force, keys among them.
        policy: how often and how patiently a model is asked.
        providers: how providers are reached, by what stands before the `/` in a model's name;
            what is said here goes before all else.

    Raises:
        ValidationError: what is said of a provider is no `Provider`, or cannot be meant.
    """

    api_base: str | None = None
    gcp_project: str | None = None
    gcp_location: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    providers: Mapping[str, Provider] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, provider in self.providers.items():
            check_provider(name, provider)

    def check(self, name: str) -> None:
        """Find out, before anything is written, whether a model can be asked.

        No request is sent. litellm, which takes seconds to load, is asked only about providers that
        this package does not know by itself.

        Args:
            name: the model's name, such as `anthropic/claude-haiku-4-5`.

        Raises:
            ConfigurationError: no such provider or model name; no key, with the variable that is
                to hold it; no Google credentials, with the command that gets them.
        """
        check(name, self)

    @property
    def suggestion(self) -> str | None:
        """A model that a key among the variables could ask; None where there is no such key."""
        return suggest(self.environ)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the known providers' keys among the variables."""
        names = (key for provider in PROVIDERS for key in provider.keys)
        return tuple(name for name in names if name in self.environ)


def resolve(name: str, *, settings: ModelSettings) -> LanguageModel:
    """Return the model called `name`.

    Args:
        name: `offline`, any name that litellm knows (`anthropic/claude-haiku-4-5`), or a bare
            Claude, Gemini or OpenAI name. A bare Claude or Gemini name means Vertex AI where
            project and location are set.
        settings: how models are reached.

    Raises:
        ConfigurationError: the name cannot be served; see `ModelSettings.check`.
    """
    check(name, settings)
    # Each takes a while, even without litellm, and most commands ask no model at all.
    if name == OFFLINE:
        from messagedb_agent.llm.offline import OfflineModel

        return OfflineModel()
    from messagedb_agent.llm.litellm_model import LitellmModel

    return Retrying(LitellmModel(_target(_full_name(name, settings), settings)), settings.policy)


async def prepare(name: str) -> None:
    """Load litellm beside the event loop, if `resolve` may have to ask it about a name."""
    prefix = name.partition("/")[0]
    if name != OFFLINE and prefix not in BY_NAME and not vertex.is_vertex(f"{prefix}/"):
        await load_in_thread()


async def check_providers(settings: ModelSettings) -> None:
    """Look whether there are providers of the names of which something is said.

    litellm, which takes seconds to load, is asked only about those that this package does not know.

    Raises:
        ValidationError: there is no such provider.
    """
    unknown = [name for name in settings.providers if not is_known(name)]
    if not unknown:
        return
    litellm = await load_in_thread()
    own = [entry.get("provider") for entry in litellm.custom_provider_map]
    for name in unknown:
        if name not in litellm.provider_list and name not in own:
            raise ValidationError(f"providers: no provider {name!r} is known", field="providers")


def check(name: str, settings: ModelSettings) -> None:
    """Do nothing if a model can be asked; see `ModelSettings.check`."""
    if name == OFFLINE:
        return
    full_name = _full_name(name, settings)
    if vertex.is_vertex(full_name):
        vertex.check_credentials(settings.environ)
        return
    reached = _reached(full_name, settings)
    if reached.api_base is not None:
        return
    provider = BY_NAME.get(full_name.partition("/")[0])
    if provider is None:
        _check_with_litellm(full_name, has_key=reached.api_key is not None)
    elif provider.keys and reached.api_key is None:
        raise _missing_key(full_name, " or ".join(provider.keys))


def _full_name(name: str, settings: ModelSettings) -> str:
    """The name with its provider."""
    if not name.strip() or name != name.strip():
        raise ConfigurationError(f"{name!r} is no model name", field="MODEL_NAME")
    prefix, slash, rest = name.partition("/")
    if slash:
        if not rest:
            raise ConfigurationError(f"{name!r} names no model", field="MODEL_NAME")
        # Servers of one's own call their models `owner/model`.
        return name if settings.api_base is None or _is_provider(prefix) else f"openai/{name}"
    lowered = name.lower()
    if settings.api_base is None and (lowered in BY_NAME or vertex.is_vertex(f"{lowered}/")):
        raise _unnamed(lowered)
    if settings.api_base is not None:
        return f"anthropic/{name}" if lowered.startswith("claude") else f"openai/{name}"
    if lowered.startswith(("claude", "gemini")):
        if settings.gcp_project and settings.gcp_location:
            return f"{vertex.PREFIX}{name}"
        return f"anthropic/{name}" if lowered.startswith("claude") else f"gemini/{name}"
    return f"openai/{name}" if _BARE_OPENAI.match(name) else name


def _is_provider(prefix: str) -> bool:
    return prefix in BY_NAME or vertex.is_vertex(f"{prefix}/") or prefix in load().provider_list


@dataclass(frozen=True, slots=True)
class _Reached:
    """How a model's provider is reached: what the caller says, then settings and environment."""

    api_key: str | None = field(repr=False)
    api_base: str | None = field(repr=False)
    region: tuple[str, str] | None


def _reached(full_name: str, settings: ModelSettings) -> _Reached:
    name = _provider_of(full_name, settings)
    said, known = settings.providers.get(name, Provider()), BY_NAME.get(name)
    option = region_option(name)
    return _Reached(
        said.api_key or (key_of(known, settings.environ) if known else None),
        said.api_base or settings.api_base,
        (option, said.region) if option and said.region else None,
    )


def _provider_of(full_name: str, settings: ModelSettings) -> str:
    prefix, slash, _ = full_name.partition("/")
    if slash or not settings.providers or settings.api_base is not None:
        return prefix
    return str(_found(full_name)[1])  # a bare name that litellm alone knows


def _target(full_name: str, settings: ModelSettings) -> "Target":
    from messagedb_agent.llm.litellm_model import Target

    reached = _reached(full_name, settings)
    options: dict[str, str] = {}
    if reached.api_base is not None:
        options["api_base"] = reached.api_base
    if vertex.is_vertex(full_name):
        options |= vertex.options(settings.gcp_project, settings.gcp_location, settings.environ)
    if reached.region is not None:
        options |= (reached.region,)
    key = reached.api_key
    if key is None and reached.api_base is not None and not vertex.is_vertex(full_name):
        key = _NO_KEY
    if key is not None:
        options["api_key"] = key
    return Target(full_name, options, _secrets(settings))


def _secrets(settings: ModelSettings) -> tuple[str, ...]:
    """What no message may show: the keys of all providers, longest first."""
    keys = {f"API_KEY {name}": said.api_key or "" for name, said in settings.providers.items()}
    return secrets_of({**settings.environ, **keys})


def _check_with_litellm(name: str, *, has_key: bool) -> None:
    _found(name)
    missing = load().validate_environment(name)["missing_keys"]
    if has_key:
        missing = [variable for variable in missing if not is_secret_name(variable)]
    if missing:
        raise _missing_key(name, " and ".join(missing))


def _found(name: str) -> tuple[Any, ...]:
    """What litellm finds for a name: the model, its provider, and more."""
    litellm = load()
    if name.lower() in litellm.provider_list:
        raise _unnamed(name.lower())
    try:
        return tuple(litellm.get_llm_provider(name))
    except Exception as error:
        raise ConfigurationError(
            f"no provider is known for the model {name!r}; "
            "write it as provider/model, such as anthropic/claude-haiku-4-5, or use offline",
            field="MODEL_NAME",
        ) from error


def _unnamed(provider: str) -> ConfigurationError:
    return ConfigurationError(
        f"{provider!r} is a provider, and no model is named: write it as {provider}/MODEL",
        field="MODEL_NAME",
    )


def _missing_key(name: str, variables: str) -> ConfigurationError:
    hint = ", or GCP_PROJECT and GCP_LOCATION for Vertex AI"
    on_google = name.startswith(("anthropic/claude", "gemini/"))
    return ConfigurationError(
        f"the model {name} needs a key: set {variables}{hint if on_google else ''}",
        field=variables.split(" ")[0],
    )

"""Which model a name means, and whether it can be asked at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.llm import vertex
from messagedb_agent.llm.litellm_library import load, load_in_thread
from messagedb_agent.llm.masking import secrets_of
from messagedb_agent.llm.model import LanguageModel
from messagedb_agent.llm.providers import BY_NAME, PROVIDERS, key_of, suggest
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
    """

    api_base: str | None = None
    gcp_project: str | None = None
    gcp_location: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    policy: RetryPolicy = field(default_factory=RetryPolicy)

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


def check(name: str, settings: ModelSettings) -> None:
    """Do nothing if a model can be asked; see `ModelSettings.check`."""
    if name == OFFLINE:
        return
    full_name = _full_name(name, settings)
    if vertex.is_vertex(full_name):
        vertex.check_credentials(settings.environ)
        return
    if settings.api_base is not None:
        return
    provider = BY_NAME.get(full_name.partition("/")[0])
    if provider is None:
        _check_with_litellm(full_name)
    elif provider.keys and key_of(provider, settings.environ) is None:
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


def _target(full_name: str, settings: ModelSettings) -> "Target":
    from messagedb_agent.llm.litellm_model import Target

    options: dict[str, str] = {}
    if settings.api_base is not None:
        options["api_base"] = settings.api_base
    if vertex.is_vertex(full_name):
        options |= vertex.options(settings.gcp_project, settings.gcp_location, settings.environ)
    provider = BY_NAME.get(full_name.partition("/")[0])
    key = key_of(provider, settings.environ) if provider else None
    if key is None and settings.api_base is not None and not vertex.is_vertex(full_name):
        key = _NO_KEY
    if key is not None:
        options["api_key"] = key
    return Target(full_name, options, secrets_of(settings.environ))


def _check_with_litellm(name: str) -> None:
    litellm = load()
    if name.lower() in litellm.provider_list:
        raise _unnamed(name.lower())
    try:
        litellm.get_llm_provider(name)
    except Exception as error:
        raise ConfigurationError(
            f"no provider is known for the model {name!r}; "
            "write it as provider/model, such as anthropic/claude-haiku-4-5, or use offline",
            field="MODEL_NAME",
        ) from error
    missing = litellm.validate_environment(name)["missing_keys"]
    if missing:
        raise _missing_key(name, " and ".join(missing))


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

"""Providers of models: those that this package knows by name, and what a caller says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from messagedb_agent.errors import ValidationError

# What litellm 1.106 calls the region, by provider; the others have none.
_REGION_OPTIONS = {
    "bedrock": "aws_region_name",
    "sagemaker": "aws_region_name",
    "sagemaker_chat": "aws_region_name",
    "vertex_ai": "vertex_location",
    "vertex_ai_beta": "vertex_location",
}
_ON_GOOGLE = ("vertex_ai", "vertex_ai_beta")


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider of models is reached, where the environment does not say; see `connect`.

    What is None here comes from the environment and the provider's defaults. Nothing of it is ever
    recorded or shown; the key and the address are left out of its text (`repr`).

    Attributes:
        api_key: the key; for `bedrock` the bearer token. `vertex_ai` has none: Google's own
            credentials open it.
        api_base: `http://` or `https://` address of a server that stands in for the provider.
        region: region of the provider's cloud, such as `eu-central-1`; Bedrock, SageMaker and
            Vertex AI have regions.

    Raises:
        ValidationError: a value is empty or no text, or the address is none; `field` says which.
    """

    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = field(default=None, repr=False)
    region: str | None = None

    def __post_init__(self) -> None:
        for name in ("api_key", "api_base", "region"):
            value = getattr(self, name)
            if value is not None and not _is_word(value):
                raise ValidationError(f"{name}: it is empty, or no text without blanks", field=name)
        if self.api_base is not None and not _is_address(self.api_base):
            raise ValidationError(
                "api_base: it is no address of the form http://host:port/path, or https",
                field="api_base",
            )


def region_option(name: str) -> str | None:
    """Return what litellm calls the region of a provider; None for one that has no regions."""
    return _REGION_OPTIONS.get(name)


def check_provider(name: object, provider: object) -> None:
    """Refuse what is said of a provider where it cannot be meant.

    Args:
        name: the provider's name; whether there is such a provider is not asked.
        provider: what is said of it.

    Raises:
        ValidationError: it is no `Provider`, or the provider has no regions or no keys.
    """
    if not isinstance(name, str) or not _is_word(name) or "/" in name:
        raise _refused(f"{name!r} is no provider's name")
    if not isinstance(provider, Provider):  # of which nothing is shown: it may be the key itself
        raise _refused(f"what is given for {name!r} is no Provider")
    if provider.region is not None and region_option(name) is None:
        raise _refused(f"the provider {name!r} has no regions")
    if provider.api_key is not None and name in _ON_GOOGLE:
        raise _refused(f"{name!r} has no key: Google's credentials open it")


def is_known(name: str) -> bool:
    """Say whether this package knows a provider without asking litellm."""
    return name in BY_NAME or name in _REGION_OPTIONS


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not any(map(str.isspace, value))


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return False


def _refused(why: str) -> ValidationError:
    return ValidationError(f"providers: {why}", field="providers")


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider of models that this package knows by name; litellm knows more.

    Attributes:
        name: what stands before the `/` in a model's name.
        keys: variables that may hold its key, the usual one first; empty if it needs none.
        suggestion: a model of it to try, with its provider's name; None if there is no good one.
    """

    name: str
    keys: tuple[str, ...] = ()
    suggestion: str | None = None


# In the order in which one is suggested. The variables are those that litellm 1.106 reads.
PROVIDERS = (
    KnownProvider("anthropic", ("ANTHROPIC_API_KEY",), "anthropic/claude-haiku-4-5"),
    KnownProvider("openai", ("OPENAI_API_KEY",), "openai/gpt-5-mini"),
    KnownProvider("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini/gemini-2.5-flash"),
    KnownProvider("mistral", ("MISTRAL_API_KEY",), "mistral/mistral-small-latest"),
    KnownProvider("openrouter", ("OPENROUTER_API_KEY",), "openrouter/anthropic/claude-haiku-4.5"),
    KnownProvider("deepseek", ("DEEPSEEK_API_KEY",), "deepseek/deepseek-chat"),
    KnownProvider("groq", ("GROQ_API_KEY",)),
    KnownProvider("xai", ("XAI_API_KEY",)),
    KnownProvider("cerebras", ("CEREBRAS_API_KEY",)),
    KnownProvider("together_ai", ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY")),
    KnownProvider("cohere", ("COHERE_API_KEY",)),
    KnownProvider("perplexity", ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY")),
    KnownProvider("ollama"),
    KnownProvider("ollama_chat"),
)
BY_NAME: Mapping[str, KnownProvider] = {provider.name: provider for provider in PROVIDERS}


def suggest(environ: Mapping[str, str]) -> str | None:
    """Return a model whose provider's key is in `environ`, as a value for `MODEL_NAME`.

    Returns:
        A name that `resolve` takes, or None where no known key is set.
    """
    for provider in PROVIDERS:
        if provider.suggestion and key_of(provider, environ) is not None:
            return provider.suggestion
    return None


def key_of(provider: KnownProvider, environ: Mapping[str, str]) -> str | None:
    """Return the provider's key, or None where no variable holds one."""
    return next((environ[name] for name in provider.keys if environ.get(name)), None)

"""The providers whose keys this package knows by name; litellm knows more."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of models.

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
    Provider("anthropic", ("ANTHROPIC_API_KEY",), "anthropic/claude-haiku-4-5"),
    Provider("openai", ("OPENAI_API_KEY",), "openai/gpt-5-mini"),
    Provider("gemini", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini/gemini-2.5-flash"),
    Provider("mistral", ("MISTRAL_API_KEY",), "mistral/mistral-small-latest"),
    Provider("openrouter", ("OPENROUTER_API_KEY",), "openrouter/anthropic/claude-haiku-4.5"),
    Provider("deepseek", ("DEEPSEEK_API_KEY",), "deepseek/deepseek-chat"),
    Provider("groq", ("GROQ_API_KEY",)),
    Provider("xai", ("XAI_API_KEY",)),
    Provider("cerebras", ("CEREBRAS_API_KEY",)),
    Provider("together_ai", ("TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY")),
    Provider("cohere", ("COHERE_API_KEY",)),
    Provider("perplexity", ("PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY")),
    Provider("ollama"),
    Provider("ollama_chat"),
)
BY_NAME: Mapping[str, Provider] = {provider.name: provider for provider in PROVIDERS}


def suggest(environ: Mapping[str, str]) -> str | None:
    """Return a model whose provider's key is in `environ`, as a value for `MODEL_NAME`.

    Returns:
        A name that `resolve` takes, or None where no known key is set.
    """
    for provider in PROVIDERS:
        if provider.suggestion and key_of(provider, environ) is not None:
            return provider.suggestion
    return None


def key_of(provider: Provider, environ: Mapping[str, str]) -> str | None:
    """Return the provider's key, or None where no variable holds one."""
    return next((environ[name] for name in provider.keys if environ.get(name)), None)

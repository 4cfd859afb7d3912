"""Names of common models, so that an editor can complete them. Any other name will do as well."""


class Model:
    """Names of models, plain strings: `model=Model.CLAUDE_SONNET_5_5`.

    They are those of litellm's list, with their provider; each takes tools. Any text in their place
    is as good, such as `openai/gpt-4.1-2025-04-14`, or a model of a server of your own.
    """

    OFFLINE = "offline"
    """Fixed rules, without a key or a network; no language model."""

    CLAUDE_OPUS_5_5 = "anthropic/claude-opus-5-5"
    CLAUDE_SONNET_5_5 = "anthropic/claude-sonnet-5-5"
    CLAUDE_HAIKU_5_5 = "anthropic/claude-haiku-5-5"
    CLAUDE_HAIKU_4_5 = "anthropic/claude-haiku-4-5"

    GPT_6_1_SOL = "openai/gpt-6.1-sol"
    GPT_6_LUNA = "openai/gpt-6-luna"
    GPT_5 = "openai/gpt-5"
    GPT_5_MINI = "openai/gpt-5-mini"

    GEMINI_PRO = "gemini/gemini-pro-latest"
    GEMINI_FLASH = "gemini/gemini-flash-latest"
    GEMINI_FLASH_LITE = "gemini/gemini-flash-lite-latest"

    MISTRAL_LARGE = "mistral/mistral-large-latest"
    MISTRAL_MEDIUM = "mistral/mistral-medium-latest"
    MISTRAL_SMALL = "mistral/mistral-small-latest"

    DEEPSEEK_V4_PRO = "deepseek/deepseek-v4-pro"
    GROK_4_7 = "xai/grok-4.7"
    GPT_OSS_120B = "groq/openai/gpt-oss-120b"

"""How many tokens a text has, by the model's own tokenizer where its file is here.

OpenAI's tokenizers are public: tiktoken knows which model has which, and litellm carries the files
of two (1.106). Of other providers' models none is to be had offline, and where a file is missing or
another, tiktoken would fetch it from the network; that never happens here: texts are estimated.
"""

import hashlib
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from messagedb_agent.events.strategy import estimated_tokens
from messagedb_agent.llm.litellm_library import tokenizer_folder

if TYPE_CHECKING:
    from tiktoken import Encoding

_FILES = {
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
"""By encoding: its file's name, and the SHA-256 of what is in it (tiktoken 0.14,
`tiktoken_ext/openai_public.py`)."""

_OPENAI = frozenset({"openai", "azure"})
_KEPT_TEXTS = 16_384
"""Of how many texts the counts are kept: those of a window are asked for with every request."""
_LONGEST = 100_000  # characters that are counted; of a longer text, in proportion to as many


def tokens(model: str, text: str) -> int:
    """Return how many tokens a text has for a model; estimated where its tokenizer is not here.

    The first text for an encoding takes up to a second, in which its file is read.

    Args:
        model: its name, such as `openai/gpt-4o`.
        text: any text; what looks like a special token counts as text.
    """
    name = _encoding_name(model)
    return estimated_tokens(text) if name is None else _counted(name, text)


@cache
def _encoding_name(model: str) -> str | None:
    provider, _, name = model.rpartition("/")
    if provider and provider not in _OPENAI:
        return None
    try:
        from tiktoken import encoding_name_for_model

        found = encoding_name_for_model(name)
    except (ImportError, KeyError):
        return None
    return found if _encoding(found) else None


@cache
def _encoding(name: str) -> "Encoding | None":
    """Return an encoding whose file is here, as it was published."""
    from tiktoken import get_encoding

    folder, (file, digest) = tokenizer_folder(), _FILES.get(name, ("", ""))
    path = folder / file if folder and file else None
    if path is None or not path.is_file():
        return None
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        return None
    return get_encoding(name)


@lru_cache(maxsize=_KEPT_TEXTS)
def _counted(name: str, text: str) -> int:
    encoding = _encoding(name)
    if encoding is None:
        return estimated_tokens(text)
    count = len(encoding.encode_ordinary(text[:_LONGEST]))
    return count if len(text) <= _LONGEST else count * len(text) // _LONGEST

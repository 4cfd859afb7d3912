"""Tokens are counted by the model's own tokenizer where it is here; the network is not asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from messagedb_agent.events.strategy import estimated_tokens
from messagedb_agent.llm import tokenizing
from messagedb_agent.llm.tokenizing import tokens

TEXT = "Grüße an alle, 你好! " * 20


@pytest.fixture
def _fresh() -> Iterator[None]:
    _forget()
    yield
    _forget()


def _forget() -> None:
    for cached in (tokenizing._encoding_name, tokenizing._encoding, tokenizing._counted):
        cached.cache_clear()


def test_each_openai_model_has_its_own_tokenizer() -> None:
    # `tiktoken.get_encoding(...).encode` of version 0.14 gives these.
    assert tokens("gpt-4o", "hello world, grüße") == 5
    assert tokens("gpt-4", "hello world, grüße") == 6
    assert tokens("openai/gpt-4o", TEXT) == tokens("gpt-4o", TEXT) != estimated_tokens(TEXT)
    assert tokens("gpt-4o", "<|endoftext|>") > 1


@pytest.mark.parametrize(
    "model",
    ["offline", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash", "ollama/gpt-4o", ""],
)
def test_other_models_texts_are_estimated(model: str) -> None:
    assert tokens(model, TEXT) == estimated_tokens(TEXT)


def test_a_very_long_text_is_counted_by_its_beginning() -> None:
    assert tokens("gpt-4o", "a b " * 25_000) == 50_001
    assert tokens("gpt-4o", "a b " * 100_000) == 4 * 50_001


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize("content", [None, b"not what it was"])
def test_a_file_that_is_missing_or_another_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    file = tmp_path / tokenizing._FILES["o200k_base"][0]
    if content is not None:
        file.write_bytes(content)
    assert tokens("gpt-4o", TEXT) == estimated_tokens(TEXT)
    assert file.exists() == (content is not None)

"""What a model was shown of a thread once, it is shown for ever: to the letter."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from messagedb_agent.engine.verify import verify
from messagedb_agent.events.codec import decode
from messagedb_agent.events.schema import LlmCallStarted
from tests.golden.conversations import (
    FOLDER,
    NAMES,
    folded_request,
    golden,
    request_json,
    row_of,
    shown_of,
    store_of,
)
from tests.golden.threads import THREADS

VERIFIER = Path(__file__).parent / "verify_chain.mjs"
SPECIFICATION = Path(__file__).parents[2] / "spec.md"


def test_every_thread_has_a_file() -> None:
    assert set(NAMES) == set(THREADS)


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_thread_is_shown_to_the_model_as_it_was(name: str) -> None:
    stored = golden(name)
    shown = shown_of([row_of(row) for row in stored["rows"]])
    assert request_json(folded_request(name, shown)) == stored["request"]


@pytest.mark.parametrize("name", NAMES)
async def test_a_stored_thread_is_sound_and_so_is_every_request_in_it(name: str) -> None:
    rows = [row_of(row) for row in golden(name)["rows"]]
    verification = await verify(await store_of(rows), rows[-1].stream_name)
    claims = [row for row in rows if isinstance(decode(row).recorded.event, LlmCallStarted)]
    assert verification.finding is None
    assert verification.foreign == ()
    assert (verification.events, verification.requests) == (len(rows), len(claims))


def shown_texts() -> list[str]:
    """Return all that any stored thread shows a model, arguments and names included."""
    texts = []
    for name in NAMES:
        for message in golden(name)["request"]["messages"]:
            texts.append(message["text"])
            for call in message.get("calls", ()):
                texts += [call["name"], call["arguments"]]
    return texts


def specified_words() -> list[str]:
    """Return the words that the specification has for what a model is shown, `{...}` to fill in."""
    section = SPECIFICATION.read_text(encoding="utf-8")
    section = section.split("### Projection `conversation`, version 1")[1].split("\n### ")[0]
    return [
        words for words in re.findall(r"`([^`]*)`", section) if re.search(r"[a-z]{2} |\(", words)
    ]


def test_the_specification_names_all_fixed_words() -> None:
    assert len(specified_words()) == 12


@pytest.mark.parametrize("words", specified_words())
def test_the_words_of_the_specification_stand_in_a_stored_thread(words: str) -> None:
    parts = re.split(r"\{\w+\}", words)
    wanted = re.compile("(?s)" + "(.+)".join(map(re.escape, parts)))
    assert any(wanted.match(text) for text in shown_texts())


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_another_language_comes_to_the_same_requests_by_the_specification_alone() -> None:
    files = [str(FOLDER / f"{name}.json") for name in NAMES]
    done = subprocess.run(
        ["node", str(VERIFIER), *files], capture_output=True, text=True, timeout=60, check=False
    )
    checked = sum(len(golden(name)["rows"]) + 1 for name in NAMES)
    assert done.stderr == ""
    assert done.stdout == f"{checked} checked, 0 differ\n"
    assert done.returncode == 0

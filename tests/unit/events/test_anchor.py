"""Anchors: written, read again, and refused where they are not what was written."""

import hashlib
import json

import pytest

from messagedb_agent.errors import ConfigurationError, IntegrityError, ValidationError
from messagedb_agent.events.anchor import Head, anchor_text, read_anchor
from messagedb_agent.events.chain import hash_text

KEY = "a key of many characters"
TIME = "2026-01-01T00:00:00.000Z"
HASHES = tuple(hash_text(bytes([n]) * 32) for n in range(3))
HEADS = tuple(Head(f"agent:v0-{n}", n, hash) for n, hash in enumerate(HASHES))


def written(key: str | None = KEY, heads: tuple[Head, ...] = HEADS) -> bytes:
    return anchor_text("agent:v0", TIME, heads, key).encode()


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize("heads", [HEADS, HEADS[:1], ()])
def test_what_was_written_is_read(key: str | None, heads: tuple[Head, ...]) -> None:
    anchor = read_anchor(written(key, heads), "agent:v0", key)
    assert (anchor.category, anchor.made_at) == ("agent:v0", TIME)
    assert tuple(anchor.heads.values()) == heads
    assert anchor.is_signed is (key is not None)


def test_lines_are_canonical_and_in_the_order_of_names() -> None:
    lines = written(heads=HEADS[::-1]).decode().splitlines()
    assert lines[0] == (
        '{"category":"agent:v0","format":"messagedb-agent anchor","formatVersion":1,'
        f'"madeAt":"{TIME}"}}'
    )
    assert lines[1] == f'{{"hash":"{HASHES[0]}","position":0,"streamName":"agent:v0-0"}}'
    assert list(json.loads(lines[-1])) == ["heads", "hmacSha256", "sha256"]
    assert written(heads=HEADS[::-1]) == written()


@pytest.mark.parametrize("key", [KEY, None])
def test_every_changed_byte_of_the_lines_is_found(key: str | None) -> None:
    text = written(key)
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        with pytest.raises((IntegrityError, ValidationError)):
            read_anchor(changed, "agent:v0", key)


@pytest.mark.parametrize("key", [KEY, None])
def test_every_anchor_that_is_cut_off_is_refused(key: str | None) -> None:
    text = written(key)
    for end in range(len(text)):
        with pytest.raises(ValidationError) as refused:
            read_anchor(text[:end], "agent:v0", key)
        assert refused.value.field == "anchor"


def test_a_line_that_is_left_out_or_doubled_is_found() -> None:
    first, *heads, end = written().splitlines(keepends=True)
    for lines in (heads[1:], [*heads, heads[0]], heads[::-1]):
        with pytest.raises(IntegrityError, match="was changed"):
            read_anchor(b"".join([first, *lines, end]), "agent:v0", KEY)


def test_an_anchor_that_somebody_else_made_is_found() -> None:
    with pytest.raises(IntegrityError, match="was not signed with this ANCHOR_KEY"):
        read_anchor(written("another key, as long"), "agent:v0", KEY)


def test_a_signature_that_was_taken_off_is_found() -> None:
    with pytest.raises(IntegrityError, match="is not signed, though ANCHOR_KEY is set"):
        read_anchor(written(None), "agent:v0", KEY)


def test_a_signature_cannot_be_checked_without_the_key() -> None:
    with pytest.raises(ConfigurationError, match="set ANCHOR_KEY") as refused:
        read_anchor(written(), "agent:v0", None)
    assert refused.value.field == "ANCHOR_KEY"


@pytest.mark.parametrize(
    ("given", "instead", "why"),
    [
        ('"formatVersion":1', '"formatVersion":3', "of version 3; this program reads 1 and 2"),
        ('"messagedb-agent anchor"', '"something"', "it is no anchor"),
        ('"agent:v0","format"', '"agent:v1","format"', "the category 'agent:v1', not 'agent:v0'"),
    ],
)
def test_what_is_no_anchor_of_this_is_refused_by_its_first_line(
    given: str, instead: str, why: str
) -> None:
    text = written().replace(given.encode(), instead.encode(), 1)
    with pytest.raises(ValidationError, match=why):
        read_anchor(text, "agent:v0", KEY)


@pytest.mark.parametrize("text", [b"", b"\n", b"[]\n", b"\xff\n", b"{}\n", b'{"a": 1}'])
def test_what_is_no_anchor_at_all_is_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        read_anchor(text, "agent:v0", None)


@pytest.mark.parametrize(
    "head",
    [
        Head("agent:v1-1", 1, HASHES[0]),
        Head("agent:v0-1", -1, HASHES[0]),
        Head("agent:v0-1", 1, "short"),
    ],
)
def test_a_line_that_is_no_head_of_a_thread_is_named(head: Head) -> None:
    with pytest.raises(ValidationError, match="line 2 is no head of a thread, nor of what"):
        read_anchor(written(heads=(head,)), "agent:v0", KEY)


BESIDE = ("agentDefinition", "agentUser")
OF_USER = Head("agentUser-ada", 4, HASHES[0])


@pytest.mark.parametrize("stream", ["agentUser-ada", "agentDefinition-support"])
def test_heads_of_what_stands_beside_threads_make_a_newer_version(stream: str) -> None:
    text = written(heads=(*HEADS, Head(stream, 4, HASHES[0])))
    assert b'"formatVersion":2' in text.splitlines()[0]
    anchor = read_anchor(text, "agent:v0", KEY, beside=BESIDE)
    assert anchor.heads[stream].position == 4
    with pytest.raises(ValidationError, match="no head of a thread, nor of what stands beside it"):
        read_anchor(text, "agent:v0", KEY)


def test_an_older_anchor_has_heads_of_threads_alone() -> None:
    assert read_anchor(written(), "agent:v0", KEY, beside=BESIDE).heads.keys() == {
        head.stream for head in HEADS
    }
    text = written(None, (OF_USER,)).replace(b'"formatVersion":2', b'"formatVersion":1')
    body, _ = text.removesuffix(b"\n").rsplit(b"\n", 1)
    end = {"heads": 1, "sha256": hash_text(hashlib.sha256(body + b"\n").digest())}
    with pytest.raises(ValidationError, match="line 2 is no head of a thread"):
        read_anchor(
            body + b"\n" + json.dumps(end).encode() + b"\n", "agent:v0", None, beside=BESIDE
        )

"""`--output`: an answer that is one JSON value, checked, and printed."""

import json
from pathlib import Path

import pytest

from tests.cli import CommandLine
from tests.end_to_end.wiping import WIPE, planted
from tests.terminal import Opens

CITY = {
    "type": "object",
    "properties": {
        "name": {"enum": ["Zürich  West", "Bern"]},
        "population": {"type": "integer", "minimum": 2**70},
    },
    "required": ["name", "population"],
}
VALUE = {"name": "Zürich  West", "population": 2**70}
NEVER = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^never$"}},
    "required": ["name"],
}


def schema(value: object, name: str = "schema.json") -> tuple[str, str]:
    Path(name).write_text(json.dumps(value), encoding="utf-8")
    return "--output", name


def test_the_value_is_printed_as_one_line_of_json(cli: CommandLine) -> None:
    ended = cli("start", "Which city?", *schema(CITY))
    assert ended.code == 0
    assert ended.out == f'{{"name": "Zürich  West", "population": {2**70}}}\n'
    turn = cli("message", "last", "And the next one?", *schema(CITY), "--format", "json").json
    assert (turn["output"], json.loads(turn["answer"])) == (VALUE, VALUE)
    assert cli("message", "last", "Thanks!", "--format", "json").json["output"] is None
    assert cli("verify", "last").code == 0


def test_a_value_that_is_no_object_is_printed_as_it_is(cli: CommandLine) -> None:
    several = {"type": "array", "items": {"const": 7}, "minItems": 2}
    assert cli("start", "Which numbers?", *schema(several)).out == "[7, 7]\n"
    nothing = schema({"type": "null"})
    turn = cli("message", "last", "And then?", *nothing, "--format", "json").json
    assert (turn["output"], turn["answer"]) == (None, '{"value": null}')


def test_on_a_terminal_the_value_alone_is_shown(cli: CommandLine, terminal: Opens) -> None:
    asking = terminal("start", "Which number?", *schema({"const": 7}))
    shown = asking.expect("7\n").removesuffix("7\n")
    assert "value" not in shown
    assert asking.ended() == 0


def test_an_answer_that_is_not_the_output_ends_the_command_without_a_value(
    cli: CommandLine,
) -> None:
    ended = cli("start", "Which name?", *schema(NEVER))
    assert (ended.code, ended.out) == (6, "")
    (error,) = (line for line in ended.notes if line.startswith("error: "))
    assert error == "error: name: 'text' does not match '^never$'"
    assert cli("continue", "last").code == 6  # with a repair of its own
    turn = cli("continue", "last", "--format", "json").json
    assert (turn["status"], turn["output"]) == ("failed", None)
    rows = cli("show", "last", "--format", "json").json
    replies = [row["data"] for row in rows if row["type"] == "LlmResponseReceived"]
    assert ["problem" in reply["output"] for reply in replies] == [True] * 6


def test_the_output_is_asked_for_behind_an_approval_too(cli: CommandLine) -> None:
    assert cli("start", WIPE, *planted(), *schema({"const": 7})).code == 8
    turn = cli("approve", "last", *planted(), "--format", "json").json
    assert turn["output"] == {"value": 7}  # the schema as it is recorded, of an object


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "schema.json: it cannot be read: No such file or directory"),
        (b"{", "schema.json: it holds no JSON in UTF-8"),
        (b"\xff", "schema.json: it holds no JSON in UTF-8"),
        (b"[]", "schema.json: a JSON Schema is an object"),
        (b'{"type": "text"}', "output: it is no JSON Schema: "),
    ],
)
@pytest.mark.parametrize("words", [("start", "hi"), ("message", "last", "hi")])
def test_a_file_that_is_no_schema_is_refused_before_anything_is_written(
    cli: CommandLine, words: tuple[str, ...], content: bytes | None, why: str
) -> None:
    if content is not None:
        Path("schema.json").write_bytes(content)
    if words[0] == "message":
        cli("start", "What is 42 * 7?")
    before = cli("list", "--format", "json").json
    line = cli.refused(*words, "--output", "schema.json", code=2)
    assert line.startswith(f"error: {why}")
    assert cli("list", "--format", "json").json == before


def test_nobody_is_given_a_value_by_a_command_that_does_not_wait(cli: CommandLine) -> None:
    line = cli.refused("start", "hi", *schema(CITY), "--detach", code=2)
    assert line.startswith("error: --output does not go with --detach: ")


def test_a_chat_shows_the_model_a_part_of_the_conversation(cli: CommandLine) -> None:
    assert cli("chat", "--context", "last_n:2", stdin=b"one\ntwo\n").code == 0
    assert cli("chat", "last", stdin=b"three\n").code == 0
    assert cli("chat", "last", "--context", "all", stdin=b"four\nfive\n").code == 0
    rows = cli("show", "last", "--format", "json").json
    definitions = [row["data"]["definition"] for row in rows if "definition" in row["data"]]
    assert [one.get("contextStrategy", "all") for one in definitions] == ["last_n:2", "all"]
    claims = [row["data"] for row in rows if row["type"] == "LlmCallStarted"]
    assert ["leftOut" in claim for claim in claims] == [False, True, True, False, False]
    line = cli.refused("chat", "--context", "newest:2", code=2, stdin=b"six\n")
    assert line.startswith("error: context: 'newest:2' is not known")

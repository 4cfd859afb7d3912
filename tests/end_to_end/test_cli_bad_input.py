"""Bad input: one line on standard error, the documented exit code, and nothing lost or written."""

import errno
import os
import socket
import sys
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path

import psycopg
import pytest

from messagedb_agent.cli.app import main
from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started


@pytest.mark.parametrize("command", ["show", "continue", "verify", "end"])
def test_an_unknown_thread(cli: CommandLine, command: str) -> None:
    none = cli.refused(command, "nobody", code=3)
    assert none == f"error: no thread 'nobody'; see: {cli.line('list')}"
    assert "no thread '%'" in cli.refused(command, "%", code=3)


def test_a_thread_that_is_not_parked_says_what_lists_those_that_are(cli: CommandLine) -> None:
    none = cli.refused("consume", "--parked", "replay", "x", "--group", "night", code=3)
    typed = cli.line("consume", "--parked", "list", "--group", "night")
    assert none == f"error: no parked thread 'x'; see: {typed}"


def test_the_last_thread_where_there_is_none_says_how_to_begin_one(
    cli: CommandLine, category: str
) -> None:
    begin = f'begin one with: messagedb-agent start --category {category} "..."'
    for command in ("show", "continue", "verify", "end", "tail"):
        assert cli.refused(command, "last", code=3) == f"error: there are no threads yet; {begin}"
    cli.refused("message", "last", "hi", code=3)
    assert cli("list").notes == [f"no threads yet; {begin}"]


@pytest.mark.parametrize(
    ("words", "in_quotes"),
    [
        (("start", "hello", "there"), True),
        (("message", "last", "hello", "there"), True),
        (("show", "last", "there"), False),
        (("message", "last"), False),
    ],
)
def test_a_message_without_quotes_says_where_they_go(
    cli: CommandLine, words: tuple[str, ...], in_quotes: bool
) -> None:
    line = cli.refused(*words, code=2)
    assert line.endswith('; a message of several words stands in quotes: "...")') == in_quotes


def test_a_message_to_an_unknown_thread(cli: CommandLine) -> None:
    cli.refused("message", "nobody", "hi", code=3)
    assert cli("list", "--format", "json").json == []


@pytest.mark.parametrize("message", ["", "  \n\t"])
def test_an_empty_message(cli: CommandLine, message: str) -> None:
    assert "message is empty" in cli.refused("start", message, code=2)
    assert "message is empty" in cli.refused("start", "-", code=2, stdin=message.encode())
    assert cli("list", "--format", "json").json == []
    started(cli)
    cli.refused("message", "last", message, code=2)
    assert len(cli("show", "last", "--format", "json").json) == 8


def test_a_message_of_ten_megabytes(cli: CommandLine) -> None:
    huge = b"a" * 10_000_000
    assert "larger than 1 MiB" in cli.refused("start", "-", code=2, stdin=huge)
    assert cli("list", "--format", "json").json == []
    started(cli)
    cli.refused("message", "last", "-", code=2, stdin=huge)
    assert len(cli("show", "last", "--format", "json").json) == 8
    assert cli("message", "last", "Thanks!").out == "You are welcome!\n"


def test_a_message_from_a_standard_input_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def from_(stdin: object) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            code = main(["start", "-"])
        assert code == 2
        return capsys.readouterr().err

    assert from_(None) == "error: standard input is closed\n"
    reading = TextIOWrapper(BufferedReader(Unreadable()))
    assert from_(reading) == "error: standard input cannot be read: Is a directory\n"


def test_a_chat_whose_standard_input_cannot_be_read(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BufferedReader(Unreadable())))
    assert main(["chat"]) == 2
    assert capsys.readouterr().err == "error: standard input cannot be read: Is a directory\n"


class Unreadable(RawIOBase):
    """Standard input as `< .` leaves it."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


@pytest.mark.parametrize(
    ("message", "stdin"),
    [("-", b"NUL \0 here"), ("lone \udcff here", b""), ("-", b"no UTF-8 \xff here")],
)
def test_what_cannot_be_stored_is_replaced_and_marked(
    cli: CommandLine, message: str, stdin: bytes
) -> None:
    ended = cli("start", message, stdin=stdin)
    assert ended.code == 0
    assert len([note for note in ended.notes if "U+FFFD" in note]) == 1
    said = cli("show", "last", "--format", "json").json[1]
    assert "\ufffd here" in said["data"]["text"]
    assert said["metadata"]["localProperties"]["sanitised"] is True
    assert cli("show", "last").code == 0


def test_a_message_that_is_text_is_passed_on_without_a_word(cli: CommandLine) -> None:
    ended = cli("start", "-", stdin="ä, 日本, 🙂, \ufffd".encode())
    assert not [note for note in ended.notes if "U+FFFD" in note]


def test_a_message_that_looks_like_an_option(cli: CommandLine) -> None:
    line = cli.refused("start", "-5 + 3", code=2)
    assert "before a message that begins with - put --" in line
    assert cli("start", "--", "-5 + 3").out == "-5 + 3 = -2.\n"
    assert cli("message", "last", "--", "-5 + 4").out == "-5 + 4 = -1.\n"
    assert "put --" not in cli.refused("list", "-5", code=2)


def test_an_empty_name_of_a_thread(cli: CommandLine) -> None:
    for command in ("show", "verify", "continue", "end"):
        assert "name is empty" in cli.refused(command, "", code=2)
    assert "name is empty" in cli.refused("message", "", "hi", code=2)


@pytest.mark.parametrize("view", [[], ["--as", "state"], ["--as", "events", "--format", "json"]])
def test_a_position_behind_the_end(cli: CommandLine, view: list[str]) -> None:
    thread = started(cli)
    line = cli.refused("show", "last", "--at", "8", *view, code=2)
    assert line == f"error: the last position of thread {thread} is 7"
    assert cli("show", "last", "--at", "7", *view).code == 0


@pytest.mark.parametrize(
    ("command", "bound"),
    [
        (["list", "--limit", "100000000000000000000"], "10000"),
        (["tail", "--from", "100000000000000000000"], "9223372036854775807"),
        (["show", "last", "--at", "100000000000000000000"], "9223372036854775807"),
    ],
)
def test_a_number_that_is_too_large(cli: CommandLine, command: list[str], bound: str) -> None:
    assert f"less than or equal to {bound}" in cli.refused(*command, code=2)


def test_types_with_none_between_two_commas(cli: CommandLine) -> None:
    assert "--types takes names" in cli.refused("tail", "--types", "SessionStarted,,", code=2)


@pytest.mark.parametrize("name", ["a+b", "a:b", "a--b", "-a", "a\nb", "1a", "ä", ""])
def test_a_refused_category(cli: CommandLine, name: str) -> None:
    assert "category" in cli.refused("start", "hi", f"--category={name}", code=2)


@pytest.mark.parametrize("name", ["v0-1", "a:b", "position", "command", "snapshot", "a b"])
def test_a_refused_stream_version(cli: CommandLine, name: str) -> None:
    assert "version" in cli.refused("list", f"--version={name}", code=2)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_an_unreachable_database(cli: CommandLine) -> None:
    cli.set(MESSAGE_DB_URL=f"postgresql://me:my-secret@127.0.0.1:{free_port()}/message_store")
    for command in (["list"], ["start", "hi"], ["db", "install"]):
        assert "my-secret" not in cli.refused(*command, code=5)
    status = cli("db", "status")
    assert status.code == 5
    assert "my-secret" not in status.out + status.err


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:my-secret@local host:x/y",
        "postgresql://me:p@my-secret@127.0.0.1:1/y",
        "postgresql://me:p@my-secret/w@127.0.0.1:1/y",
        "postgresql://me:12/my-secret@127.0.0.1:1/y",
        "postgres//me:my-secret@127.0.0.1:1/y",
        "my-secret",
    ],
)
def test_a_database_url_that_is_none(cli: CommandLine, url: str) -> None:
    cli.set(MESSAGE_DB_URL=url)
    for command in (["list"], ["db", "install"], ["start", "hi"]):
        line = cli.refused(*command, code=4)
        assert "percent-encode" in line
        assert "my-secret" not in line
    for command in (["config"], ["db", "status"]):
        ended = cli(*command)
        assert "my-secret" not in ended.out + ended.err
        assert "***" in ended.out


def test_a_database_without_message_db(cli: CommandLine, admin_url: str, category: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {category}")
    bare = admin_url.replace("/message_store?", f"/{category}?")
    cli.set(MESSAGE_DB_URL=bare)
    Path("mine.env").write_text("MAX_ITERATIONS=5\n")
    line = cli.refused("start", "hi", "--config", "mine.env", code=5)
    assert "is not a Message DB (missing: schema message_store); " in line
    install = f"messagedb-agent db install --config mine.env --category {category}"
    assert line.endswith(f"install it with: {install}")
    assert cli("db", "status", "--config", "mine.env").notes[-1] == line
    assert cli("db", "install").notes == ["Message DB is installed"]
    assert cli("db", "install").notes == ["Message DB was there; nothing is changed"]
    assert cli("start", "What is 42 * 7?").out == "42 * 7 = 294.\n"


def test_a_home_that_cannot_be_written(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESSAGE_DB_URL")
    (tmp_path / "file").write_text("in the way")
    # Root may write anywhere but here; elsewhere a file in the way stops anybody.
    home = Path("/proc/none") if Path("/proc").is_dir() else tmp_path / "file" / "home"
    cli.set(MESSAGEDB_AGENT_HOME=str(home))
    assert "MESSAGEDB_AGENT_HOME" in cli.refused("start", "hi", code=5)
    status = cli("db", "status")
    assert status.code == 5
    assert "MESSAGEDB_AGENT_HOME" in status.notes[-1]
    assert "starts it" not in status.out


def test_a_server_that_cannot_be_had_is_said_before_it_is_started(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESSAGE_DB_URL")
    cli.set(MESSAGEDB_AGENT_HOME=str(tmp_path), POSTGRES_BIN=str(tmp_path))
    status = cli("db", "status")
    assert (status.code, "not running" in status.out) == (4, True)
    assert "POSTGRES_BIN" in status.notes[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("anthropic/claude-haiku-4-5", "ANTHROPIC_API_KEY"),
        ("gpt-5-mini", "OPENAI_API_KEY"),
        ("openai/", "names no model"),
        ("groq", "write it as groq/MODEL"),
        (" ", "no model name"),
    ],
)
def test_a_model_that_cannot_be_asked(cli: CommandLine, model: str, hint: str) -> None:
    cli.set(GROQ_API_KEY="a-key")
    assert hint in cli.refused("start", "hi", "--model", model, code=4)
    assert cli("list", "--format", "json").json == []
    started(cli)
    assert hint in cli.refused("message", "last", "hi", "--model", model, code=4)
    assert len(cli("show", "last", "--format", "json").json) == 8


def test_missing_google_credentials(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # Google's client would look for its own cloud
    cli.set(GCP_PROJECT="p", GCP_LOCATION="global")
    line = cli.refused("start", "hi", "--model", "claude-haiku-4-5", code=4)
    assert "gcloud auth application-default login" in line


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("not_there_at_all", None),
        ("breaks", "raise RuntimeError('first line\\nsecond line')"),
        ("does_not_parse", "def f(:"),
        ("leaves", "raise SystemExit(0)"),
        ("holds_none", "x = 1"),
        ("no-module", None),
        ("whole_module:", "from messagedb_agent import tool\n@tool\ndef f() -> str: return ''"),
    ],
)
def test_tools_that_do_not_import(
    cli: CommandLine, tmp_path: Path, module: str, text: str | None
) -> None:
    if text is not None:
        (tmp_path / f"{module.rstrip(':')}.py").write_text(text)
    assert module in cli.refused("start", "hi", "--tools", module, code=4)
    assert cli("list", "--format", "json").json == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DB_PORT", "http"),
        ("DB_PORT", "70000"),
        ("MAX_ITERATIONS", "0"),
        ("MAX_ITERATIONS", "many"),
        ("ENABLE_TRACING", "perhaps"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("EMBEDDED_IDLE_S", "-1"),
        ("MODEL_API_BASE", "notaurl"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(cli: CommandLine, variable: str, value: str) -> None:
    cli.set(**{variable: value})
    for command in (["list"], ["start", "hi"], ["config"], ["db", "status"]):
        line = cli.refused(*command, code=4)
        assert line.startswith(f"error: {variable} is wrong: ")
        assert "(from environment)" in line


@pytest.mark.parametrize(
    "arguments",
    [["strat"], ["start"], ["list", "--limit", "0"], ["show", "x", "--as", "y"], ["--none"]],
)
def test_wrong_usage_names_the_help(cli: CommandLine, arguments: list[str]) -> None:
    line = cli.refused(*arguments, code=2)
    assert "--help" in line
    assert "Value error" not in line


def test_an_error_in_the_program_is_one_line_too(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("a bug\nof two lines")

    monkeypatch.setattr("messagedb_agent.cli.commands.viewing.list_threads", broken)
    line = cli.refused("list", code=10)
    assert "RuntimeError: a bug of two lines" in line
    assert "LOG_LEVEL=DEBUG" in line
    cli.set(LOG_LEVEL="DEBUG")
    assert "Traceback" in cli("list").err


@pytest.mark.parametrize("said", [(), ("--completed", "yes", "--failed", "no")])
def test_an_outcome_is_one_or_the_other(cli: CommandLine, said: tuple[str, ...]) -> None:
    cli("start", "hello")
    line = cli.refused("resolve", "last", "_0", *said, code=2)
    assert line == "error: say either --completed RESULT or --failed REASON"


def test_a_failure_is_told_with_its_reason(cli: CommandLine) -> None:
    cli("start", "hello")
    line = cli.refused("resolve", "last", "_0", "--failed", " ", code=2)
    assert line == "error: --failed needs a reason, for the model"


def test_only_an_unknown_outcome_is_resolved(cli: CommandLine) -> None:
    cli("start", "What is 42 * 7?")
    line = cli.refused("resolve", "last", "_0", "--completed", "yes", code=3)
    assert line.startswith("error: no call of unknown outcome '_0'; what calls there are: ")
    assert " --as effects" in line
    cli.refused("resolve", "nobody", "_0", "--completed", "yes", code=3)


def test_unresolved_goes_with_effects_alone(cli: CommandLine) -> None:
    cli("start", "hello")
    for view in ((), ("--as", "usage")):
        line = cli.refused("show", "last", "--unresolved", *view, code=2)
        assert line == "error: --unresolved goes with --as effects"

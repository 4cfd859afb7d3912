"""What the command line shows of threads."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from messagedb_agent import __version__, connect
from messagedb_agent.agents.database import Database
from messagedb_agent.cli.commands.tailing import Tail
from messagedb_agent.cli.rendering.events import event_line
from messagedb_agent.store.message import Message
from tests.cli import PATIENCE_S, CommandLine
from tests.end_to_end.test_cli_sessions import started

TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


def write(url: str, stream: str, type: str, data: str | None) -> None:
    """Write as another program would."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT write_message(gen_random_uuid()::text, %s, %s, %s::jsonb)", (stream, type, data)
        )


def test_show_in_json_is_the_log_as_it_stands(cli: CommandLine, category: str) -> None:
    thread = started(cli)
    events = cli("show", thread, "--format", "json").json
    keys = {"id", "streamName", "type", "position", "globalPosition", "time", "data", "metadata"}
    assert all(set(event) == keys for event in events)
    assert [event["position"] for event in events] == list(range(8))
    assert {event["streamName"] for event in events} == {f"{category}:v0-{thread}"}
    assert all(re.fullmatch(TIME, event["time"]) for event in events)
    assert events[1]["type"] == "UserMessageAdded"
    assert events[1]["data"] == {"text": "What is 42 * 7?"}
    assert set(events[1]["metadata"]) == {"schemaVersion", "localProperties"}


def test_list_is_newest_first_and_bounded(cli: CommandLine) -> None:
    threads = [started(cli) for _ in range(3)]
    listed = cli("list", "--format", "json", "--limit", "2").json
    assert [entry["threadId"] for entry in listed] == threads[:0:-1]
    keys = {"threadId", "status", "title", "messages", "startedAt", "updatedAt"}
    keys |= {"user", "tags", "archived"}
    assert all(set(entry) == keys for entry in listed)
    assert listed[0]["title"] == "What is 42 * 7?"
    assert listed[0]["messages"] == 2
    assert re.fullmatch(TIME, listed[0]["startedAt"])
    headings, *rows = cli("list").out.splitlines()
    assert headings.split() == ["thread", "status", "messages", "updated", "title"]
    assert [row.split()[0] for row in rows] == [t[: len(rows[0].split()[0])] for t in threads[::-1]]


def test_an_empty_list_is_no_error(cli: CommandLine) -> None:
    assert cli("list", "--format", "json").json == []
    ended = cli("list")
    assert (ended.code, ended.out) == (0, "")
    assert ended.notes[0].startswith("no threads yet")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("view", ["events", "conversation", "state", "usage", "lineage", "effects"])
def test_every_view_has_both_forms(cli: CommandLine, view: str, form: str) -> None:
    started(cli)
    ended = cli("show", "last", "--as", view, "--format", form)
    assert ended.code == 0
    assert (json.loads(ended.out) if form == "json" else ended.out.splitlines()) != []


def test_views_say_what_they_are_named_for(cli: CommandLine) -> None:
    thread = started(cli)

    def shown(view: str) -> Any:
        return cli("show", thread, "--as", view, "--format", "json").json

    roles = [message["role"] for message in shown("conversation")]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert [state["kind"] for state in shown("lineage")["states"]] == ["start", "answered"]
    state = shown("state")
    assert (state["started"], state["owed"], state["limits"]) == (True, None, {"callsPerTurn": 100})
    assert shown("usage")["byTool"]["calculate"]["completed"] == 1


def test_the_conversation_begins_at_once_and_names_calls_beside_who_makes_them(
    cli: CommandLine,
) -> None:
    started(cli)
    lines = cli("show", "last", "--as", "conversation").out.splitlines()
    assert lines[0].startswith("system: ")
    assert lines[1:] == [
        "",
        "user: What is 42 * 7?",
        "",
        'assistant calls calculate {"expression": "42 * 7"}',
        "",
        "tool calculate: 294",
        "",
        "assistant: 42 * 7 = 294.",
    ]


def rows_of(cli: CommandLine, thread: str) -> list[str]:
    """Return the states of a thread as lineage shows them."""
    return cli("show", thread, "--as", "lineage").out.partition("\n\n")[0].splitlines()[1:]


def test_lineage_names_states_by_short_thread_and_position(
    cli: CommandLine, store_url: str, category: str
) -> None:
    parent = started(cli)
    events = cli("show", parent, "--format", "json").json

    async def forked() -> str:
        async with connect(store_url, category=category) as engine:
            middle = await engine.load_agent(events[3]["id"])
            return (await middle.advance("Thanks!")).thread_id

    fork = asyncio.run(forked())
    short, of_fork = parent[:6], fork[:6]
    rows = [line.split() for line in rows_of(cli, parent)]
    assert rows == [["0", "start", f"{short}/0"], ["1", "answered", f"{short}/7", f"{short}/0"]]
    rows = [line.split() for line in rows_of(cli, fork)]
    assert rows[0] == ["0", "start", f"{short}/0"]
    [[_, kind, state, came_from]] = rows[1:]  # a fork that is begun for a turn has no other state
    assert (kind, came_from) == ("answered", f"{short}/3")
    assert state.startswith(f"{of_fork}/")


def test_at_shows_the_thread_as_it_was(cli: CommandLine) -> None:
    started(cli)
    assert len(cli("show", "last", "--format", "json", "--at", "3").json) == 4
    assert "agent: " not in cli("show", "last", "--at", "3").out
    assert "-> requested" in cli("show", "last", "--at", "3").out


def test_full_cuts_nothing_short(cli: CommandLine) -> None:
    text = "x" * 2000
    started(cli, f'call echo {{"text": "{text}"}}')
    assert f"-> {text}" not in cli("show", "last").out
    assert f"-> {text}" in cli("show", "last", "--full").out
    assert "metadata {" in cli("show", "last", "--as", "events", "--full").out


def test_the_log_keeps_every_digit_of_foreign_numbers(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    digits = "0.1000000000000000055511151231257827021181583404541015625"
    huge = "9" * 5000  # more digits than Python reads
    data = f'{{"number": {digits}, "huge": {huge}}}'
    write(store_url, f"{category}:v0-{thread}", "SomethingElse", data)
    shown = cli("show", thread, "--format", "json").out
    assert digits in shown
    assert huge in shown


def test_foreign_and_undecodable_events_hide_nothing(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    stream = f"{category}:v0-{thread}"
    write(store_url, stream, "SomethingElse", '{"any": ["thing", null]}')
    write(store_url, stream, "UserMessageAdded", '{"text": 5}')
    write(store_url, stream, "LlmResponseReceived", None)
    write(store_url, stream, "UserMessageAdded", '"no object"')
    for view in ("events", "conversation", "state", "usage", "lineage", "effects"):
        assert cli("show", thread, "--as", view).code == 0
    shown = cli("show", thread).out
    assert "[not an event of ours: SomethingElse: unknown type]" in shown
    assert shown.count("[cannot be read: ") == 3
    assert cli("list", "--format", "json").json[0]["messages"] == 2
    assert cli("message", thread, "Thanks!").out == "You are welcome!\n"
    checked = cli("verify", thread)
    assert checked.code == 0
    assert checked.out.count("not ours, not checked: ") == 4


@pytest.mark.parametrize("start", [None, 3])
@pytest.mark.parametrize("named", [True, False])
def test_a_tail_that_is_ended_before_its_first_read_says_where_to_go_on(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, named: bool, start: int | None
) -> None:
    thread = started(cli)
    last = cli("show", thread, "--format", "json").json[-1]
    connected = Database.connect

    async def interrupted(database: Database) -> Any:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0)
        return await connected(database)

    monkeypatch.setattr(Database, "connect", interrupted)
    given = ["--from", str(start)] if start else []
    ended = cli("tail", *(["last"] if named else []), *given)
    after = last["position"] if named else last["globalPosition"]
    where = [thread] if named else []
    assert ended.code == 143
    assert ended.notes[-1].startswith("go on with: messagedb-agent tail ")
    *named_where, option, position = ended.notes[-1].split()[7:]
    assert (named_where, option) == (where, "--from")
    if ended.out:  # it has just begun to read
        assert start is not None
        assert start < int(position) <= after + 1
    else:
        assert int(position) == (start or after + 1)


async def test_a_message_in_the_category_itself_does_not_end_a_tail(
    store_url: str, category: str
) -> None:
    write(store_url, f"{category}:v0", "SomethingElse", "{}")
    async with connect(store_url, category=category) as engine:
        await engine.start("Thanks!")
        write(store_url, f"{category}:v0", "SomethingElse", "{}")
        following = Tail(None, None)
        coming = asyncio.create_task(_next(following.messages(engine)))
        async with asyncio.timeout(PATIENCE_S):
            while following.next is None and not coming.done():  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
            write(store_url, f"{category}:v0", "News", "{}")
            news = await coming
    assert (news.stream_name, news.type) == (f"{category}:v0", "News")
    assert f"  {category[:8]}  " in event_line(news, None)


async def _next(messages: AsyncIterator[Message]) -> Message:
    return await anext(messages)


def test_a_message_in_the_category_itself_is_no_thread(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    write(store_url, f"{category}:v0", "SomethingElse", "{}")
    assert [row["threadId"] for row in cli("list", "--format", "json").json] == [thread]
    assert cli("show", "last").out.startswith(f"thread {thread}\n")


def test_a_stream_below_a_thread_makes_its_beginning_no_less_unique(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    write(store_url, f"{category}:v0-{thread}+child", "SomethingElse", "{}")
    assert cli("show", thread[:18]).out.startswith(f"thread {thread}\n")


def test_a_thread_that_another_program_began_is_taken_up(
    cli: CommandLine, store_url: str, category: str
) -> None:
    write(store_url, f"{category}:v0-fromElsewhere", "UserMessageAdded", '{"text": "hi"}')
    assert cli("list", "--format", "json").json[0]["status"] == "foreign"
    assert cli("show", "fromElsewhere").code == 0
    assert cli("message", "fromElsewhere", "What is 42 * 7?").out == "42 * 7 = 294.\n"


def test_verify_finds_a_changed_row(cli: CommandLine, admin_url: str, category: str) -> None:
    thread = started(cli)
    assert cli("verify", thread).out == "verified: 8 events, 2 model requests\n"
    with psycopg.connect(admin_url) as connection:
        connection.execute(
            "UPDATE message_store.messages SET data = %s WHERE stream_name = %s AND position = 1",
            ('{"text": "What is 42 * 8?"}', f"{category}:v0-{thread}"),
        )
    found = cli("verify", thread)
    assert found.code == 1
    assert f"wrong at {category}:v0-{thread}/1 UserMessageAdded" in found.out
    finding = cli("verify", thread, "--format", "json")
    assert (finding.code, finding.json["finding"]["position"]) == (1, 1)


def test_global_options_stand_before_or_after_the_command(cli: CommandLine, category: str) -> None:
    started(cli)
    assert cli("--version", "v1", "list", "--format", "json").json == []
    assert cli("list", "--version=v1", "--format", "json").json == []
    assert len(cli("list", "--format", "json", "--category", category).json) == 1
    assert cli("list", "--format", "json", "--category", "other" + category).json == []


def test_what_follows_two_dashes_is_no_option(cli: CommandLine) -> None:
    assert cli("start", "--", "--version").code == 0
    events = cli("show", "last", "--format", "json").json
    assert events[1]["data"] == {"text": "--version"}


def test_a_bare_version_is_the_programs(cli: CommandLine) -> None:
    for arguments in (["--version"], ["list", "--version"], ["--version", "--category", "x"]):
        ended = cli(*arguments)
        assert (ended.code, ended.out.split()[:2]) == (0, ["messagedb-agent", __version__])
        assert "--version v0" in ended.out


def test_a_category_is_written_as_message_db_reads_it(cli: CommandLine) -> None:
    for name, why in (
        ("my-agent", "Message DB cuts at `-`"),
        ("my_agent", "other readers of Message DB would turn `_` into it"),
    ):
        ended = cli("list", "--category", name)
        assert ended.notes.count(f"category '{name}' is written 'myAgent': {why}") == 1


def test_a_list_says_what_takes_up_a_thread_that_has_something_to_do(cli: CommandLine) -> None:
    thread = cli("start", "--detach", "What is 5 + 3?").out.strip()
    one = cli.line("continue", thread[:6])
    assert cli("list").notes == [f"ready: a worker takes it up, or: {one}"]
    other = cli("start", "--detach", "Thanks!").out.strip()
    several = cli.line("continue", "THREAD")
    assert cli("list").notes == [f"ready: a worker takes it up, or: {several}"]
    assert [cli("continue", each).code for each in (thread, other)] == [0, 0]
    assert cli("list").notes == []

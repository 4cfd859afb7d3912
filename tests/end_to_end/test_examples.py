"""The examples do what they say, as they stand."""

import asyncio
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from messagedb_agent import connect
from messagedb_agent.events.codec import decode
from messagedb_agent.events.schema import UserMessageAdded
from messagedb_agent.tools.loading import load_tools
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls

EXAMPLES = Path(__file__).parents[2] / "examples"
CONSUMER = EXAMPLES / "additional_consumer.py"
PATIENCE_S = 60.0  # how long a program may take; it is never measured


@pytest.fixture(scope="module")
def own_url(store_urls: StoreUrls) -> Iterator[str]:
    """URL of a database with nobody else's threads in it."""
    if store_urls.admin_url is None:
        pytest.skip("TEST_STORE is a URL, where no other database can be made")
    with scratch_database(store_urls) as made:
        yield made


def printed_by(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run an example as `python examples/NAME.py` does, and return what it prints."""
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out


def consumer(thread_id: str, url: str, category: str, *arguments: str) -> str:
    """Run the foreign program, without anything of this project on its path."""
    done = subprocess.run(
        [sys.executable, CONSUMER, thread_id, "--category", f"{category}:v0", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=EXAMPLES,
        env={**os.environ, "MESSAGE_DB_URL": url},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tried_here() -> None:
    tried = {"chat", "immutable_agents", "custom_projection", "custom_tool", "additional_consumer"}
    tried |= {"definitions", "fork_and_compare", "memory", "structured_output"}
    tried |= {"notifier", "webhook"}  # in test_example_consumers
    assert {path.stem for path in EXAMPLES.glob("*.py")} - {"__init__"} == tried
    assert {path.name for path in EXAMPLES.glob("*.sql")} == {"queries.sql"}


def test_the_chat_answers(
    own_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGE_DB_URL", own_url)
    assert printed_by("chat", capsys) == "42 * 7 = 294.\nYou are welcome!\n"


def test_a_thread_stays_with_the_revision_that_it_was_begun_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    prompt, told = printed_by("definitions", capsys).split("\nbegun: ")
    assert prompt.startswith("# Role\n\nA clerk in a shop for stamps.\n\n# Goal\n\n")
    assert told.splitlines() == [
        "revision 0: 42 * 7 = 294.",
        "goes on: revision 0: 42 * 8 = 336.",
        "redefined: revision 1: 42 * 9 = 378.",
        "clerk, revision 0: A clerk in a shop for stamps.",
        "clerk, revision 1: An assistant who answers questions about old stamps from documents.",
    ]


def test_facts_outlast_threads_and_know_what_taught_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = printed_by("memory", capsys)
    assert re.search(r"learned name: Ada, from stream_name='agent:v0-.+' position=1", told)
    assert '{"category": "person", "key": "home city", "value": "Rome"}' in told
    assert told.endswith("at first: Paris\nknown at last: ['name']\n")


def test_two_models_are_compared_from_the_same_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed_by("fork_and_compare", capsys).splitlines() == [
        "they share 4 events",
        "same    Hello! | Hello!",
        "same    Good day! | Good day!",
        "same    What is 42 * 7? | What is 42 * 7?",
        'differs About 300. | calculate({"expression": "42 * 7"})',
        "differs - | 294",
        "differs - | It is 294.",
        "2 model calls, 0 tool calls",
        "3 model calls, 1 tool calls",
    ]


def test_an_answer_is_a_value_of_ones_own_type(capsys: pytest.CaptureFixture[str]) -> None:
    booked, asked, wrong, note, right, tables = printed_by("structured_output", capsys).splitlines()
    assert booked == "2 seats for Ada on 14 March 2027"
    assert asked.startswith("user: Two seats")
    assert wrong.endswith('"seats": 0}')
    assert "seats: Input should be greater than 0" in note
    assert right.endswith('"seats": 2}')
    assert tables == "3 tables: [3, 5, 7]"


def test_an_old_agent_advances_into_a_fork(capsys: pytest.CaptureFixture[str]) -> None:
    printed = printed_by("immutable_agents", capsys)
    ids = dict(re.findall(r"^(\w+) +(\w{6}) (?:the|after)", printed, re.MULTILINE))
    threads = dict(re.findall(r"^(\w+) +\w{6} .* in (\w{6}):", printed, re.MULTILINE))
    assert f"third  {ids['third']} after {ids['second']}" in printed
    assert threads["first"] == threads["second"] == threads["third"] != threads["other"]
    assert "the second agent still says: 6 * 7 = 42.\nand can be had by its id: True\n" in printed
    turns = re.findall(r"^  turn (\d): (\w+) +(\w{6}) in (\w{6})$", printed, re.MULTILINE)
    assert [(turn, kind) for turn, kind, _, _ in turns] == [
        ("0", "start"),
        ("1", "answered"),
        ("2", "answered"),
    ]
    assert turns[1][2:] == (ids["second"], threads["second"])
    assert turns[2][2:] == (ids["other"], threads["other"])


def test_a_projection_of_ones_own_folds_a_thread(capsys: pytest.CaptureFixture[str]) -> None:
    by_now, earlier = printed_by("custom_projection", capsys).splitlines()
    assert re.search(r"'calculate': 2, .*'get_current_time': 1", by_now)
    assert "'calculate': 1" in earlier
    assert "get_current_time" not in earlier


def test_a_tool_of_ones_own_runs_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    rolled, refused = printed_by("custom_tool", capsys).splitlines()
    assert re.fullmatch(r"roll_dice: [1-6], [1-6], [1-6]", rolled)
    assert re.match(r"roll_dice: Error \(bad_arguments\): sides", refused)


def test_the_tool_of_the_example_is_found_by_its_module() -> None:
    (found,) = load_tools("examples.custom_tool")
    assert getattr(found, "name", None) == "roll_dice"


async def test_what_a_foreign_writer_says_is_answered(store_url: str, category: str) -> None:
    async with connect(store_url, category=category) as engine:
        agent = await engine.start("Hello!")
        said = consumer(agent.thread_id, store_url, category, "--say", "What is 6 * 7?")
        assert said.startswith(f"{agent.position + 1}: said")
        message = await engine.store.last(f"{category}:v0-{agent.thread_id}")
        assert message is not None
        assert decode(message).recorded.event == UserMessageAdded(text="What is 6 * 7?")

        agent = await (await engine.latest(agent.thread_id)).resume()
        assert agent.answer == "6 * 7 = 42."
        verified = await engine.verify(agent.thread_id)
        assert verified.finding is None
        assert [row.position for row in verified.foreign] == [message.position]


async def test_the_foreign_reader_goes_on_where_it_is_told(store_url: str, category: str) -> None:
    async with connect(store_url, category=category) as engine:
        agent = await engine.start("What is 5 + 3?")
        types = [message.type async for message in engine.messages(agent.thread_id)]
        printed = consumer(agent.thread_id, store_url, category, "--once")
        assert _shown(printed) == list(enumerate(types))
        rest = consumer(agent.thread_id, store_url, category, "--once", "--from", "5")
        assert _shown(rest) == list(enumerate(types))[5:]


async def test_the_foreign_reader_follows(store_url: str, category: str) -> None:
    async with connect(store_url, category=category) as engine:
        agent = await engine.start("Hello!")
        start = agent.position + 1
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, CONSUMER, agent.thread_id, "--category", f"{category}:v0"),
            *("--url", store_url, "--from", str(start)),
            stdout=subprocess.PIPE,
        )
        try:
            await agent.advance("Thanks!")
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
            assert _shown(line.decode()) == [(start, "UserMessageAdded")]
        finally:
            process.kill()
            await process.communicate()


def test_the_foreign_program_imports_nothing_of_this_project() -> None:
    assert not re.search(r"^\s*(?:import|from) messagedb_agent", CONSUMER.read_text(), re.MULTILINE)


async def test_the_queries_run_and_find_a_thread(own_url: str) -> None:
    async with connect(own_url) as engine:
        agent = await engine.start("What is 5 + 3?")
    statements = (EXAMPLES / "queries.sql").read_text().split(";\n")
    found = []
    with psycopg.connect(own_url) as connection:
        for statement in filter(str.strip, statements):
            found.append(connection.execute(statement.encode()).fetchall())
    newest, said, by_model, tools, open_claims, causes, forks = found
    assert {str(row[1]) for row in newest} >= {agent.thread_id}
    assert said == [(1, "user", "What is 5 + 3?"), (7, "offline", "5 + 3 = 8.")]
    assert [row[0] for row in by_model] == ["offline"]
    assert [row[:3] for row in tools] == [("calculate", "ToolExecutionCompleted", None)]
    assert (open_claims, forks) == ([], [])
    assert [row[2] for row in causes] == [None, None, 1, 2, 3, 4, 5, 6]


def _shown(printed: str) -> list[tuple[int, str]]:
    """Return position and type of every line that the foreign reader printed."""
    return [(int(line.split()[0]), line.split()[1]) for line in printed.splitlines()]

"""The SQL views: what any tool reads, as any role, whatever else stands in the table."""
# ruff: noqa: S608 - the names of views are this file's own

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent import connect, tool
from messagedb_agent.agents.database import Database
from messagedb_agent.errors import ConfigurationError
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.projections.effects import effects
from messagedb_agent.store.views import install_views
from tests.contract.messages import new
from tests.docs.blocks import ROOT
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls

NAMES = (
    *("events", "sessions", "messages", "model_calls", "tool_calls", "costs"),
    *("approvals", "effects"),
)
OURS = (
    *("SessionStarted", "SessionTitled", "AgentRedefined", "UserMessageAdded", "LlmCallStarted"),
    *("LlmResponseReceived", "LlmCallFailed", "ContextCompacted", "ToolApprovalRequested"),
    *("ToolExecutionApproved", "ToolExecutionDenied", "ToolExecutionStarted", "TurnCancelled"),
    *("ToolExecutionCompleted", "ToolExecutionFailed", "ToolOutcomeResolved", "Other"),
)
FOREIGN = (
    *(None, "5", '"text"', "[1, 2]", "null", "true", "{}"),
    '{"callId": {"a": 1}, "llmCallId": [], "toolCalls": 5, "usage": 7, "costUsd": "much"}',
    '{"callId": null, "toolCalls": [5, "x", null], "definition": [], "forkedFrom": "x"}',
    '{"costUsd": 1e300, "usage": {"inputTokens": "12x"}, "attempt": "first", "elapsedMs": -1e-9}',
    '{"toolCalls": {"callId": 1}, "definition": {"tools": {}}, "title": 7, "text": []}',
)


@tool(needs_approval=True, effect="keyed")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@pytest.fixture(scope="module")
def databases(store_urls: StoreUrls, admin_url: str) -> Iterator[tuple[str, str]]:
    """URLs, of message_store and of the owner, of a database with threads and foreign rows."""
    with scratch_database(store_urls) as url:
        path = urlsplit(url).path
        owner = urlsplit(admin_url)._replace(path=path).geturl()
        asyncio.run(install_views(owner))
        asyncio.run(install_views(owner))  # once more is the same
        asyncio.run(_threads(url))
        with psycopg.connect(url) as connection:
            for type in OURS:
                for data in FOREIGN:
                    for stream in (f"orders-{uuid4()}", "agent:v0-forged", "orders"):
                        connection.execute(
                            "INSERT INTO messages (id, stream_name, position, type, data, metadata)"
                            " VALUES (gen_random_uuid(), %s, (SELECT coalesce(max(position) + 1, 0)"
                            " FROM messages WHERE stream_name = %s), %s, %s, %s)",
                            (stream, stream, type, data, data),
                        )
        yield url, owner


async def _threads(url: str) -> None:
    model = ScriptedModel(
        call("pay", amount=7), "paid.", call("pay", amount=8), "no?", call("pay", amount=9)
    )
    async with connect(url, models=model, tools=[pay]) as engine:
        agent = await engine.start("Pay 7", user="ada")
        agent = await agent.approve(by="bob", reason="fine")
        agent = await agent.advance("Pay 8")
        agent = await agent.deny(by="bob")
        await engine.start("Pay 9")


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("name", NAMES)
def test_every_view_can_be_read_whatever_stands_in_the_table(
    databases: tuple[str, str], name: str
) -> None:
    assert rows(databases[0], f"SELECT * FROM messagedb_agent.{name}")


def test_the_views_say_what_the_threads_say(databases: tuple[str, str]) -> None:
    url, _ = databases
    ours = "category = 'agent:v0' AND thread <> 'forged'"
    assert rows(
        url,
        f'SELECT "user", model, user_messages, last_type, ended FROM messagedb_agent.sessions'
        f" WHERE {ours} ORDER BY started_at",
    ) == [
        ("ada", "offline", 2, "LlmResponseReceived", False),
        (None, "offline", 1, "ToolApprovalRequested", False),
    ]
    assert rows(
        url,
        f"SELECT role, text FROM messagedb_agent.messages WHERE {ours} ORDER BY global_position",
    ) == [
        ("user", "Pay 7"),
        ("assistant", "paid."),
        ("user", "Pay 8"),
        ("assistant", "no?"),
        ("user", "Pay 9"),
    ]
    assert rows(
        url,
        f"SELECT purpose, outcome, count(*) FROM messagedb_agent.model_calls WHERE {ours}"
        " GROUP BY 1, 2",
    ) == [("answer", "answered", 5)]
    assert rows(
        url,
        f"SELECT tool, arguments, attempts, outcome, text FROM messagedb_agent.tool_calls"
        f" WHERE {ours} ORDER BY global_position",
    ) == [
        ("pay", '{"amount": 7}', 1, "completed", "paid 7"),
        ("pay", '{"amount": 8}', 0, "denied", None),
        ("pay", '{"amount": 9}', 0, "asked", None),
    ]
    assert rows(
        url,
        f"SELECT status, decided_by, reason FROM messagedb_agent.approvals WHERE {ours}"
        " ORDER BY global_position",
    ) == [("approved", "bob", "fine"), ("denied", "bob", None), ("waiting", None, None)]
    assert rows(
        url,
        f"SELECT tool, policy, attempt, outcome FROM messagedb_agent.effects WHERE {ours}",
    ) == [("pay", "keyed", 1, "completed")]
    assert rows(url, f"SELECT sum(answers) FROM messagedb_agent.costs WHERE {ours}") == [(5,)]


async def test_a_title_that_a_model_gave_is_no_message(databases: tuple[str, str]) -> None:
    url, _ = databases
    model = ScriptedModel("Hello!", "A title", repeat=True)
    async with connect(url, models=model, category="titled") as engine:
        await (await engine.start("Hi!")).generate_title()
    ours = "category = 'titled:v0'"
    assert rows(
        url,
        f"SELECT role, text FROM messagedb_agent.messages WHERE {ours} ORDER BY global_position",
    ) == [("user", "Hi!"), ("assistant", "Hello!")]
    assert rows(url, f"SELECT title FROM messagedb_agent.sessions WHERE {ours}") == [("A title",)]


async def test_a_tool_that_ran_out_of_time_may_have_taken_effect_but_for_a_harmless_one(
    databases: tuple[str, str], category: str
) -> None:
    url, _ = databases

    @tool(effect="keyed", timeout_s=0.01)
    async def charge() -> None:
        """Charge."""
        await asyncio.sleep(60)

    @tool(effect="retry", timeout_s=0.01)
    async def look() -> None:
        """Look."""
        await asyncio.sleep(60)

    model = ScriptedModel(call("charge"), "late.", call("look"), "late.")
    async with connect(url, models=model, tools=[charge, look], category=category) as engine:
        agent = await engine.start("Charge")
        agent = await agent.advance("Look")
        shown = await engine.fold(agent.thread_id, effects)
    said = [(effect.tool, effect.outcome) for effect in shown]
    assert said == [("charge", "unknown"), ("look", "failed")]
    for name in ("tool_calls", "effects"):
        assert said == rows(
            url,
            f"SELECT tool, outcome FROM messagedb_agent.{name} WHERE category = '{category}:v0'"
            " ORDER BY position",
        )


async def test_the_title_of_a_thread_is_that_of_the_list(
    databases: tuple[str, str], category: str
) -> None:
    url, _ = databases
    texts = (
        "What is 42 * 7?",
        "\n \r\n  Pay \t the   bill \nand more",
        "one\u2028two",
        "one\x0btwo",
        "word " * 30,
        "x" * 60,
        "x" * 59 + " y",
        "Grüß dich, \u3042",
    )
    async with connect(url, category=category) as engine:
        for text in texts:
            await engine.start(text)
        await engine.store.append(f"{category}:v0-later", new("SessionStarted", "{}"))
        listed = {one.summary.stream: one.summary.title for one in await engine.threads(99)}
    query = (
        "SELECT stream_name, coalesce(title, '') FROM messagedb_agent.sessions"
        f" WHERE category = '{category}:v0'"
    )
    found = {str(stream): title for stream, title in rows(url, query)}
    assert len(found) == len(texts) + 1
    assert found == listed


def test_a_second_outcome_of_an_attempt_adds_no_effect(
    databases: tuple[str, str], category: str
) -> None:
    url, _ = databases
    told = (
        ("ToolExecutionStarted", '{"callId": "c", "toolName": "pay"}'),
        ("ToolExecutionCompleted", '{"callId": "c"}'),
        ("ToolExecutionCompleted", '{"callId": "c", "attempt": 1}'),
    )
    with psycopg.connect(url) as connection:
        for type, data in told:
            query = "SELECT write_message(gen_random_uuid()::text, %s, %s, %s)"
            connection.execute(query, (f"{category}:v0-t", type, data))
    query = f"SELECT outcome FROM messagedb_agent.effects WHERE category = '{category}:v0'"
    assert rows(url, query) == [("completed",)]


def test_a_role_that_may_read_the_views_alone_reads_them(databases: tuple[str, str]) -> None:
    _, owner = databases
    role = f"reader_{uuid4().hex}"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA messagedb_agent TO {role}".encode())
            connection.execute(
                f"GRANT SELECT ON ALL TABLES IN SCHEMA messagedb_agent TO {role}".encode()
            )
            connection.execute(f"SET ROLE {role}".encode())
            for name in NAMES:
                assert connection.execute(f"SELECT * FROM messagedb_agent.{name}".encode()).rowcount
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM message_store.messages")
        finally:
            connection.execute("RESET ROLE")
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


async def test_only_an_owner_installs_them(databases: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="the URL of the database's owner"):
        await Database(databases[0]).install_views()


def test_the_page_lists_each_view_with_its_columns(databases: tuple[str, str]) -> None:
    page = (ROOT / "docs" / "views.md").read_text()
    of_all = {"category", "thread", "stream_name"}
    of_rows = {"position", "global_position", "time"}
    for name in NAMES:
        (line,) = re.findall(rf"^\| `{name}` \| [^|]+ \| (.+) \|$", page, re.MULTILINE)
        said = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", line)))
        with psycopg.connect(databases[0]) as connection:
            found = connection.execute(f"SELECT * FROM messagedb_agent.{name} LIMIT 0".encode())
            assert found.description is not None
            has = {column.name for column in found.description}
        assert has - of_all - of_rows == said - of_rows, name
        assert has >= of_all

"""The examples that consume: a notifier, a signed webhook, and a client in another language."""

import asyncio
import hmac
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn

import pytest

from examples.notifier import tell
from examples.webhook import Webhook, signature
from messagedb_agent import Engine, connect, tool
from messagedb_agent.consumers import Patience
from messagedb_agent.llm.scripted import ScriptedModel, call
from messagedb_agent.tools.builtin import builtin_tools
from tests.unit.consumers.subscribing import consumed, parking
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
NODE = ROOT / "examples" / "node"
SECRET = "a secret of the receiver's"


@tool(needs_approval=True, effect="retry")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


@pytest.fixture
async def engine(store_url: str, category: str) -> AsyncIterator[Engine]:
    model = ScriptedModel(call("pay", amount=7), "It is paid.", "You are welcome.")
    tools = [pay, *builtin_tools()]
    async with connect(store_url, category=category, models=model, tools=tools) as engine:
        yield engine


@dataclass
class Receiver:
    """A server on loopback.

    Attributes:
        url: its address.
        failures: how many requests it refuses first, by the position of their message.
        got: headers and body of what it has taken.
        refused: the positions it has refused.
    """

    url: str = ""
    failures: dict[int, int] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    @property
    def positions(self) -> list[int]:
        return [json.loads(body)["position"] for _, body in self.got]

    def answer(self, headers: dict[str, str], body: bytes) -> int:
        position = json.loads(body).get("position", -1)
        if self.failures.get(position, 0) > 0:
            self.failures[position] -= 1
            self.refused.append(position)
            return 503
        self.got.append((headers, body))
        return 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(found.answer(dict(self.headers.items()), body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield found
        server.shutdown()


async def test_the_notifier_tells_that_an_approval_waits(
    engine: Engine, receiver: Receiver, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    agent = await engine.start("Pay 7")
    line = f'pay {{"amount": 7}} waits: messagedb-agent approve {agent.thread_id}'
    await consumed(engine.store, f"{engine.category}:v0", tell, name="printing")
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setenv("NOTIFY_URL", receiver.url)
    await consumed(engine.store, f"{engine.category}:v0", tell, name="posting")
    assert [json.loads(body) for _, body in receiver.got] == [{"text": line}]


async def test_the_webhook_posts_signed_events_in_order_and_again_until_they_are_taken(
    engine: Engine, receiver: Receiver
) -> None:
    agent = await engine.start("Pay 7")
    rows = [message async for message in engine.messages(agent.thread_id)]
    receiver.failures = {2: 3}
    webhook = Webhook(receiver.url, SECRET)
    patience = Patience(tries=10, soonest_s=0.01, latest_s=0.02)
    await consumed(engine.store, f"{engine.category}:v0", webhook, patience=patience)
    assert receiver.refused == [2, 2, 2]
    assert receiver.positions == [row.position for row in rows]
    for row, (headers, body) in zip(rows, receiver.got, strict=True):
        assert headers["X-Message-Id"] == row.id
        assert json.loads(body)["data"] == json.loads(row.data or "null")
        signed = signature(SECRET, headers["X-Timestamp"], body)
        assert hmac.compare_digest(headers["X-Signature"], signed)
        assert signed != signature("another secret", headers["X-Timestamp"], body)


async def test_the_webhook_is_a_program_and_parks_what_is_never_taken(
    engine: Engine, receiver: Receiver, store_url: str
) -> None:
    agent = await engine.start("Pay 7")
    receiver.failures = {1: 99}
    category = f"{engine.category}:v0"
    webhook = Webhook(receiver.url, SECRET)
    await consumed(engine.store, category, webhook, name="webhook")
    aside = await parking(engine.store, category, "webhook")
    assert [(one.thread_id, one.position) for one in aside.parked] == [(agent.thread_id, 1)]
    assert aside.parked[0].reason == "HTTPError: HTTP Error 503: Service Unavailable"
    receiver.failures = {}
    await aside.replay(aside.parked[0])
    environment = {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET}
    environment |= {"WEBHOOK_CATEGORY": category, "MESSAGE_DB_URL": store_url}
    await _run(
        [sys.executable, str(ROOT / "examples" / "webhook.py"), "--once"], environment=environment
    )
    assert sorted(set(receiver.positions)) == list(range(agent.position + 1))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in Node, with the one package it needs, in a folder of its own."""
    if not (shutil.which("node") and shutil.which("npm")):
        _left_out("there is no node here, or no npm")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(NODE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    done = subprocess.run(
        ["npm", "install", *options, "--no-package-lock", "--loglevel=error"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        _left_out(f"npm cannot install: {done.stderr[-200:]}")
    return folder / "consumer.js"


def _left_out(why: str) -> NoReturn:
    """Leave a test out; where all are to run, as in `.ci/run`, it fails."""
    if os.environ.keys() & {"CI", "NOTHING_IS_SKIPPED"}:
        pytest.fail(why)
    pytest.skip(why)


async def test_a_program_in_node_follows_a_thread_approves_a_tool_and_says_something(
    engine: Engine, node: Path, store_url: str
) -> None:
    agent = await engine.start("Pay 7")
    stream = f"{engine.category}:v0-{agent.thread_id}"
    rows = [message async for message in engine.messages(agent.thread_id)]

    async def program(*words: str) -> list[str]:
        return (await _run(["node", str(node), store_url, stream, *words])).splitlines()

    followed = await program("follow", "0", "--once")
    assert [line.split()[:2] for line in followed] == [[str(r.position), r.type] for r in rows]
    assert json.loads(followed[1].split(maxsplit=2)[2]) == {"text": "Pay 7"}
    assert await program("approve") == [f"{len(rows)} ToolExecutionApproved"]
    assert (await _run(["node", str(node), store_url, stream, "approve"], code=1)) == ""

    agent = await (await engine.latest(agent.thread_id)).resume()
    assert agent.answer == "It is paid."
    assert await program("say", "Thanks!") == [f"{agent.position + 1} UserMessageAdded"]
    agent = await (await engine.latest(agent.thread_id)).resume()
    assert agent.answer == "You are welcome."

    verified = await engine.verify(agent.thread_id)
    assert verified.finding is None
    assert [row.position for row in verified.foreign] == [len(rows), agent.position - 2]
    approved = await engine.store.last(stream, type="ToolExecutionApproved")
    assert approved is not None
    metadata = json.loads(approved.metadata or "")
    assert metadata["causationMessageStreamName"] == stream
    assert metadata["causationMessagePosition"] == rows[-1].position


async def _run(
    command: list[str], *, code: int = 0, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program and return what it prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return out.decode()

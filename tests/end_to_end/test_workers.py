"""Workers answer what is said to threads; one of them is killed in the middle of it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messagedb_agent import Agent, Engine, connect
from messagedb_agent.tools.builtin import builtin_tools
from messagedb_agent.tools.loading import load_tools
from tests.cli import CommandLine, finished
from tests.end_to_end.workers import WorkerProcess, worker_processes
from tests.unit.consumers.working import position, rests, working
from tests.unit.engine.world import assert_sound
from tests.waiting import until, until_now

DEMO = ("--tools", "messagedb_agent.demo")
CARD, MAIL = 'call charge_card {"amount": 1}', 'call send_mail {"to": "ada@example.org"}'


@pytest.fixture
async def engine(store_url: str, category: str) -> AsyncIterator[Engine]:
    """The threads as a client has them who answers nothing."""
    tools = [*builtin_tools(), *load_tools("messagedb_agent.demo")]
    async with connect(store_url, category=category, tools=tools) as engine:
        yield engine


async def waiting(engine: Engine, *agents: Agent) -> bool:
    return all([(await engine.latest(a.thread_id)).status == "waiting" for a in agents])


def mails_begun(worker: WorkerProcess) -> int:
    return worker.log.count("is out; busy")


async def test_three_workers_of_which_one_is_killed_finish_all_with_each_effect_as_declared(
    engine: Engine, category: str, store_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.txt"
    with worker_processes(
        tmp_path, category, 3, *DEMO,
        MESSAGE_DB_URL=store_url, DEMO_LEDGER=str(ledger), DEMO_BUSY_S="3",
    ) as workers:  # fmt: skip
        await until(lambda: all(w.slots for w in workers))
        cards = [await engine.start(CARD, detached=True) for _ in range(9)]
        mails = [await engine.start(MAIL, detached=True) for _ in range(9)]
        await until(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 18)
        await until(lambda: sum(map(mails_begun, workers)) == 9)  # told behind the ledger's line
        victim = max(workers, key=mails_begun)  # by chance another one may have none
        assert victim.end(signal.SIGKILL) == -signal.SIGKILL
        await until(lambda: waiting(engine, *cards, *mails))
        assert [w.end() for w in workers if w is not victim] == [0, 0]
    lines = ledger.read_text().splitlines()
    charged = [line for line in lines if line.startswith("charged")]
    assert len(charged) == len(set(charged)) == 9
    assert lines.count("mail to ada@example.org") == 9
    unknown = 0
    for agent in (*cards, *mails):
        head = await engine.latest(agent.thread_id)
        unknown += len(head.view.conversation.state.unknown)
        await assert_sound(engine, agent.thread_id)
    assert 0 < unknown <= mails_begun(victim)  # and nobody else's


def test_a_detached_start_is_answered_by_a_worker(
    cli: CommandLine, category: str, tmp_path: Path
) -> None:
    begun = cli("start", "--detach", "What is 42 * 7?")
    assert begun.code == 0
    # Without a model in the settings a worker wants one by name.
    assert begun.notes[-2].endswith(cli.line("worker", "--model", "offline"))
    cli.set(MODEL_NAME="offline")
    thread = begun.out.strip()
    see = f"messagedb-agent show --category {category} {thread[:6]}"
    assert begun.notes[-1] == f"see the answer: {see}"
    assert cli("show", thread, "--as", "conversation").out.endswith("user: What is 42 * 7?\n")
    said = cli("message", "--detach", thread, "What is 42 * 8?")
    assert said.out.strip() == thread
    assert said.notes[-2].endswith(cli.line("worker"))
    with worker_processes(tmp_path, category, 1) as [worker]:
        until_now(lambda: "42 * 8 = 336." in cli("show", thread).out)
        assert worker.end() == 0


def test_a_worker_wants_a_model_by_name(cli: CommandLine) -> None:
    assert "--model" in cli.refused("worker", code=4)


async def test_a_thread_whose_command_dies_is_finished_by_a_worker_that_had_seen_its_events(
    engine: Engine, category: str, cli: CommandLine, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.txt"
    cli.set(DEMO_LEDGER=str(ledger), MODEL_NAME="offline")
    async with working(engine, size=1):
        command = cli.process("start", CARD, *DEMO)
        await until(ledger.exists)
        (thread,) = [listed.summary.thread_id for listed in await engine.threads()]
        agent = await engine.latest(thread)
        # What comes later and rests is not noted as handled: the thread before it does not rest.
        other = await engine.start("What is 42 * 7?", detached=True)
        await rests(engine, other)
        assert await position(engine, "workers-0-of-1") is None
        assert (await engine.latest(thread)).status == "running"
        command.kill()
        finished(command)
        await rests(engine, agent)
    assert len(ledger.read_text().splitlines()) == 1
    await assert_sound(engine, thread)


async def test_sigterm_lets_a_tool_end_and_another_signal_ends_all_at_once(
    engine: Engine, category: str, store_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.txt"
    told = {"MESSAGE_DB_URL": store_url, "DEMO_LEDGER": str(ledger)}
    mail = await engine.start(MAIL, detached=True)
    with worker_processes(tmp_path, category, 1, *DEMO, **told, DEMO_BUSY_S="1") as [worker]:
        await until(lambda: worker.is_busy)
        assert worker.end() == 0
        assert '"event": "stopped"' in worker.log
    head = await engine.latest(mail.thread_id)
    assert (head.status, head.answer) == ("waiting", "send_mail: sent to ada@example.org")
    card = await engine.start(CARD, detached=True)
    with worker_processes(tmp_path, category, 1, *DEMO, **told, DEMO_BUSY_S="600") as [worker]:
        await until(lambda: worker.is_busy)
        worker.process.send_signal(signal.SIGINT)
        await until(lambda: "stopping" in worker.log)
        assert worker.end(signal.SIGINT) == 130
    assert (await engine.latest(card.thread_id)).status == "running"


DEADLY = """
import os
from messagedb_agent import tool
from messagedb_agent.engine import journal

honest = journal.decode

def decode(row):
    if "deadly" in (row.data or ""):
        os._exit(9)
    return honest(row)

journal.decode = decode

@tool
def unused() -> str:
    "Is there, as a module of tools must have one."
    return ""
"""


async def test_a_thread_that_kills_its_workers_is_parked_and_can_be_replayed(
    engine: Engine, category: str, store_url: str, tmp_path: Path, cli: CommandLine
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    begun = [await engine.start(f"What is {n} * 7?", detached=True) for n in range(5)]
    deadly = await engine.start("something deadly", detached=True)
    begun += [await engine.start(f"What is {n} * 8?", detached=True) for n in range(5)]
    alone = ("--group-size", "1")
    with worker_processes(
        tmp_path,
        category,
        4,
        *alone,
        *DEMO,
        "--tools",
        "deadly",
        "--tries",
        "2",
        MESSAGE_DB_URL=store_url,
    ) as workers:  # fmt: skip
        await until(lambda: sum(w.process.poll() == 9 for w in workers) == 3)
        await until(lambda: waiting(engine, *begun))
        survivor = next(w for w in workers if w.process.poll() is None)
        await until(lambda: "parked after 2 tries" in survivor.log)
        assert survivor.end() == 0
    with worker_processes(tmp_path, category, 1, *alone, *DEMO, MESSAGE_DB_URL=store_url) as [heir]:
        await until(lambda: heir.slots)
        listed = await asyncio.to_thread(cli, "consume", "--parked", "list", "--format", "json")
        (parked,) = listed.json
        assert parked["threadId"] == deadly.thread_id
        assert parked["tries"] == 2
        assert "died at once" in parked["reason"]
        assert (await engine.latest(deadly.thread_id)).status == "ready"
        said = await asyncio.to_thread(cli, "message", "--detach", deadly.thread_id, "and more")
        assert any("put it aside" in line and "--parked replay" in line for line in said.notes)
        assert (await engine.latest(deadly.thread_id)).status == "ready"
        replayed = await asyncio.to_thread(
            cli, "consume", "--parked", "replay", deadly.thread_id[:8]
        )
        assert replayed.code == 0
        await until(lambda: waiting(engine, deadly))
        listed = await asyncio.to_thread(cli, "consume", "--parked", "list")
        assert (listed.out, listed.notes) == (
            "",
            ["nothing is parked by the group 'workers'; of a consumer: --group consumer"],
        )

"""Workers answer what is said to threads; one of them is killed in the middle of it."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from messagedb_agent import Agent, Engine, builtin_tools, connect, load_tools
from tests.cli import CommandLine
from tests.end_to_end.workers import worker_processes
from tests.unit.engine.world import assert_sound
from tests.waiting import until

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


async def test_three_workers_of_which_one_is_killed_finish_all_with_each_effect_as_declared(
    engine: Engine, category: str, store_url: str, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.txt"
    with worker_processes(
        tmp_path, category, 3, *DEMO,
        MESSAGE_DB_URL=store_url, DEMO_LEDGER=str(ledger), DEMO_BUSY_S="2",
    ) as workers:  # fmt: skip
        await until(lambda: all(w.slots for w in workers))
        cards = [await engine.start(CARD, detached=True) for _ in range(9)]
        mails = [await engine.start(MAIL, detached=True) for _ in range(9)]
        await until(lambda: ledger.exists() and len(ledger.read_text().splitlines()) == 18)
        victim = next(w for w in workers if w.is_busy)
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
    assert 0 < unknown < 9  # the victim's mails, and nobody else's


def test_a_detached_start_is_answered_by_a_worker(
    cli: CommandLine, category: str, tmp_path: Path
) -> None:
    cli.set(MODEL_NAME="offline")
    begun = cli("start", "--detach", "What is 42 * 7?")
    assert begun.code == 0
    thread = begun.out.strip()
    see = f"messagedb-agent show --category {category} {thread[:6]}"
    assert begun.notes[-1] == f"see the answer: {see}"
    assert cli("show", thread, "--as", "conversation").out.endswith("user: What is 42 * 7?\n")
    said = cli("message", "--detach", thread, "What is 42 * 8?")
    assert said.out.strip() == thread
    with worker_processes(tmp_path, category, 1) as [worker]:
        while "42 * 8 = 336." not in cli("show", thread).out:
            assert worker.process.poll() is None, worker.log
        assert worker.end() == 0


def test_a_worker_wants_a_model_by_name(cli: CommandLine) -> None:
    assert "--model" in cli.refused("worker", code=4)

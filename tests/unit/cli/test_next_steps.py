"""What is said after a turn that a limit stopped."""

from pathlib import Path

import pytest

from messagedb_agent import Agent, Limits, MemoryStore, connect
from messagedb_agent.cli.common import Common
from messagedb_agent.cli.next_steps import command, hints, of_limits, with_remedy
from messagedb_agent.errors import (
    AmbiguousName,
    IntegrityError,
    LimitReached,
    ModelError,
    NotFound,
    NotMessageDb,
    StoreUnavailable,
)
from messagedb_agent.store.report import REMEDY

DROP = "a page is wrong; without it: messagedb-agent db snapshots 6f9c01 --drop"


async def test_a_limit_of_the_thread_is_raised_in_python_as_no_setting_makes_it() -> None:
    async with connect(MemoryStore()) as engine:
        definition = engine.define(limits=Limits(tokens_per_thread=1))
        with pytest.raises(LimitReached) as stopped:
            await engine.start("What is 42 * 7?", definition=definition)
        agent = stopped.value.agent
        assert isinstance(agent, Agent)
        _, go_on = hints(Common(), agent, "6f9c01")
        assert of_limits(agent).startswith(" (")
        assert "setting" not in of_limits(agent)
        assert "agent.resume(limits=Limits(" in go_on
        raised = await agent.resume(limits=Limits(tokens_per_thread=1000))
        assert raised.answer == "42 * 7 = 294."


def test_commands_that_errors_name_carry_the_global_options() -> None:
    common = Common(config=Path("my file"), category="mine")
    given = "--config 'my file' --category mine"
    for error, named in (
        (NotMessageDb("x", ("schema message_store",), REMEDY), "db install"),
        (StoreUnavailable("end it with: messagedb-agent db stop --force (its log: x)"), "db stop"),
        (IntegrityError(DROP), "db snapshots"),
        (ModelError.__new__(ModelError, DROP), "db snapshots"),
    ):
        before = str(error)
        whole = before.replace(f"messagedb-agent {named}", f"messagedb-agent {named} {given}")
        assert str(with_remedy(common, error)) == whole != before
        assert str(with_remedy(Common(), type(error).__new__(type(error), before))) == before


@pytest.mark.parametrize(
    ("error", "typed"),
    [
        (NotFound("thread", "x"), "no thread 'x'; see: messagedb-agent list --category mine"),
        (NotFound("waiting call", "x"), "; see: messagedb-agent approvals --category mine"),
        (NotFound("thread", "last"), 'begin one with: messagedb-agent start --category mine "..."'),
    ],
)
def test_who_names_what_is_not_there_is_told_what_lists_it(error: NotFound, typed: str) -> None:
    assert str(with_remedy(Common(category="mine"), error)).endswith(typed)


def test_who_names_several_is_told_which_they_are_and_nothing_else() -> None:
    several = AmbiguousName("thread", "6f", ("6f9c", "6f9d"))
    before = str(several)
    assert str(with_remedy(Common(), several)) == before


def test_in_a_checkout_uv_run_stands_before_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkout" / "docs").mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "checkout" / ".venv"))
    monkeypatch.chdir(tmp_path / "checkout" / "docs")
    assert command(Common(), "list") == "messagedb-agent list"
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert command(Common(), "list") == "uv run messagedb-agent list"
    monkeypatch.chdir(tmp_path)  # a folder where uv would find no checkout
    assert command(Common(), "list") == "messagedb-agent list"

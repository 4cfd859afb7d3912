"""Running a command's work: how SIGTERM ends it."""

import asyncio
import inspect
import signal
from collections.abc import Coroutine

import pytest

from messagedb_agent.cli.guard import Terminated, guarded
from messagedb_agent.cli.running import run


@pytest.mark.parametrize("interrupt", [signal.default_int_handler, signal.SIG_IGN])
def test_sigterm_cancels_the_work_though_ctrl_c_may_be_ignored(interrupt: signal.Handlers) -> None:
    tidied = []

    async def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(3600)
        finally:
            tidied.append("up")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(Terminated):
            run(work())
    finally:
        signal.signal(signal.SIGINT, before)
    assert tidied == ["up"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_sigterm_does_not_wait_for_work_that_goes_on() -> None:
    async def work() -> None:
        signal.raise_signal(signal.SIGTERM)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(3600)

    with pytest.raises(Terminated):
        run(work())


def test_sigterm_has_an_exit_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> int:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(3600)
        return 0

    assert guarded(lambda: run(work())) == 143
    assert capsys.readouterr().err == "interrupted\n"


def test_an_interruption_before_the_work_begins_leaves_nothing_to_complain_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work() -> None:
        raise AssertionError("it was not to begin")

    def interrupted(runner: object, coroutine: Coroutine[object, object, None]) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.Runner, "run", interrupted)
    begun = work()
    with pytest.raises(KeyboardInterrupt):
        run(begun)
    assert inspect.getcoroutinestate(begun) == inspect.CORO_CLOSED

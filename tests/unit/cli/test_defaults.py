"""What a command takes where nothing is said is what the package takes."""

import typer

from messagedb_agent import consumers
from messagedb_agent.cli import work
from messagedb_agent.cli.commands import handling


def test_a_worker_of_the_command_line_is_one_of_the_package() -> None:
    """The numbers stand there twice: help must not import what works."""
    group = typer.main.get_command(work.group)
    defaults = {p.name: p.default for p in group.commands["worker"].params}  # type: ignore[attr-defined]  # a group has them
    worker = consumers.Worker
    assert (defaults["concurrency"], defaults["group_size"], defaults["name"]) == (
        worker.concurrency,
        worker.size,
        worker.group,
    )
    assert (defaults["grace"], defaults["tries"]) == (worker.grace_s, consumers.Patience().tries)


def test_a_consumer_of_the_command_line_is_one_of_the_package() -> None:
    group = typer.main.get_command(work.group)
    defaults = {p.name: p.default for p in group.commands["consume"].params}  # type: ignore[attr-defined]  # as above
    subscription = consumers.Subscription
    assert defaults["timeout"] == subscription.timeout_s
    assert defaults["tries"] == consumers.Patience().tries
    assert (defaults["start"], defaults["member"]) == (subscription.start, subscription.member)
    assert subscription.name == handling.DEFAULT_NAME

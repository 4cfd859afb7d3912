"""Threads that workers have put aside, as the command line tells of them."""

import json

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.end_to_end.test_cli_viewing import write


def test_who_leaves_a_message_to_workers_is_told_which_of_them_have_put_the_thread_aside(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread, other = started(cli), started(cli)
    for group, aside, reason in (
        ("workers", thread, "by day"),
        ("night", thread, "by night"),
        ("third", other, "another thread"),
        ("no group!", thread, "forged"),
    ):
        parked = {"streamName": f"{category}:v0-{aside}", "reason": reason}
        write(store_url, f"{category}:v0+parked-{group}", "ThreadParked", json.dumps(parked))
    notes = cli("message", "--detach", thread, "hello").notes
    night, day = [note for note in notes if "put it aside" in note]
    prefix = day.split()[-1]
    assert thread.startswith(prefix)
    by_hand = [
        cli.line("consume", "--parked", "replay", prefix),
        cli.line("consume", "--parked", "replay", prefix, "--group", "night"),
    ]
    assert day == f"workers have put it aside (by day); they try again by: {by_hand[0]}"
    assert night == (
        f"workers of the group night have put it aside (by night); they try again by: {by_hand[1]}"
    )

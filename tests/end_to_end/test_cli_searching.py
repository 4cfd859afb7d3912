"""What was said is found again at the command line."""

from urllib.parse import urlsplit

import psycopg
import pytest

from tests.cli import CommandLine
from tests.end_to_end.test_cli_sessions import started
from tests.end_to_end.test_cli_viewing import write
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls


def test_what_users_and_models_said_is_found_with_its_place(
    cli: CommandLine, store_url: str, category: str
) -> None:
    thread = started(cli)
    fork = cli("fork", thread, "--at", "7").out.strip()
    assert cli("message", fork, "And what is 5 + 3?").code == 0
    found = cli("search", "42", "7", "--format", "json").json
    keys = {"threadId", "position", "role", "by", "saidAt", "snippet", "rank"}
    assert all(set(hit) == keys for hit in found)
    places = {(hit["threadId"], hit["position"], hit["role"], hit["by"]) for hit in found}
    assert places == {(thread, 1, "user", None), (thread, 7, "assistant", "offline")}
    (hit,) = cli("search", "what is 5", "--format", "json").json
    assert (hit["threadId"], hit["snippet"]) == (fork, "And what is 5 + 3?")
    assert cli("search", "--format", "json", "--limit", "1", "is").json[0]["threadId"] == thread
    ended = cli("search", "nothing", "of", "the", "kind")
    assert (ended.code, ended.out, ended.notes[-1]) == (0, "", "nothing found")
    write(store_url, f"{category}:v0-{thread}", "UserMessageAdded", '{"text": "\\u001b[2J evil"}')
    headings, row = cli("search", "evil").out.splitlines()
    assert headings.split() == ["message", "by", "said", "text"]
    assert row.split()[0] == f"{thread[:6]}/8"
    assert row.endswith("\\x1b[2J evil")
    assert cli("search", "evil", "--user", "ada", "--format", "json").json == []
    line = cli("search", "evil").notes[-1]
    assert line == f"see it with: {cli.line('show', thread)}"


@pytest.mark.parametrize("words", [("",), ("!?", "&"), ('""',), ("word " * 2000,)])
def test_what_nobody_can_seek_is_refused(cli: CommandLine, words: tuple[str, ...]) -> None:
    assert cli.refused("search", *words, code=2).startswith("error: ")


def test_a_database_without_the_index_says_how_it_is_installed(
    cli: CommandLine, store_urls: StoreUrls
) -> None:
    if store_urls.admin_url is None:
        pytest.skip("TEST_STORE is a URL, where no other database can be made")
    with scratch_database(store_urls) as url:
        cli.set(MESSAGE_DB_URL=url)
        thread = started(cli)
        line = cli.refused("search", "42", code=4)
        assert cli.line("db", "install", "--search").partition(" db ")[0] in line
        assert "--search" in line
        refused = cli("db", "install", "--search")
        assert (refused.code, "may not install the search" in refused.notes[-1]) == (4, True)
        owner = urlsplit(store_urls.admin_url)._replace(path=urlsplit(url).path).geturl()
        cli.set(MESSAGE_DB_URL=owner)
        assert cli("db", "install", "--search").code == 0
        assert cli("db", "install", "--search").code == 0
        cli.set(MESSAGE_DB_URL=url)
        assert cli("db", "reindex").notes[-1] == "messages taken in for the search: 2"
        (hit, _) = cli("search", "42", "--format", "json").json
        assert hit["threadId"] == thread
        assert cli("db", "reindex", "--anew").notes[-1] == "messages taken in for the search: 2"
        with psycopg.connect(owner) as connection:
            connection.execute("REVOKE SELECT ON messagedb_agent.search_words_1 FROM message_store")
        assert "may not use" in cli.refused("search", "42", code=4)

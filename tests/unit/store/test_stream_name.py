"""Stream names: what is built can be taken apart, and what readers would misread is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import RefusedName
from messagedb_agent.store.stream_name import (
    cardinal_id_of,
    category_of,
    check_category,
    check_stream,
    id_of,
    is_category,
    is_thread,
    normalised_category,
    thread_category,
    thread_stream,
)

words = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,20}", fullmatch=True)
versions = words.filter(lambda word: word not in {"command", "position", "snapshot"})
ids = st.from_regex(r"[A-Za-z0-9._~-]{1,200}", fullmatch=True)

LOOK_ALIKES = [
    "my\uff0dagent",
    "agent🤖",
    "\u202eagent",
    "\u0430gent",
    "agent\u200b",
    "\uff41gent",
    "agent\u0663",
]
NEVER = ["", " ", "a b", "agent\n", "\nagent", "a\x00b", "a:b", "a+b", "agent:v0", "../x", "%2d"]
NEVER += ["a/b", "$all", "'; DROP TABLE messages;--", "\ud800", "1agent", "a" * 101, "a" * 8000]

BLANK_IDS = ["", " ", "a b", "a\n", "a\x00"]
CUT_IDS = ["a+b", "a:b", "../x", "%2d", "a/b", "x" * 201, "x" * 8000]
FOREIGN_IDS = ["a\uff0db", "a🤖", "\u202ea", "'", "a;b", "\\", "$$", "%s", "{}", "%(id)s", "\udfff"]


@given(words, versions, ids)
def test_what_is_built_can_be_taken_apart(category: str, version: str, id: str) -> None:
    name = thread_stream(category, version, id)
    assert category_of(name) == thread_category(category, version) == f"{category}:{version}"
    assert id_of(name) == cardinal_id_of(name) == id


@given(words, versions, ids)
def test_what_is_built_for_a_thread_is_one(category: str, version: str, id: str) -> None:
    assert is_thread(thread_category(category, version), thread_stream(category, version, id))


@pytest.mark.parametrize(
    "stream",
    ["agent:v0", "agent:v0-", "agent:v1-a", "agentUser-ada", "agent:v0+snapshot-a", "a"]
    + [f"agent:v0-{id}" for id in (*BLANK_IDS, *CUT_IDS, *FOREIGN_IDS)],
)
def test_what_else_stands_in_a_store_is_no_thread(stream: str) -> None:
    assert not is_thread("agent:v0", stream)


@given(ids, ids)
def test_a_child_shares_the_cardinal_id_of_its_root(root: str, child: str) -> None:
    name = f"agent:v0-{root}+{child}"
    assert category_of(name) == category_of(thread_stream("agent", "v0", root))
    assert (id_of(name), cardinal_id_of(name)) == (f"{root}+{child}", root)


@given(ids)
def test_streams_beside_the_threads_are_of_another_category(id: str) -> None:
    for kind in ("snapshot", "position", "parked"):
        name = f"agent:v0+{kind}-{id}"
        assert category_of(name) != thread_category("agent", "v0")
        assert id_of(name) == id


@given(words)
def test_a_category_in_camel_case_stays_as_it_is(category: str) -> None:
    assert normalised_category(category) == category


@given(st.lists(words, min_size=2, max_size=4), st.sampled_from("-_"))
def test_a_normalised_category_is_accepted_and_stays_as_it_is(
    parts: list[str], separator: str
) -> None:
    name = normalised_category(separator.join(parts))
    assert is_category(thread_category(name, "v0"))
    assert normalised_category(name) == name


@pytest.mark.parametrize("given", ["my-agent", "my_agent", "myAgent"])
def test_hyphens_and_underscores_become_camel_case(given: str) -> None:
    assert normalised_category(given) == "myAgent"


@pytest.mark.parametrize("given", ["-", "_", "-agent", "agent-", "my--agent", "my-_agent", "x-"])
def test_a_category_with_an_empty_part_is_refused(given: str) -> None:
    with pytest.raises(RefusedName, match="empty part"):
        normalised_category(given)


@pytest.mark.parametrize("given", [*NEVER, *LOOK_ALIKES])
def test_what_is_no_word_is_refused_as_category_and_version(given: str) -> None:
    with pytest.raises(RefusedName) as error:
        normalised_category(given)
    assert error.value.field == "category"
    with pytest.raises(RefusedName) as error:
        thread_category("agent", given)
    assert error.value.field == "version"


@pytest.mark.parametrize("version", ["command", "position", "snapshot", "v-0", "v_0"])
def test_a_reserved_or_cut_version_is_refused(version: str) -> None:
    with pytest.raises(RefusedName):
        thread_category("agent", version)


@pytest.mark.parametrize("category", ["position", "command", "snapshot"])
def test_a_reserved_type_may_be_the_name_of_a_category(category: str) -> None:
    assert thread_category(category, "v0") == f"{category}:v0"


@pytest.mark.parametrize(
    "id",
    [*BLANK_IDS, *CUT_IDS, *FOREIGN_IDS],
)
def test_what_is_no_thread_id_is_refused(id: str) -> None:
    with pytest.raises(RefusedName) as error:
        thread_stream("agent", "v0", id)
    assert error.value.field == "thread id"
    assert len(str(error.value)) < 300
    assert str(error.value).isascii()


@pytest.mark.parametrize("id", ["-a", "..", "x-", "~", "6F9C", "x" * 200])
def test_an_unusual_thread_id_is_kept_as_it_is(id: str) -> None:
    assert id_of(thread_stream("agent", "v0", id)) == id


@given(st.text())
def test_any_text_can_be_taken_apart(name: str) -> None:
    category, id = category_of(name), id_of(name)
    assert name == (category if id is None else f"{category}-{id}")
    assert is_category(name) == (id is None)


@pytest.mark.parametrize("name", ["agent", "agent:v0", "", "-", "-x", "agent-", "a\n-1", "a-\x00"])
def test_what_is_no_stream_is_refused(name: str) -> None:
    with pytest.raises(RefusedName):
        check_stream(name)


@pytest.mark.parametrize("name", ["a-\ud800", "a-" + "x" * 999, "a-" + "é" * 500])
def test_a_stream_that_cannot_be_stored_is_refused(name: str) -> None:
    with pytest.raises(RefusedName):
        check_stream(name)


@pytest.mark.parametrize(
    "name", ["user-John Smith", "a-é", "a-'; DROP TABLE messages;--", "A:b+c-d+e"]
)
def test_foreign_streams_may_pass(name: str) -> None:
    check_stream(name)


@pytest.mark.parametrize("name", ["", "agent-1", "-", "a\n", "x" * 1001])
def test_what_is_no_category_is_refused(name: str) -> None:
    with pytest.raises(RefusedName):
        check_category(name)

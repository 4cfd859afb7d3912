"""Tags and archiving: what may be asked of a thread, and what comes of it."""

import pytest

from messagedb_agent.agent.commands import Archive, Command, Tag, Unarchive
from messagedb_agent.agent.tagging import MAX_TAG_CHARS, MAX_TAGS, tagged
from messagedb_agent.errors import Refused, ValidationError
from messagedb_agent.events.schema import (
    SessionArchived,
    SessionDeleted,
    SessionTagged,
    SessionUnarchived,
)
from tests.given import given, started


def test_tags_stand_once_in_the_order_in_which_they_came() -> None:
    assert tagged((), ("b", "a", "b"), ()) == ("b", "a")
    assert tagged(("a", "b"), ("c", "a"), ("b", "x")) == ("a", "c")
    assert tagged(("a", "b"), ("a",), ("a",)) == ("b", "a")
    many = tuple(str(n) for n in range(MAX_TAGS + 5))
    assert tagged((), many, ()) == many[:MAX_TAGS]


def test_only_what_changes_is_recorded() -> None:
    put = given(started()).when(Tag(("a", "b", "a"), ("c",), by="ada"))
    on = put.then(SessionTagged(added=("a", "b"), by="ada"))
    on.when(Tag(("a", "c"), ("b", "x"))).then(SessionTagged(added=("c",), removed=("b",)))
    on.when(Tag(("a",), ("x",))).then()
    on.when(Tag()).then()


@pytest.mark.parametrize(
    "tag", ["", " ", " a", "a ", "a\nb", "a\x00", "a\x1b[2J", "\ud800", "x" * (MAX_TAG_CHARS + 1)]
)
def test_what_is_no_tag_is_refused(tag: str) -> None:
    given(started()).when(Tag(("fine", tag))).is_refused(ValidationError, "tag")
    given(started()).when(Tag((), (tag,))).then()


def test_a_tag_is_not_put_on_and_taken_off_at_once() -> None:
    given(started()).when(Tag(("a",), ("a",))).is_refused(ValidationError, "taken off")


def test_a_thread_has_so_many_tags_and_no_more() -> None:
    most = tuple(str(n) for n in range(MAX_TAGS))
    full = given(started()).when(Tag(most)).then(SessionTagged(added=most))
    full.when(Tag(("more",))).is_refused(ValidationError, "at most")
    full.when(Tag(("more",), ("0",))).then(SessionTagged(added=("more",), removed=("0",)))
    full.when(Tag(("0",))).then()


def test_archived_twice_is_archived_once() -> None:
    away = given(started()).when(Archive(by="ada")).then(SessionArchived(by="ada"))
    away.when(Archive()).then()
    back = away.when(Unarchive(by="bob")).then(SessionUnarchived(by="bob"))
    back.when(Unarchive()).then()
    back.when(Archive()).then(SessionArchived())


@pytest.mark.parametrize("command", [Tag(("a",)), Archive(), Unarchive()])
def test_a_thread_that_was_never_started_or_is_deleted_is_not_filed(command: Command) -> None:
    given().when(command).is_refused(Refused, "not started")
    given(started(), SessionDeleted()).when(command).is_refused(Refused, "deleted")

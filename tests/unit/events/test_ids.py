"""Ids: growing, derived, given."""

import threading
from uuid import UUID

import pytest

from messagedb_agent.clock import FixedClock, SystemClock
from messagedb_agent.errors import ValidationError
from messagedb_agent.ids import TimeOrderedIds, call_id, derived_id, normalised_id, thread_id

CLAIM = "019b76da-a800-7000-8000-0123456789ab"


class TestTimeOrdered:
    """UUIDs of version 7."""

    def test_an_id_says_when_it_was_made(self) -> None:
        id = UUID(TimeOrderedIds(FixedClock(1_767_225_600_000)).new())
        assert (id.version, id.variant, id.int >> 80) == (7, "specified in RFC 4122", 1767225600000)

    def test_ids_grow_within_a_millisecond_and_beyond_what_its_counter_holds(self) -> None:
        ids = TimeOrderedIds(FixedClock())
        made = [ids.new() for _ in range(10_000)]
        assert made == sorted(set(made))
        assert {UUID(id).version for id in made} == {7}

    def test_ids_grow_when_the_clock_steps_back(self) -> None:
        clock = FixedClock()
        ids = TimeOrderedIds(clock)
        made = [ids.new()]
        for step in (-3_600_000, 5, 1, 3_600_000, -1):
            clock.advance(step)
            made.append(ids.new())
        assert made == sorted(set(made))

    def test_ids_of_one_maker_grow_across_threads(self) -> None:
        ids = TimeOrderedIds(SystemClock())
        made: list[list[str]] = [[] for _ in range(8)]

        def make(mine: list[str]) -> None:
            for _ in range(2_000):
                mine.append(ids.new())

        threads = [threading.Thread(target=make, args=(mine,)) for mine in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(mine == sorted(mine) for mine in made)
        assert len({id for mine in made for id in mine}) == 16_000


class TestDerived:
    """Ids that follow from what they answer."""

    def test_a_derived_id_is_the_same_for_ever(self) -> None:
        id = derived_id("agent:v0-thread", CLAIM, "outcome")
        assert id == "019b76da-a800-84e6-8559-59e60b1abedf"

    def test_it_is_of_version_8_and_begins_as_its_key_does(self) -> None:
        id = UUID(derived_id("agent:v0-thread", CLAIM, "outcome"))
        assert (id.version, id.variant) == (8, "specified in RFC 4122")
        assert str(id).startswith("019b76da-a800-8")
        call = call_id(CLAIM, 2)
        assert derived_id("agent:v0-thread", call, "outcome").startswith("019b76da-a800-8")

    def test_scope_key_and_role_each_make_another_id(self) -> None:
        one = ("agent:v0-thread", CLAIM, "outcome")
        others = [("agent:v0-fork", *one[1:]), (one[0], CLAIM[:-1] + "c", "outcome")]
        others += [(*one[:2], "resolution"), (one[0], call_id(CLAIM, 0), "outcome")]
        assert len({derived_id(*named) for named in [one, *others]}) == 5

    @pytest.mark.parametrize("key", ["", "abc", "ab cd ef 01 23", "not hexadecimal", "\uff11" * 12])
    def test_a_key_that_begins_otherwise_has_an_id_too(self, key: str) -> None:
        id = UUID(derived_id("agent:v0-thread", key, "outcome"))
        assert id.version == 8
        assert derived_id("agent:v0-thread", key, "outcome") == str(id)


class TestGiven:
    """Ids that people and their programs give."""

    @pytest.mark.parametrize(
        "text", [CLAIM, CLAIM.upper(), CLAIM.replace("-", ""), f" {CLAIM}\n", f"-{CLAIM}-"]
    )
    def test_every_spelling_of_a_uuid_is_one_id(self, text: str) -> None:
        assert normalised_id(text) == CLAIM

    @pytest.mark.parametrize(
        "text",
        [
            "",
            CLAIM[:-1],
            CLAIM + "0",
            "g" * 32,
            "1_2" + "0" * 29,
            "+" + "0" * 31,
            "\uff11" * 32,
            f"urn:uuid:{CLAIM}",
            f"{{{CLAIM}}}",
            "0" * 16 + " " + "0" * 15,
        ],
    )
    def test_what_is_no_uuid_is_refused_and_says_which_field(self, text: str) -> None:
        with pytest.raises(ValidationError) as refusal:
            normalised_id(text)
        assert refusal.value.field == "message_id"

    def test_threads_have_random_ids(self) -> None:
        assert UUID(thread_id()).version == 4
        assert thread_id() != thread_id()

    def test_a_call_is_named_by_its_claim_and_its_place(self) -> None:
        assert call_id(CLAIM, 3) == "019b76daa800700080000123456789ab_3"

"""How far all is handled, while some of it is not."""

from messagedb_agent.consumers.backlog import MAX_RESTED, Backlog


def test_all_is_handled_up_to_the_last_message_before_the_oldest_news() -> None:
    backlog = Backlog(9)
    assert backlog.read("a-1", 0, 10)
    assert backlog.read("a-2", 0, 20)
    assert backlog.read("a-1", 1, 30)
    assert backlog.position == 9
    assert backlog.handled("a-1", 1)
    assert backlog.position == 10
    assert backlog.handled("a-2", 0)
    assert backlog.position == 30


def test_news_that_came_while_a_stream_was_handled_are_not_handled() -> None:
    backlog = Backlog(0)
    backlog.read("a-1", 0, 1)
    backlog.read("a-1", 1, 2)
    assert not backlog.handled("a-1", 0)
    assert backlog.position == 0
    assert backlog.handled("a-1", 1)
    assert backlog.position == 2


def test_a_stream_that_is_handled_in_part_holds_back_no_more_than_its_rest() -> None:
    backlog = Backlog(0)
    backlog.read("a-1", 0, 1)
    backlog.read("a-2", 0, 2)
    backlog.read("a-1", 1, 3)
    backlog.read("a-1", 2, 4)
    backlog.reached("a-1", 3)
    assert backlog.position == 1  # the other one's is older
    backlog.handled("a-2", 0)
    assert backlog.position == 3
    backlog.reached("a-1", 1)  # read once more, of one that was put aside
    assert backlog.position == 3
    backlog.reached("a-2", 9)  # nothing of it is left
    assert backlog.handled("a-1", 2)
    assert backlog.position == 4


def test_what_was_handled_before_it_was_read_is_no_news() -> None:
    backlog = Backlog(0)
    backlog.read("a-1", 0, 1)
    backlog.handled("a-1", 4)  # its handling has written more
    assert not backlog.read("a-1", 4, 5)
    assert backlog.position == 5
    assert backlog.read("a-1", 5, 6)
    assert backlog.position == 5


def test_how_far_streams_were_handled_is_forgotten_some_time_and_then_they_are_news() -> None:
    backlog = Backlog(0)
    for number in range(MAX_RESTED + 1):
        backlog.handled(f"a-{number}", 0)
    assert backlog.read("a-0", 0, 1)
    assert not backlog.read("a-1", 0, 2)


def test_news_that_are_dropped_hold_nothing_back() -> None:
    backlog = Backlog(0)
    backlog.read("a-1", 0, 1)
    backlog.read("a-2", 0, 2)
    backlog.dropped("a-1")
    assert backlog.position == 1
    backlog.passed(7)
    backlog.handled("a-2", 0)
    assert backlog.position == 7


def test_it_is_known_where_the_newest_of_a_stream_stands_until_it_is_handled() -> None:
    backlog = Backlog(0)
    assert backlog.newest_of("a-1") == (-1, 0)
    backlog.read("a-1", 0, 1)
    backlog.read("a-2", 7, 2)
    backlog.read("a-1", 1, 3)
    assert backlog.newest_of("a-1") == (1, 3)
    backlog.handled("a-1", 1)
    assert backlog.newest_of("a-1") == (-1, 0)

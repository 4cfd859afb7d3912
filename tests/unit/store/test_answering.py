"""Many who wait are told a few in each round of the loop."""

import asyncio

from messagedb_agent.store.answering import AT_ONCE, answer


async def test_many_are_told_in_order_and_a_few_in_each_round_of_the_loop() -> None:
    told: list[int] = []
    loop = asyncio.get_running_loop()
    waiting = [loop.create_future() for _ in range(3 * AT_ONCE + 1)]
    for future in waiting:
        future.add_done_callback(lambda future: told.append(future.result()))
    answer([(future, number) for number, future in enumerate(waiting)])
    for rounds in range(1, 5):
        await asyncio.sleep(0)
        assert told == [*range(min(rounds * AT_ONCE, len(waiting)))]


async def test_who_waits_no_more_is_left_out() -> None:
    loop = asyncio.get_running_loop()
    gone, waits = loop.create_future(), loop.create_future()
    gone.cancel()
    answer([(gone, 1), (waits, 2)])
    assert await waits == 2

"""A slot as the worker that owns it works on it."""

from contextlib import AsyncExitStack

from messagedb_agent.agents.attending import Attended
from messagedb_agent.consumers.attendance import Attendance
from messagedb_agent.consumers.caution import Caution
from messagedb_agent.consumers.names import Group
from messagedb_agent.consumers.parking import parking_of
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.share import Shared, WorkersShare
from messagedb_agent.consumers.slots import Held
from messagedb_agent.store.hold import Hold
from messagedb_agent.store.member import Member
from messagedb_agent.store.message import Appended, NewMessage
from tests.contract.messages import new
from tests.unit.engine.world import WatchedStore, engine_on

SLOT = "agent:v0+slot-workers-0-of-1"


class Replaying(WatchedStore):
    """A store in which a thread is replayed while the first `SuspectsCleared` is written."""

    share: WorkersShare | None = None

    async def append(
        self, stream: str, *messages: NewMessage, expected_version: int | None = None
    ) -> Appended:
        if messages[0].type == "SuspectsCleared" and self.share:
            self.share.try_again("agent:v0-1")
            self.share = None
        return await super().append(stream, *messages, expected_version=expected_version)


async def never(stream: str) -> Attended:
    raise AssertionError(stream)


async def test_a_slot_stays_careful_where_a_thread_is_replayed_while_it_is_cleared() -> None:
    store = Replaying()
    await store.append(SLOT, new("SlotTaken", '{"worker": "dead"}'))
    engine, caution = engine_on(store), Caution(Patience().careful_s)
    shared = Shared(
        engine,
        Group("agent:v0", "workers"),
        Attendance(never, 1),
        parking_of(engine, "workers"),
        caution,
        Patience(),
    )
    share = WorkersShare(shared, Member(0, 1), Held(SLOT, Hold(), AsyncExitStack()))
    await share.begin(0, 0)
    store.share = share
    await share.trust_again()
    assert "agent:v0-1" in caution
    caution.leave("agent:v0-1")
    await share.trust_again()
    await share.trust_again()
    noted = [row.type async for row in store.read(SLOT)]
    assert noted == ["SlotTaken", "SlotTaken", "SuspectsCleared", "SuspectsCleared"]

"""PostgreSQL's errors, raised by a real server: what is tried again, what is said of others."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from messagedb_agent.errors import (
    AgentError,
    ConfigurationError,
    DuplicateMessage,
    NotMessageDb,
    RefusedName,
    RefusedPayload,
    StoreUnavailable,
    WrongExpectedVersion,
)
from messagedb_agent.store.message import NewMessage
from messagedb_agent.store.message_db import MessageDbStore
from tests.integration.cutting_proxy import cutting_proxy
from tests.scratch_database import scratch_database
from tests.store_url import StoreUrls
from tests.waiting import until

Connection = psycopg.AsyncConnection[tuple[object, ...]]

# A sequence counts what a transaction that fails would take back.
TROUBLE = """
CREATE SEQUENCE public.tries;
CREATE TABLE public.trouble (code text, times bigint);
CREATE FUNCTION public.make_trouble() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE trouble public.trouble;
BEGIN
  SELECT * INTO trouble FROM public.trouble;
  IF nextval('public.tries') <= trouble.times THEN
    RAISE EXCEPTION 'trouble' USING ERRCODE = trouble.code;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER trouble BEFORE INSERT ON message_store.messages
  FOR EACH ROW EXECUTE FUNCTION public.make_trouble();
"""


def new() -> NewMessage:
    return NewMessage(str(uuid4()), "Written", '{"n": 1}')


def name_of(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def as_owner(admin_url: str, url: str) -> str:
    return make_conninfo(admin_url, dbname=name_of(url))


@pytest.fixture(scope="module")
def troubled(store_urls: StoreUrls, admin_url: str) -> Iterator[str]:
    """A database of its own, where appends fail as a test wants them to."""
    with scratch_database(store_urls) as url:
        with psycopg.connect(as_owner(admin_url, url), autocommit=True) as owner:
            owner.execute(TROUBLE.encode())
        yield url


@pytest.fixture
async def owner(troubled: str, admin_url: str) -> AsyncIterator[Connection]:
    url = as_owner(admin_url, troubled)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


async def make_trouble(owner: Connection, code: str, times: int) -> None:
    await owner.execute("TRUNCATE public.trouble")
    await owner.execute("ALTER SEQUENCE public.tries RESTART")
    await owner.execute("INSERT INTO public.trouble VALUES (%s, %s)", (code, times))


async def tries(owner: Connection) -> int:
    [(count,)] = await (await owner.execute("SELECT last_value FROM public.tries")).fetchall()
    assert isinstance(count, int)
    return count


PASSING = [
    "40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04",
    "08006", "08P01", "25006",
]  # fmt: skip
LASTING = ["53000", "53100", "53200", "53400", "57014", "55P03", "58030", "XX000"]


@pytest.mark.parametrize("code", PASSING)
async def test_what_passes_is_tried_again_and_written_once(
    troubled: str, owner: Connection, category: str, code: str
) -> None:
    await make_trouble(owner, code, times=2)
    messages = [new(), new()]
    async with await MessageDbStore.connect(troubled) as store:
        appended = await store.append(f"{category}-1", *messages, expected_version=-1)
        assert appended.position == 1
        assert [m.id async for m in store.read(f"{category}-1")] == [m.id for m in messages]
    assert await tries(owner) == 4  # two that failed, and then one for each row


async def test_a_session_that_stayed_with_a_server_that_only_reads_is_given_up(
    troubled: str, owner: Connection, category: str
) -> None:
    await make_trouble(owner, "", times=0)
    name = name_of(troubled)
    await owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
    try:
        store = await MessageDbStore.connect(troubled)  # its session is kept
    finally:
        await owner.execute(f'ALTER DATABASE "{name}" RESET ALL'.encode())
    async with store:
        await store.append(f"{category}-1", new())


async def test_what_does_not_pass_in_time_is_unavailable(
    troubled: str, owner: Connection, category: str
) -> None:
    await make_trouble(owner, "40P01", times=1_000_000)
    async with await MessageDbStore.connect(troubled, retry_for_s=0.5) as store:
        with pytest.raises(StoreUnavailable, match="trouble"):
            await store.append(f"{category}-1", new())
        assert await tries(owner) > 1
        assert await store.stream_version(f"{category}-1") == -1


@pytest.mark.parametrize("code", LASTING)
async def test_a_server_in_trouble_is_asked_once_and_said_to_be_unavailable(
    troubled: str, owner: Connection, category: str, code: str
) -> None:
    await make_trouble(owner, code, times=1_000_000)
    async with await MessageDbStore.connect(troubled) as store:
        with pytest.raises(StoreUnavailable, match="trouble"):
            await store.append(f"{category}-1", new())
        assert await tries(owner) == 1
        assert store.connections_in_use == 0
        await make_trouble(owner, code, times=0)
        assert (await store.append(f"{category}-1", new(), expected_version=-1)).position == 0


@pytest.mark.parametrize(
    ("code", "kind", "field"),
    [
        ("22P02", RefusedPayload, "data"),
        ("22P05", RefusedPayload, "data"),
        ("22003", RefusedPayload, "data"),
        ("54000", RefusedPayload, "data"),
        ("42883", NotMessageDb, None),
        ("42P01", NotMessageDb, None),
        ("3F000", NotMessageDb, None),
        ("26000", ConfigurationError, "MESSAGE_DB_URL"),
        ("42P05", ConfigurationError, "MESSAGE_DB_URL"),
        ("42501", ConfigurationError, "MESSAGE_DB_URL"),
    ],
)
async def test_what_trying_again_cannot_mend_has_its_own_error(
    troubled: str,
    owner: Connection,
    category: str,
    code: str,
    kind: type[AgentError],
    field: str | None,
) -> None:
    await make_trouble(owner, code, times=1_000_000)
    async with await MessageDbStore.connect(troubled) as store:
        with pytest.raises(kind, match="trouble") as error:
            await store.append(f"{category}-1", new())
    assert type(error.value) is kind
    assert getattr(error.value, "field", None) == field
    assert await tries(owner) == 1


async def test_a_name_that_the_server_refuses_is_told_as_a_name(store_url: str) -> None:
    async with await MessageDbStore.connect(store_url) as store:
        with pytest.raises(RefusedName, match="Must be a stream name") as error:
            await store._statements.rows("SELECT * FROM get_stream_messages('category')", ())
    assert error.value.field == "stream"


async def insert(connection: Connection, stream: str, position: int, id: str) -> None:
    """Write round Message DB's functions, and so round its lock, as no client should."""
    await connection.execute(
        "INSERT INTO message_store.messages (stream_name, position, type, id)"
        " VALUES (%s, %s, 'Forged', %s)",
        (stream, position, id),
    )


async def until_it_waits(owner: Connection, name: str) -> None:
    query = "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not await (await owner.execute(query, (name,))).fetchall():  # noqa: ASYNC110  no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("expected", [None, -1])
async def test_a_place_that_was_taken_round_the_lock_is_a_lost_race(
    admin_url: str, store_url: str, category: str, expected: int | None
) -> None:
    name, stream = f"raced-{uuid4().hex}", f"{category}-1"
    async with (
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as rude,
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as watching,
        await MessageDbStore.connect(store_url, application_name=name) as store,
    ):
        await rude.execute("BEGIN")
        await insert(rude, stream, 0, str(uuid4()))
        appending = asyncio.create_task(store.append(stream, new(), expected_version=expected))
        await until_it_waits(watching, name)  # for the index on stream and position
        await rude.execute("COMMIT")
        if expected is None:
            assert (await appending).position == 1
        else:
            with pytest.raises(WrongExpectedVersion) as error:
                await appending
            assert error.value.actual == 0


async def test_an_id_that_was_taken_round_the_lock_is_a_duplicate(
    admin_url: str, store_url: str, category: str
) -> None:
    name, message = f"raced-{uuid4().hex}", new()
    async with (
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as rude,
        await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as watching,
        await MessageDbStore.connect(store_url, application_name=name) as store,
    ):
        await rude.execute("BEGIN")
        await insert(rude, f"{category}-other", 0, message.id)
        appending = asyncio.create_task(store.append(f"{category}-1", message, expected_version=-1))
        await until_it_waits(watching, name)  # for the index on ids
        await rude.execute("COMMIT")
        with pytest.raises(DuplicateMessage) as error:
            await appending
    assert error.value.message_id == message.id


async def test_a_server_without_a_free_connection_is_asked_again(admin_url: str) -> None:
    role = sql.Identifier(f"role_{uuid4().hex}")
    async with await psycopg.AsyncConnection.connect(admin_url, autocommit=True) as admin:
        create = sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 1 IN ROLE message_store")
        await admin.execute(create.format(role))
        url = make_conninfo(admin_url, user=role.as_string(None).strip('"'))
        try:
            only = await psycopg.AsyncConnection.connect(url)
            with pytest.raises(StoreUnavailable, match="too many connections"):
                await MessageDbStore.connect(url, retry_for_s=0.1)
            async with cutting_proxy(url) as proxy:
                connecting = asyncio.create_task(MessageDbStore.connect(proxy.url, retry_for_s=20))
                await until(lambda: proxy.opened > 1)  # it was refused once, and asks again
                assert not connecting.done()
                await only.close()
                async with await connecting as store:
                    assert await store.stream_version("nothing-1") == -1
        finally:
            await admin.execute(sql.SQL("DROP ROLE {}").format(role))

"""Which Message DB the tests work on: `TEST_STORE` is `auto`, `embedded`, `docker` or a URL."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from messagedb_agent.store.embedded import EmbeddedSettings, start, stop

IMAGE = "ethangarofolo/message-db:1.3.1"


@dataclass(frozen=True)
class StoreUrls:
    """URLs of the role `message_store` and of the owner; the latter may be unknown."""

    url: str
    admin_url: str | None


def new_home() -> Path:
    """Make a folder for an embedded server; as root, another account has to get through it."""
    home = Path(tempfile.mkdtemp(prefix="mdba-"))
    home.chmod(0o711)
    return home


def remove_embedded(settings: EmbeddedSettings) -> None:
    """End the server of a test run, and remove what it kept."""
    try:
        asyncio.run(stop(settings, force=True))
    finally:
        shutil.rmtree(settings.home)


@contextmanager
def open_store(choice: str, settings: EmbeddedSettings) -> Iterator[StoreUrls]:
    """Yield the URLs of a store by `TEST_STORE`; an embedded one outlives this."""
    if choice in ("auto", "embedded"):
        server = asyncio.run(start(settings, _fsync=False))
        yield StoreUrls(server.url, server.admin_url)
    elif choice == "docker":
        with _container() as urls:
            yield urls
    else:
        yield StoreUrls(choice, None)


@contextmanager
def _container() -> Iterator[StoreUrls]:
    from testcontainers.core.container import DockerContainer  # slow, and seldom needed
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    # The image starts its server once to install, and then for good. `trust` because the role
    # message_store has no password.
    ready = LogMessageWaitStrategy("ready to accept connections", times=2)
    container = DockerContainer(IMAGE).with_exposed_ports(5432).waiting_for(ready)
    container.with_env("POSTGRES_HOST_AUTH_METHOD", "trust")
    with container:
        place = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
        yield StoreUrls(
            url=f"postgresql://message_store@{place}/message_store",
            admin_url=f"postgresql://postgres@{place}/message_store"
            "?options=-csearch_path%3Dmessage_store%2Cpublic",
        )

"""A Message DB of a test's own, beside the one that all tests share."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg

from messagedb_agent.store.install import install
from tests.store_url import StoreUrls


@contextmanager
def scratch_database(urls: StoreUrls) -> Iterator[str]:
    """Make another database on the tests' server, and yield its URL for `message_store`.

    For tests that look at all threads of the default category, as `last` does.
    """
    assert urls.admin_url is not None
    name = f"scratch_{uuid4().hex}"
    with psycopg.connect(urls.admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            asyncio.run(install(_in(name, urls.admin_url)))
            yield _in(name, urls.url)
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def _in(name: str, url: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()

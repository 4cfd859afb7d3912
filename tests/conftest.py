"""Fixtures that all tests share, and the walls round them."""

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from xdist.scheduler import LoadScopeScheduling

from messagedb_agent.store.embedded import EmbeddedSettings
from tests import network_guard
from tests.properties.effort import register_profiles
from tests.store_url import StoreUrls, new_home, open_store, remove_embedded

TEST_STORE = os.environ.get("TEST_STORE", "auto")
POSTGRES_BIN = os.environ.get("POSTGRES_BIN")
_HOME_VARIABLE = "TEST_STORE_HOME"  # tells the workers of a run where its one server is

# What a developer's machine has set must not decide what a test sees.
_LEAKS = re.compile(
    r"(DB|MODEL|GCP|GOOGLE|VERTEX|AWS|AZURE|ANTHROPIC|OPENAI|LITELLM|MESSAGEDB_AGENT|EMBEDDED|LOG"
    r"|OTEL)_.*|PG[A-Z]+|.*_(API_KEY|API_BASE|TOKEN)"
    r"|MESSAGE_DB_URL|ANCHOR_KEY|MAX_ITERATIONS|ENABLE_TRACING|POSTGRES_BIN|UV_RUN_RECURSION_DEPTH"
)


def _close_the_environment() -> None:
    for name in [name for name in os.environ if _LEAKS.fullmatch(name)]:
        del os.environ[name]
    # litellm would fetch these two lists.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS"] = "True"


_close_the_environment()
network_guard.install()
register_profiles()


def pytest_configure(config: pytest.Config) -> None:
    if _leads(config):
        os.environ[_HOME_VARIABLE] = str(new_home())


def pytest_unconfigure(config: pytest.Config) -> None:
    if _leads(config):
        remove_embedded(_settings())
        del os.environ[_HOME_VARIABLE]


def pytest_collectstart() -> None:
    """Look for no garbage while tests are imported and collected: that makes hardly any."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let no search for garbage look through all that was imported and collected."""
    gc.freeze()
    gc.enable()


# Which of the modules need litellm: importing it takes as long as dozens of tests.
_OF_LITELLM = (
    "tests/end_to_end/llm/",
    "tests/end_to_end/test_cli_sessions.py",
    "tests/end_to_end/test_cli_what_if.py",
)


# What takes longest, and is begun first: of a module that is begun last, all other workers would
# await the end. What waits for its own processes stands between what keeps a processor busy.
_LONGEST = (
    "tests/chaos/test_kills.py",
    *_OF_LITELLM,
    "tests/chaos/test_pauses.py",
    "tests/chaos/",
    "tests/contract/test_differential.py",
    "tests/properties/test_hostile_models.py",
    "tests/docs/test_documents.py",
    "tests/end_to_end/test_cli_processes.py",
    "tests/unit/engine/test_long_thread.py",
    "tests/unit/agents/test_forking_long_threads.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first; the rest stays as it is collected, with the many short ones last."""
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    """Return when a test comes: the place of its module among the longest, or behind them all."""
    places = (place for place, begin in enumerate(_LONGEST) if nodeid.startswith(begin))
    return next(places, len(_LONGEST))


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist carries no types
    """Keeps the tests of a module together, but those that are shares of one large work."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/simulation/test_simulation.py"):
            return nodeid
        if nodeid.startswith(_OF_LITELLM):
            return "litellm"
        return str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Scheduling(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return one worker more than there are processors: many tests wait for other processes."""
    return (os.cpu_count() or 1) + 1


def _leads(config: pytest.Config) -> bool:
    """Whether this is the process that leads the run, and no worker of it."""
    return not hasattr(config, "workerinput")


def _settings() -> EmbeddedSettings:
    """Return the one server of the run: its end is the run's, or ten minutes without a client.

    On a busy machine the tests between two that need it may take longer than one.
    """
    return EmbeddedSettings(
        home=Path(os.environ[_HOME_VARIABLE]), idle_s=600, postgres_bin=postgres_bin()
    )


def postgres_bin() -> Path | None:
    return Path(POSTGRES_BIN) if POSTGRES_BIN else None


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    network_guard.attempts.clear()
    yield
    assert not network_guard.attempts, "a test may reach this machine only"


@pytest.fixture(scope="session")
def store_urls() -> Iterator[StoreUrls]:
    with open_store(TEST_STORE, _settings()) as urls:
        yield urls


@pytest.fixture(scope="session")
def store_url(store_urls: StoreUrls) -> str:
    """URL of a Message DB, as the role `message_store`; shared by all tests of the run."""
    return store_urls.url


@pytest.fixture(scope="session")
def admin_url(store_urls: StoreUrls) -> str:
    """URL of the same database as its owner."""
    if store_urls.admin_url is None:
        pytest.skip("TEST_STORE is a URL, and the owner's is not known")
    return store_urls.admin_url


@pytest.fixture
def category() -> str:
    """A category of one's own: tests share a store, and must not see each other."""
    return f"test{uuid4().hex}"

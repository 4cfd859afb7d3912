"""From options and settings to what a command works with: the engine, with models and tools."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.streams import keep_for_answers, notes
from messagedb_agent.cli.terminal import note

if TYPE_CHECKING:
    from messagedb_agent import Engine
    from messagedb_agent.agents.database import Database
    from messagedb_agent.config import Loaded
    from messagedb_agent.llm.resolve import ModelSettings
    from messagedb_agent.observability.tracing import Tracing, Untraced


@dataclass(frozen=True, slots=True)
class Setup:
    """What a command was given, read and checked; nothing is connected to yet.

    Attributes:
        common: the global options, the category normalised.
        loaded: the settings.
    """

    common: Common
    loaded: "Loaded"

    @property
    def database(self) -> "Database":
        """The database that the settings name."""
        from messagedb_agent.agents.database import Database

        settings = self.loaded.settings
        database = Database(
            settings.database_url,
            idle_s=settings.embedded_idle_s,
            postgres_bin=settings.postgres_bin,
        )
        home = settings.messagedb_agent_home
        return replace(database, home=home) if home else database

    @property
    def model_settings(self) -> "ModelSettings":
        """How models are reached."""
        from messagedb_agent.llm.resolve import ModelSettings

        settings = self.loaded.settings
        return ModelSettings(
            api_base=settings.model_api_base,
            gcp_project=settings.gcp_project,
            gcp_location=settings.gcp_location,
            environ=self.loaded.environ,
        )


def set_up(common: Common, *, log_level: Literal["INFO"] | None = None) -> Setup:
    """Read the settings, name the category as Message DB needs it, and set up what is written.

    From here on standard output is kept for answers.

    Args:
        common: the global options.
        log_level: what is logged also on a terminal, where the settings say nothing else.

    Raises:
        RefusedName: the category or the version.
        ConfigurationError: a setting.
    """
    from messagedb_agent.config import load
    from messagedb_agent.observability.logging import configure
    from messagedb_agent.store.stream_name import normalised_category

    keep_for_answers()
    arguments = {"MODEL_NAME": common.model} if common.model else {}
    loaded = load(common.config, arguments=arguments)
    settings = loaded.settings
    configure(settings.model_copy(update={"log_level": settings.log_level or log_level}), notes())
    category = normalised_category(common.category)
    if category != common.category:
        note(f"category {common.category!r} is written {category!r}: {_why(common.category)}")
    return Setup(replace(common, category=category), loaded)


def _why(category: str) -> str:
    """Say why a category's name is written otherwise."""
    if "-" in category:
        return "Message DB cuts at `-`"
    return "other readers of Message DB would turn `_` into it"


@asynccontextmanager
async def opened(setup: Setup) -> AsyncIterator["Engine"]:
    """Connect, and close all connections at the end."""
    from messagedb_agent import connect
    from messagedb_agent.tools.builtin import builtin_tools
    from messagedb_agent.tools.loading import load_tools

    own = (tool for name in setup.common.tools for tool in load_tools(name))
    async with (
        _watching(setup) as watching,
        connect(
            setup.database,
            tools=(*builtin_tools(), *own),
            model_settings=setup.model_settings,
            category=setup.common.category,
            version=setup.common.version,
            snapshots=setup.loaded.settings.snapshots,
            watching=watching,
            templates=setup.loaded.settings.templates,
        ) as engine,
    ):
        yield engine


@asynccontextmanager
async def _watching(setup: Setup) -> AsyncIterator["Tracing | Untraced"]:
    """Trace where the settings say so; what is said belongs to the caller's span in any case."""
    from messagedb_agent.observability.tracing import Tracing, Untraced, sender_of

    sender = sender_of(os.environ)
    if not setup.loaded.settings.enable_tracing:
        yield Untraced(sender)
        return
    async with Tracing(sender=sender) as tracing:
        yield tracing

"""From options and settings to what a command works with: the engine, with models and tools."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.terminal import note

if TYPE_CHECKING:
    from messagedb_agent import Database, Engine, ModelSettings
    from messagedb_agent.config import Loaded
    from messagedb_agent.tools.object_tool import AnyTool


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
        from messagedb_agent import Database
        from messagedb_agent.agents.database import default_home

        settings = self.loaded.settings
        return Database(
            settings.database_url,
            home=settings.messagedb_agent_home or default_home(),
            idle_s=settings.embedded_idle_s,
            postgres_bin=settings.postgres_bin,
        )

    @property
    def model_settings(self) -> "ModelSettings":
        """How models are reached."""
        from messagedb_agent import ModelSettings

        settings = self.loaded.settings
        return ModelSettings(
            api_base=settings.model_api_base,
            gcp_project=settings.gcp_project,
            gcp_location=settings.gcp_location,
            environ=self.loaded.environ,
        )


def set_up(common: Common) -> Setup:
    """Read the settings, name the category as Message DB needs it, and set up logging.

    Raises:
        RefusedName: the category or the version.
        ConfigurationError: a setting.
    """
    from messagedb_agent.config import load
    from messagedb_agent.observability.logging import configure
    from messagedb_agent.store.stream_name import normalised_category, thread_category

    arguments = {"MODEL_NAME": common.model} if common.model else {}
    loaded = load(common.config, arguments=arguments)
    configure(loaded.settings)
    category = normalised_category(common.category)
    thread_category(category, common.version)
    if category != common.category:
        note(f"category {common.category!r} is written {category!r}: Message DB cuts at `-`")
    return Setup(replace(common, category=category), loaded)


@asynccontextmanager
async def opened(setup: Setup) -> AsyncIterator["Engine"]:
    """Connect, and close all connections at the end."""
    from messagedb_agent import connect

    tools = _tools(setup.common.tools)
    async with connect(
        setup.database,
        tools=tools,
        model_settings=setup.model_settings,
        category=setup.common.category,
        version=setup.common.version,
    ) as engine:
        yield engine


def _tools(references: Sequence[str]) -> "Sequence[AnyTool]":
    from messagedb_agent.tools.builtin import builtin_tools
    from messagedb_agent.tools.loading import load_tools

    return (*builtin_tools(), *(tool for name in references for tool in load_tools(name)))

"""Imports point one way, the pure rooms are pure, and there is one loop."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import messagedb_agent
from messagedb_agent import Agent, Engine
from messagedb_agent.agents.equipment import Equipment
from messagedb_agent.agents.extracting import EngineMemory
from messagedb_agent.agents.synchronous import SyncAgent, SyncEngine
from messagedb_agent.agents.synchronous_beside import SyncDefinitions, SyncMemory
from messagedb_agent.definitions.named import Definitions
from tests.docs.public import modules as listed_modules
from tests.docs.public import names as listed_names

PACKAGE = Path(messagedb_agent.__file__).parent
NAME = "messagedb_agent"

# What each room may import of the package, beside itself. Edges may import anything.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "clock": frozenset(),
    "changing": frozenset(),
    "closing": frozenset(),
    "containing": frozenset(),
    "records": frozenset(),
    "ids": frozenset({"errors", "clock"}),
    "events": frozenset({"errors", "ids", "records"}),
    "store": frozenset({"closing", "errors", "records"}),
    "agent": frozenset({"changing", "errors", "ids", "records", "events"}),
    "projections": frozenset({"changing", "errors", "ids", "records", "events", "agent"}),
    "llm": frozenset({"containing", "errors", "clock", "events"}),
    "tools": frozenset({"containing", "errors", "clock", "events"}),
    "definitions": frozenset({"errors", "clock", "ids", "records", "events", "store"}),
    "engine": frozenset(
        {
            "changing",
            "containing",
            "errors",
            "clock",
            "ids",
            "records",
            "events",
            "store",
            "agent",
            "projections",
            "llm",
            "tools",
        }
    ),
}
MAY_IMPORT["agents"] = MAY_IMPORT["engine"] | {"closing", "definitions", "engine"}
MAY_IMPORT["consumers"] = MAY_IMPORT["agents"] | {"agents"}
MAY_IMPORT["audit"] = MAY_IMPORT["agents"] | {"agents"}
PURE = ("events", "agent", "projections")
# Of models and tools the engine knows the ports alone.
ENGINE_PORTS = frozenset(
    f"{NAME}.{port}"
    for port in (
        "llm.model",
        "tools.tool",
        "store.store",
        "store.transactional",
        "store.hold",
        "store.message",
        "store.stream_name",
    )
)
# Libraries that stop at one room.
ONLY_IN = {
    "opentelemetry": "observability",
    "psycopg": "store",
    "psycopg2": "store",
    "message_db": "store",
    "litellm": "llm",
    "google.auth": "llm",
    "google.protobuf": "observability",
    "mcp": "tools",
    "typer": "cli",
    "rich": "cli",
    "structlog": "observability",
}
# Names of types alone, imported for the type checker and never at run time.
TYPES_ONLY = frozenset({("errors", f"{NAME}.agents.agent"), ("tools.tool", "psycopg")})
IMPURE = frozenset(
    {"asyncio", "os", "random", "secrets", "time", "logging", "socket", "subprocess", "threading"}
)


@cache
def modules() -> Sequence[tuple[str, ast.Module]]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found.append((name, ast.parse(path.read_text())))
    return found


@cache
def nodes(tree: ast.Module) -> Sequence[ast.AST]:
    return list(ast.walk(tree))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(module: str) -> str:
    return module.partition(".")[0]


def test_imports_between_rooms_point_one_way() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules()
        if room(module) in MAY_IMPORT
        for name in imported(tree)
        if name.startswith(f"{NAME}.")
        and (other := room(name.removeprefix(f"{NAME}."))) != room(module)
        and other not in MAY_IMPORT[room(module)]
        and (module, name) not in TYPES_ONLY
    ]
    assert wrong == []


def test_what_is_imported_for_its_types_alone_is_not_imported_at_run_time() -> None:
    """The exceptions above hold only below `if TYPE_CHECKING`."""
    trees = dict(modules())
    at_run_time = [
        f"{module} imports {name}"
        for module, name in TYPES_ONLY
        if name in imported(ast.Module([n for n in trees[module].body if not _is_for_types(n)], []))
    ]
    assert at_run_time == []


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def test_the_engine_knows_models_tools_and_stores_by_their_ports() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules()
        if room(module) == "engine"
        for name in imported(tree)
        if name.startswith((f"{NAME}.llm", f"{NAME}.tools", f"{NAME}.store"))
        and name not in ENGINE_PORTS
    ]
    assert wrong == []


def test_the_command_line_stands_on_public_names_and_a_few_named_modules() -> None:
    # Beside what spec.md lists: the entry point's own, and rules that must stand once.
    own = {
        "config",
        "observability.exporting",
        "observability.logging",
        "observability.tracing",
    }
    rules = {"containing", "store.address", "store.encoding"}
    free = {f"{NAME}.{module}" for module in own | rules}
    listed = {NAME: {*listed_names(), "__version__"}, **listed_modules()}
    wrong = [
        f"{module} imports {name} of {node.module}"
        for module, tree in modules()
        if room(module) == "cli"
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.startswith(NAME) and not node.module.startswith(f"{NAME}.cli")
        if node.module not in free
        for name in (alias.name for alias in node.names)
        if name not in listed.get(node.module, ()) and f"{node.module}.{name}" not in listed
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_foreign_library_stops_at_its_room(library: str) -> None:
    importers = {
        room(module)
        for module, tree in modules()
        for name in imported(tree)
        if f"{name}.".startswith(f"{library}.") and (module, name) not in TYPES_ONLY
    }
    assert importers <= {ONLY_IN[library]}


def test_the_pure_rooms_have_no_effects() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules()
        if room(module) in PURE
        for name in imported(tree)
        if name.partition(".")[0] in IMPURE
    ]
    wrong += [
        f"{module} is asynchronous"
        for module, tree in modules()
        if room(module) in PURE
        and any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in nodes(tree))
    ]
    assert wrong == []


def test_there_is_one_loop() -> None:
    """What `decide` says becomes claims in one place, which one loop uses."""
    # These name the step, and take none.
    named = {
        "projections.lineage",
        "projections.summary",
        "audit.replaying",
        "agent.following",
        "observability.folding",
    }
    assert importers("agent.decider", "decide") - named == {
        "engine.plan",
        "engine.loop",
        "engine.thread",  # asks only whether the thread rests
    }
    assert importers("engine.plan", "plan") == {"engine.loop"}
    assert importers("engine.loop", "run") == {"engine.thread"}
    assert importers("engine.thread", "take_on") == {"agents.run"}
    assert importers("engine.thread", "attend") == {"agents.run"}


def importers(module: str, name: str) -> set[str]:
    return {
        importer
        for importer, tree in modules()
        for node in nodes(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module == f"{NAME}.{module}"
        and name in {alias.name for alias in node.names}
    }


def test_the_public_names_are_those_the_specification_lists() -> None:
    assert listed_names() == sorted(listed_names())
    assert vars(messagedb_agent)["__all__"] == listed_names()
    for name in listed_names():
        assert getattr(messagedb_agent, name).__name__ == name


def test_type_checkers_see_the_names_that_are_loaded_when_they_are_used() -> None:
    (block,) = filter(_is_for_types, dict(modules())[""].body)
    assert isinstance(block, ast.If)
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    }
    homes = messagedb_agent._HOMES
    assert seen == {name: f"{NAME}.{home}" for name, home in homes.items()}


def test_importing_the_package_loads_nothing_but_it() -> None:
    at_once = [node for node in dict(modules())[""].body if not _is_for_types(node)]
    assert {*imported(ast.Module(at_once, []))} == {"importlib", "typing"}


def test_what_the_specification_says_of_modules_is_there() -> None:
    assert list(listed_modules()) == sorted(listed_modules())
    missing = [
        f"{module}.{name}"
        for module, names in listed_modules().items()
        for name in names
        if not hasattr(import_module(module), name)
    ]
    assert missing == []


# What of an engine waits for nothing, or has methods of its own, which `SyncEngine.run` runs.
WITHOUT_TWIN = frozenset(
    {
        "define",
        "fold",
        "listen",
        "with_tools",
    }
) | {field.name for field in fields(Equipment)}
# What of a user's memory the engine itself needs.
WITHIN = frozenset({"clear_cache", "known_of", "note", "stream"})
TWINS: list[tuple[type, type, frozenset[str]]] = [
    (Engine, SyncEngine, WITHOUT_TWIN),
    (Agent, SyncAgent, frozenset()),
    (EngineMemory, SyncMemory, WITHIN),
    (Definitions, SyncDefinitions, frozenset(field.name for field in fields(Definitions))),
]


@pytest.mark.parametrize(("kind", "twin", "without"), TWINS)
def test_every_method_has_a_synchronous_twin(
    kind: type, twin: type, without: frozenset[str]
) -> None:
    twins = {name: inspect.getattr_static(twin, name) for name in public(twin)}
    missing = public(kind) - twins.keys() - without
    assert not missing, f"add to {twin.__module__}: {sorted(missing)}"
    assert not any(map(inspect.iscoroutinefunction, twins.values()))


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}

"""What is public says what it is."""

import inspect
from importlib import import_module

import pytest

import messagedb_agent
from messagedb_agent import Agent, Engine, MemoryStore, Projection
from messagedb_agent.agents.database import Database
from tests.docs.public import modules, names


@pytest.mark.parametrize("name", names())
def test_a_public_name_has_a_docstring(name: str) -> None:
    assert _is_said(getattr(messagedb_agent, name), name)


def test_public_classes_and_functions_of_modules_have_docstrings() -> None:
    silent = [
        f"{module}.{name}"
        for module, public in modules().items()
        for name in sorted(public)
        if inspect.isclass(value := getattr(import_module(module), name))
        or inspect.isfunction(value)
        if not _is_said(value, name)
    ]
    assert silent == []


@pytest.mark.parametrize("cls", [Agent, Database, Engine, MemoryStore, Projection])
def test_what_a_public_class_offers_has_docstrings(cls: type) -> None:
    offered = _offered_by(cls)
    assert [key for key, value in offered.items() if not _is_said(value, cls.__name__)] == []


@pytest.mark.parametrize("name", ["Agent", "Engine"])
def test_what_reaches_the_store_says_what_it_raises(name: str) -> None:
    offered = _offered_by(getattr(messagedb_agent, name))
    reaches = {
        key: inspect.getdoc(value) or ""
        for key, value in offered.items()
        if inspect.iscoroutinefunction(value) or key in ("messages", "all_messages")
    }
    assert len(reaches) >= 5
    silent = [key for key, doc in reaches.items() if "Raises:" not in doc]
    assert silent == (["close"] if name == "Engine" else [])
    unsaid = [key for key, doc in reaches.items() if "StoreUnavailable" not in doc]
    assert unsaid == []


def _offered_by(cls: type) -> dict[str, object]:
    """Return what a class offers by itself or by a class of ours that it is made of."""
    ours = [base for base in reversed(cls.__mro__) if base.__module__.startswith("messagedb_agent")]
    return {key: value for c in ours for key, value in vars(c).items() if _is_offered(key, value)}


def _is_offered(name: str, value: object) -> bool:
    is_method = inspect.isfunction(value) or isinstance(value, property | classmethod)
    return is_method and not name.startswith("_")


def _is_said(value: object, name: str) -> bool:
    doc = inspect.getdoc(value) or ""
    return bool(doc) and not doc.startswith(f"{name}(")  # what a dataclass says by itself

"""What is public says what it is."""

import inspect

import pytest

import messagedb_agent


@pytest.mark.parametrize("name", messagedb_agent.__all__)
def test_a_public_name_has_a_docstring(name: str) -> None:
    assert _is_said(getattr(messagedb_agent, name), name)


@pytest.mark.parametrize("name", ["Agent", "Database", "Engine", "Projection"])
def test_what_a_public_class_offers_has_docstrings(name: str) -> None:
    cls = getattr(messagedb_agent, name)
    offered = {key: value for key, value in vars(cls).items() if _is_offered(key, value)}
    assert [key for key, value in offered.items() if not _is_said(value, name)] == []


def _is_offered(name: str, value: object) -> bool:
    is_method = inspect.isfunction(value) or isinstance(value, property | classmethod)
    return is_method and not name.startswith("_")


def _is_said(value: object, name: str) -> bool:
    doc = inspect.getdoc(value) or ""
    return bool(doc) and not doc.startswith(f"{name}(")  # what a dataclass says by itself

"""The public names that the specification lists: those of the package, and those of its modules."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from inspect import getsource
from pkgutil import iter_modules

from tests.docs.blocks import ROOT

SECTION = (ROOT / "spec.md").read_text().split("\n## 8. Public names\n")[1].split("\n### ")[0]


@cache
def names() -> list[str]:
    """Return the names of the package, in the order in which they are listed."""
    return re.findall(r"^\| `(\w+)` \| .+ \|$", SECTION, re.MULTILINE)


def modules() -> Mapping[str, frozenset[str]]:
    """Return the public names of each public module, by the module's full name."""
    return dict(_modules())


def _modules() -> Iterator[tuple[str, frozenset[str]]]:
    rows = re.findall(r"^\| `(messagedb_agent\.\S+)` \| (.+?) \| .+ \|$", SECTION, re.MULTILINE)
    for module, listed in rows:
        if module.endswith(".*"):
            package = import_module(module.removesuffix(".*"))
            for found in iter_modules(package.__path__, f"{package.__name__}."):
                yield found.name, _all(found.name)
        else:
            yield module, _all(module) if listed == "all" else frozenset(re.findall(r"\w+", listed))


def _all(module: str) -> frozenset[str]:
    """Return what a module says is its own, or what it defines without an underscore in front."""
    found = import_module(module)
    if said := getattr(found, "__all__", None):
        return frozenset(said)
    defined = frozenset(name for node in ast.parse(getsource(found)).body for name in _bound(node))
    return frozenset(name for name in defined if not name.startswith("_"))


def _bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []

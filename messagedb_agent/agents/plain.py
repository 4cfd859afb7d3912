"""Folded values as JSON and back, exactly: what a snapshot is made of.

A text, a whole number, true, false and null stand for themselves; everything else is a list that
begins with what it is. Only classes that are named are made again, so that a snapshot, whoever
has written it, makes no other objects than those of a fold.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel

from messagedb_agent.events.words import READING
from messagedb_agent.projections.grown import Grown

Plain = None | bool | int | str | Sequence["Plain"]


class Plainly:
    """Writes values of some classes as JSON, and makes them again.

    Args:
        classes: dataclasses, enumerations and pydantic models, no two of one name.
    """

    def __init__(self, *classes: type) -> None:
        self._classes = {cls.__name__: cls for cls in classes}
        self._makers: Mapping[str, Callable[..., Any]] = {
            "decimal": Decimal,
            "bytes": lambda text: b64decode(text, validate=True),
            "tuple": lambda *items: tuple(map(self.made, items)),
            "grown": lambda *items: Grown([self.made(item) for item in items]),
            "map": lambda *pairs: {key: self.made(value) for key, value in pairs},
            "one": self._one,
        }

    def of(self, value: Any) -> Plain:
        """Return a value as JSON.

        Raises:
            TypeError: there is something in it of a class that is not known here.
        """
        match value:
            case None | bool() | int() | str() if not isinstance(value, Enum):
                return value
            case Decimal():
                return ["decimal", str(value)]
            case bytes():
                return ["bytes", b64encode(value).decode()]
            case tuple():
                return ["tuple", *map(self.of, value)]
            case Grown():
                return ["grown", *map(self.of, value)]
            case Mapping():
                return ["map", *([key, self.of(item)] for key, item in value.items())]
            case _:
                return ["one", self._known(type(value)), *self._parts(value)]

    def made(self, plain: Plain) -> Any:
        """Return the value that was written.

        Raises:
            ValueError, TypeError, KeyError: it was not written by `of`, or by other code.
        """
        if plain is None or isinstance(plain, bool | int | str):
            return plain
        kind, *parts = plain
        return self._makers[str(kind)](*parts)

    def _known(self, cls: type) -> str:
        if self._classes.get(cls.__name__) is not cls:
            raise TypeError(f"a {cls.__name__} is no part of a fold that is known")
        return cls.__name__

    def _parts(self, value: Any) -> Sequence[Any]:
        if isinstance(value, Enum):
            return [value.name]
        if isinstance(value, BaseModel):
            return [value.model_dump(mode="json", by_alias=True, exclude_defaults=True)]
        return [self.of(getattr(value, field.name)) for field in fields(value)]

    def _one(self, name: str, *parts: Any) -> Any:
        cls = self._classes[name]
        if issubclass(cls, Enum):
            return cls[parts[0]]
        if issubclass(cls, BaseModel):
            return cls.model_validate(parts[0], extra="ignore", context=READING)
        if not is_dataclass(cls) or len(parts) != len(fields(cls)):
            raise ValueError(f"no {name}")
        return cls(*map(self.made, parts))

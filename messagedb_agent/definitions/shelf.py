"""Where templates are found: in a folder of the user's, then among those of this package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from messagedb_agent.definitions.template import Template, read_template
from messagedb_agent.errors import ConfigurationError, NotFound
from messagedb_agent.store.stream_name import is_definition_name

_SHIPPED = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Templates by name, each a file `NAME.toml`.

    Attributes:
        folder: the user's own, whose templates stand before those of the package; None for none.

    Raises:
        ConfigurationError: there is no such folder.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise ConfigurationError(
                f"there is no folder {str(self.folder)!r} of templates", field="templates"
            )

    def get(self, name: str) -> Template:
        """Return a template.

        Raises:
            NotFound: there is none of this name.
            ValidationError: its file is none; see `read_template`.
        """
        if is_definition_name(name):  # what leads out of the folder is no name
            for folder in self._folders:
                if (path := folder / f"{name}.toml").is_file():
                    return read_template(path)
        raise NotFound("template", name)

    def all(self) -> Sequence[Template]:
        """Return the templates that there are, by name.

        Raises:
            ValidationError: a file is none; see `read_template`.
        """
        paths: dict[str, Path] = {}
        for folder in reversed(self._folders):
            paths |= {path.stem: path for path in folder.glob("*.toml") if path.is_file()}
        return [read_template(paths[name]) for name in sorted(paths) if is_definition_name(name)]

    @property
    def _folders(self) -> Sequence[Path]:
        return (_SHIPPED,) if self.folder is None else (self.folder, _SHIPPED)

"""How an engine finds its models: one by each name, or the caller's own."""

from messagedb_agent.errors import ValidationError
from messagedb_agent.llm.litellm_library import close_connections
from messagedb_agent.llm.model import Connected, LanguageModel, Models
from messagedb_agent.llm.resolve import ModelSettings, prepare, resolve


def finder(models: LanguageModel | Models | None, settings: ModelSettings) -> Models:
    """Return what finds a model by its name.

    Args:
        models: what the caller gave: one model for every name, what finds one by its name, or
            None for `offline` and every model of litellm.
        settings: how the latter are reached.

    Raises:
        ValidationError: it is neither a model nor finds one.
    """
    if models is None:
        return _Resolved(settings)
    _check(models)
    return _Same(models) if isinstance(models, LanguageModel) else models


def _check(given: object) -> None:
    if isinstance(given, type):
        raise _refused(f"{given.__name__!r} is a class: give an instance")
    if not isinstance(given, LanguageModel) and not callable(given):
        what = f"an object of class {type(given).__name__!r}"
        raise _refused(f"{what} has no `complete`, and cannot be called with a model's name")


def _refused(why: str) -> ValidationError:
    return ValidationError(f"models: {why}", field="models")


class _Same:
    """One model, by whatever name."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def __call__(self, name: str) -> LanguageModel:
        return self._model

    async def close(self) -> None:
        if isinstance(self._model, Connected):
            await self._model.close()


class _Resolved:
    """Models by name, each made once."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._made: dict[str, LanguageModel] = {}

    def __call__(self, name: str) -> LanguageModel:
        if name not in self._made:
            self._made[name] = resolve(name, settings=self._settings)
        return self._made[name]

    async def prepare(self, name: str) -> None:
        if name not in self._made:
            await prepare(name)

    async def close(self) -> None:
        await close_connections()

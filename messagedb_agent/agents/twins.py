"""How a method of the asynchronous library becomes one of synchronous code: told once, here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
Whole = TypeVar("Whole", covariant=True)


class Home(Protocol):
    """Where what waits is run to its end."""

    def run(self, work: Awaitable[T]) -> T: ...

    def each(self, items: AsyncIterator[T]) -> Iterator[T]: ...


Engine = TypeVar("Engine", bound=Home, covariant=True)


class Twin(Protocol[Engine, Whole]):
    """What stands for something of the asynchronous library in synchronous code."""

    @property
    def asynchronous(self) -> Whole: ...

    @property
    def _home(self) -> Engine: ...


def twin(
    method: Callable[Concatenate[Whole, P], Coroutine[Any, Any, T]],
    told: Callable[[Engine, T], U],
) -> Callable[Concatenate[Twin[Engine, Whole], P], U]:
    """Return a method that runs one of the asynchronous library, and tells what it gives."""

    @wraps(method)
    def one(of: Twin[Engine, Whole], /, *args: P.args, **kwargs: P.kwargs) -> U:
        return told(of._home, of._home.run(method(of.asynchronous, *args, **kwargs)))

    return one


def whole(
    method: Callable[Concatenate[Whole, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Twin[Home, Whole], P], T]:
    """Return a method that runs one of the asynchronous library, and gives what it gives."""
    return twin(method, lambda _, given: given)


def items(
    method: Callable[Concatenate[Whole, P], AsyncIterator[T]],
) -> Callable[Concatenate[Twin[Home, Whole], P], Iterator[T]]:
    """Return a method that gives the items of an asynchronous one, one by one."""

    @wraps(method)
    def one(of: Twin[Home, Whole], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return of._home.each(method(of.asynchronous, *args, **kwargs))

    return one

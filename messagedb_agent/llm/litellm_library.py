"""litellm itself: imported when a model is first asked, quietly, and closed again.

The import takes seconds, so it happens in a thread and only where it is needed. This is the one
module of the package that touches `os.environ`: litellm reads its own switches there.
"""

import asyncio
import contextlib
import importlib
import logging
import os
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Read by litellm while it is imported or first used: a bundled price map and a bundled header
# list in place of two downloads, and no `.env` file of its own finding. (litellm 1.106,
# `litellm/__init__.py` and `litellm/anthropic_beta_headers_manager.py`.)
_SWITCHES = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
# What pydantic says of litellm's classes, and of answers with values of the wrong type.
_NOISE = (
    r"Item '\w+' on TypedDict class '\w+' is using the `ReadOnly` qualifier",
    r"Accessing the 'model_\w*fields' attribute on the instance is deprecated",
    r"Pydantic serializer warnings",
)
# The packages whose tasks are waited for when connections are closed: half a second at most.
_PACKAGES = ("litellm", "httpx")
_MOST_PAUSES = 50
_PAUSE_S = 0.01
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


@cache
def load() -> Any:
    """Import litellm and return the module; `Any`, since its own types are not to be relied on.

    Raises:
        ImportError: it is not installed, or not wholly.
    """
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    # It would break off a stream whose text repeats itself, and a retry would pay for it again.
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize
    # Its loggers come with handlers that write to standard error. Records still reach the
    # handlers of the application; the null handler keeps `logging`'s last resort away.
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
    return litellm


def tokenizer_folder() -> Path | None:
    """Return where tiktoken looks for its files; None where litellm, which has some, is not here.

    It is litellm's own folder where nobody named another: litellm tells tiktoken so too.
    """
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
    return Path(os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(folder)))


async def load_in_thread() -> Any:
    """Import litellm without holding up the event loop, however many ask for it at once."""
    _ignore_noise()
    if load.cache_info().currsize:
        return load()
    return await asyncio.wrap_future(_loader().submit(load))


def _ignore_noise() -> None:
    """Keep litellm's own warnings from the users, who cannot mend what they are about.

    Filters that are there are left alone: every change makes Python repeat old warnings.
    """
    present = {getattr(entry[1], "pattern", None) for entry in warnings.filters}
    for message in _NOISE:
        if message not in present:
            warnings.filterwarnings("ignore", message)


@cache
def _loader() -> ThreadPoolExecutor:
    """One thread for the import, so that those who wait for it do not fill the loop's own."""
    return ThreadPoolExecutor(1, thread_name_prefix="litellm-import")


async def close_connections() -> None:
    """Close what litellm holds open on this event loop; call it before the loop ends.

    litellm keeps HTTP clients and a logging task per event loop, and has no public way to close
    those of one loop alone. Does nothing where litellm was never loaded; later calls open anew.
    """
    if not load.cache_info().currsize:
        return
    litellm: Any = load()
    loop = asyncio.get_running_loop()
    await _settle()
    await _stop_logging(loop)
    await _close_clients(litellm, loop)
    # Only now that nobody holds them do they start the tasks that end them.
    await _settle()


async def _stop_logging(loop: asyncio.AbstractEventLoop) -> None:
    # What follows is litellm's own business, and may be gone in its next version.
    with contextlib.suppress(ImportError, AttributeError):
        module = importlib.import_module("litellm.litellm_core_utils.logging_worker")
        if module.GLOBAL_LOGGING_WORKER._bound_loop is loop:
            await module.GLOBAL_LOGGING_WORKER.stop()


async def _close_clients(litellm: Any, loop: asyncio.AbstractEventLoop) -> None:
    for client in _clients_of(litellm, loop):
        close = getattr(client, "close", None) or getattr(client, "aclose", None)
        if close is not None and asyncio.iscoroutine(closing := close()):
            await closing


def _clients_of(litellm: Any, loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Take this loop's clients out of litellm's cache, and find the one that it has for all."""
    cached = getattr(litellm.in_memory_llm_clients_cache, "cache_dict", {})
    # The cache adds the loop's id to each key (`LLMClientCache`).
    ours = [key for key in cached if str(key).endswith(f"-{id(loop)}")]
    clients = [cached.pop(key) for key in ours]
    # Made when it is first used, by streams of Anthropic's for one; it opens itself again.
    shared = vars(litellm).get("module_level_aclient")
    session = getattr(getattr(getattr(shared, "_client", None), "_transport", None), "client", None)
    return [*clients, shared] if getattr(session, "_loop", None) is loop else clients


async def _settle() -> None:
    """Let the short tasks end that litellm starts and forgets: after answers, when clients go."""
    for _ in range(_MOST_PAUSES):
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if not any(map(_is_passing, tasks)):
            return
        await asyncio.sleep(_PAUSE_S)


def _is_passing(task: "asyncio.Task[Any]") -> bool:
    coroutine = task.get_coro()
    if type(coroutine).__name__ == "async_generator_athrow":
        return True  # the event loop closes a generator that litellm left unfinished
    code = getattr(coroutine, "cr_code", None)
    if code is None or code.co_name == "_worker_loop":
        return False
    return any(f"{os.sep}{package}{os.sep}" in code.co_filename for package in _PACKAGES)

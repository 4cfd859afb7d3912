"""A process that has imported the program and waits; a run of the program is a fork of it.

It runs as a script of its own, and imports nothing of the tests; `tests/forked.py` speaks to it.
Each request comes with five descriptors: what to run, where to say which process it is and how it
ended, and the standard streams.
"""

import gc
import json
import os
import pkgutil
import runpy
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

from messagedb_agent import cli
from messagedb_agent.cli import app

NUMBER = struct.Struct("i")
DESCRIPTORS = 5

# What commands import when they run, beside their own modules, and what takes no room in them:
# litellm, MCP and OpenTelemetry stay out, as most commands need none of them.
_NEEDED = (
    "messagedb_agent.agents.connecting",
    "messagedb_agent.agents.database",
    "messagedb_agent.agents.models",
    "messagedb_agent.config",
    "messagedb_agent.consumers",
    "messagedb_agent.llm.offline",
    "messagedb_agent.observability.logging",
    "messagedb_agent.observability.tracing",
    "messagedb_agent.store.install",
    "messagedb_agent.store.message_db",
    "messagedb_agent.tools.loading",
    "platformdirs",
    "psycopg",
    "structlog",
)


def import_the_program() -> None:
    """Import what commands need, and put the commands together."""
    for module in pkgutil.walk_packages(cli.__path__, f"{cli.__name__}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in _NEEDED:
        import_module(name)
    app._program()
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket) -> list[str] | None:
    """Serve until nobody asks any more; in a process that was asked for, return its arguments."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that one is for those that asked
    while True:
        sign, descriptors, _, _ = socket.recv_fds(control, 1, DESCRIPTORS)
        if not sign:
            return None
        assert threading.active_count() == 1, "a fork would lose the other threads"
        if os.fork() == 0:
            control.close()
            return _begin(*descriptors)
        _close(*descriptors)
        with suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _begin(request: int, answer: int, *streams: int) -> list[str]:
    """Fork the process that was asked for, and return there; here, tell how it ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends who has only just been started
    pid = os.fork()
    if pid == 0:
        os.close(answer)
        return _become(request, *streams)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _close(request, *streams)
    os.write(answer, NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    os.write(answer, NUMBER.pack(status))
    os._exit(0)


def _become(request: int, *streams: int) -> list[str]:
    """Be as if the program had just been started."""
    with open(request, encoding="ascii") as file:
        asked = json.load(file)
    if asked["terminal"]:
        os.login_tty(streams[0])
        _close(*streams[1:])
    else:
        for number, given in enumerate(streams):
            os.dup2(given, number)
        _close(*streams)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    sys.path[0] = os.getcwd()
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(descriptor, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    arguments: list[str] = asked["arguments"]
    return arguments


def _stream(descriptor: int, before: TextIOWrapper) -> TextIOWrapper:
    """Return a standard stream as the interpreter opens it; PYTHONUNBUFFERED may be set."""
    direct = before.write_through
    mode, buffering = ("wb", 0 if direct else -1) if descriptor else ("rb", -1)
    binary = open(descriptor, mode, buffering, closefd=False)  # noqa: SIM115 - as the process is
    return TextIOWrapper(
        binary,
        encoding=before.encoding,
        errors=before.errors,
        newline="\n",
        line_buffering=not direct and (descriptor == 2 or binary.isatty()),
        write_through=direct,
    )


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    import_the_program()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        arguments = _serve(control)
    if arguments is not None:
        sys.argv[1:] = arguments
        runpy.run_module("messagedb_agent", run_name="__main__", alter_sys=True)

"""The program in processes of their own, each forked off one that has imported it already.

To import it takes ten times as long as most commands run. From there on such a process is like one
that was started anew: its number, streams, signals, threads and end are its own.
"""

import atexit
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from tests.fork_server import NUMBER

_SERVER = Path(__file__).with_name("fork_server.py")
# What the interpreter, or a library that it loads, reads once: when it starts.
_READ_AT_START = re.compile(r"PYTHON.*|LANG|LC_.*|TZ|LD_.*")


class Forked:
    """A run of the program; of `subprocess.Popen`, what tests of a running program need.

    Args:
        arguments: the command line.
        streams: descriptors for standard input, output and error; they stay the caller's.
        environment: all of it.
        terminal: whether the streams are a terminal that is to control the process.

    Attributes:
        pid: the number of the process.
        returncode: its exit code, or the negative number of the signal that ended it; None while
            nobody has looked.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        streams: tuple[int, int, int],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        terminal: bool = False,
    ) -> None:
        given = {"arguments": [*arguments], "environment": {**environment}, "terminal": terminal}
        assert _read_at_start(environment) == _read_at_start(_server()[1]), "start it anew"
        self.returncode: int | None = None
        self._answer, answer = os.pipe()
        with tempfile.TemporaryFile() as request:
            request.write(json.dumps({**given, "cwd": str(cwd or Path.cwd())}).encode())
            request.seek(0)
            socket.send_fds(_server()[0], [b"1"], [request.fileno(), answer, *streams])
        os.close(answer)
        (self.pid,) = NUMBER.unpack(os.read(self._answer, NUMBER.size))

    def poll(self) -> int | None:
        """Look whether it has ended, and return its exit code if so."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most some seconds; return its exit code."""
        if self.returncode is None:
            if not select.select([self._answer], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("messagedb-agent", timeout or 0)
            (status,) = NUMBER.unpack(os.read(self._answer, NUMBER.size))
            os.close(self._answer)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, signum: signal.Signals) -> None:
        """Send it a signal; one that has ended hears nothing of it."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it, whatever it does."""
        self.send_signal(signal.SIGKILL)


class Piped(Forked):
    """A run of the program whose standard streams are pipes.

    Attributes:
        stdin: where its standard input comes from.
        stdout: what it writes to standard output.
        stderr: what it writes to standard error.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, cwd: Path | None = None
    ) -> None:
        (its_in, stdin), (stdout, its_out), (stderr, its_err) = (os.pipe() for _ in range(3))
        # `communicate` closes them.
        self.stdin: IO[bytes] = open(stdin, "wb")  # noqa: SIM115 - see above
        self.stdout: IO[bytes] = open(stdout, "rb")  # noqa: SIM115 - see above
        self.stderr: IO[bytes] = open(stderr, "rb")  # noqa: SIM115 - see above
        super().__init__(arguments, (its_in, its_out, its_err), environment, cwd=cwd)
        for descriptor in (its_in, its_out, its_err):
            os.close(descriptor)

    def communicate(self, stdin: bytes = b"", timeout: float | None = None) -> tuple[bytes, bytes]:
        """Write its standard input, and return its standard output and error when it has ended.

        Raises:
            subprocess.TimeoutExpired: that took too long; it is killed.
        """
        errors: list[bytes] = []
        reading = threading.Thread(target=lambda: errors.append(self.stderr.read()))
        ending = threading.Timer(timeout or threading.TIMEOUT_MAX, self.kill)
        reading.start()
        ending.start()
        with suppress(BrokenPipeError):
            self.stdin.write(stdin)
            self.stdin.close()
        out = self.stdout.read()
        reading.join()
        self.wait()
        if not ending.is_alive():
            raise subprocess.TimeoutExpired("messagedb-agent", timeout or 0, out, errors[0])
        ending.cancel()
        for pipe in (self.stdout, self.stderr):
            pipe.close()
        return out, errors[0]


@cache
def _server() -> tuple[socket.socket, Mapping[str, str]]:
    """Start the process that is forked, once; return where to ask it, and its environment."""
    control, its_control = socket.socketpair()
    environment = dict(os.environ)
    server = subprocess.Popen(
        [sys.executable, str(_SERVER), str(its_control.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[its_control.fileno()],
        env=environment,
    )
    its_control.close()

    def end() -> None:
        control.close()
        server.wait()

    atexit.register(end)
    return control, environment


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _READ_AT_START.fullmatch(name)}

"""A command on a terminal of its own, and a person who types."""

import os
import pty
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.cli import PATIENCE_S
from tests.forked import Forked

_PRESS_AGAIN_S = 2.0


class Terminal:
    """The program on a pseudo-terminal.

    Args:
        arguments: the command line.
        environment: settings beside the test's own.

    Attributes:
        shown: all that it has shown so far.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.shown = ""
        self._seen = 0
        self._terminal, its_side = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", **environment}
        self._process = Forked(arguments, (its_side,) * 3, environment, terminal=True)
        os.close(its_side)

    def expect(self, text: str) -> str:
        """Wait until a text is shown behind what was expected last; return what stands before."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < deadline, self.shown
            assert self._read(), f"ended without {text!r}:\n{self.shown}"
        before = self.shown[self._seen : found]
        self._seen = found + len(text)
        return before

    def type(self, text: str) -> None:
        """Type a line."""
        self._write(text.encode() + b"\n")

    def press(self, key: str) -> None:
        """Press a key together with Ctrl."""
        self._write(bytes([ord(key.upper()) - 64]))

    def _write(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def wait(self, seconds: float) -> None:
        """Read on for a while, as a person does who looks at what comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._read(left):
            pass

    def press_until(self, key: str, text: str) -> None:
        """Press a key together with Ctrl, as often as it takes until a text is shown.

        Between a prompt and the read behind it Python hears Ctrl-C with the next key alone, and
        Ctrl-D is lost where readline sets the terminal up: a person would press again, too. Nobody
        presses so fast that the answer to one is cut short by the next.
        """
        self._again(lambda: self.press(key), text)

    def strike_until(self, key: str, text: str) -> None:
        """Strike a key, as often as it takes until a text is shown.

        What is typed before a program reads single keys, it throws away.
        """
        self._again(lambda: self._write(key.encode()), text)

    def _again(self, act: Callable[[], None], text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown[self._seen :]:
            assert time.monotonic() < deadline, self.shown
            with suppress(OSError):  # it has ended
                act()
            again = time.monotonic() + _PRESS_AGAIN_S
            while text not in self.shown[self._seen :] and time.monotonic() < again:
                if not self._read():
                    assert text in self.shown[self._seen :], self.shown
        self.expect(text)

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read():
            assert time.monotonic() < deadline, self.shown
        return self._process.wait()

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def _read(self, seconds: float = 1.0) -> bool:
        """Read a piece; False at the end."""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self._terminal, 65_536)
        except OSError:  # how Linux says that nobody is left on the other side
            return False
        self.shown += piece.decode(errors="replace").replace("\r\n", "\n")
        return bool(piece)


Opens = Callable[..., Terminal]
"""Opens the program on a terminal: by its arguments, and settings by name."""

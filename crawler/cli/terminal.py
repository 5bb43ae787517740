"""The terminal while a picture is on it: what is typed does not garble the picture, and in the end it is as it was.

A shell's type-ahead is left to the shell: nothing is read, but where somebody asks for keys. Ctrl-Z gives the terminal
back first, and ``fg`` takes it again. In the background nothing of the terminal is touched: it would stop the program
(SIGTTOU, SIGTTIN), or change the modes of the shell, which has it then.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from select import select
from typing import Any

_SHOW_CURSOR, _HIDE_CURSOR = b"\x1b[?25h", b"\x1b[?25l"
_LEAVE_SCREEN, _TAKE_SCREEN = b"\x1b[?1049l", b"\x1b[?1049h\x1b[H"
_MOST_AT_ONCE = 1024
_MOST_TYPED = 3
"""Keys that somebody has typed while the crawl was asked."""
_ESCAPE = b"\x1b"
_LOCAL_MODES, _CONTROL_CHARS = 3, 6
"""Where they stand in what termios tells."""


class Terminal:
    """The terminal at *fd*. With *keys* single keys can be read of it, with *screen* the picture has all of it.

    *forget* is called when the picture is not where it was any more.
    """

    def __init__(self, fd: int, *, keys: bool, screen: bool, forget: Callable[[], None]) -> None:
        self._fd, self._screen, self._forget = fd, screen, forget
        self.has_keys = keys and sys.platform != "win32"
        self._modes: list[Any] | None = None
        """The modes that it had at first."""
        self._is_taken = False
        """It has our modes now."""
        self._is_over = False
        self._typed: list[str] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have it within the block, whatever ends that."""
        if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {signal.SIGTSTP: self._stop, signal.SIGCONT: self._continued}
        before = {number: signal.getsignal(number) for number in handlers}
        # a shell may want it ignored
        ours = [number for number in handlers if before[number] is signal.SIG_DFL]
        try:
            for number in ours:
                signal.signal(number, handlers[number])
            self.is_ours()
            yield
        finally:
            self._is_over = True
            for number in ours:
                signal.signal(number, before[number])
            if self._is_in_front():
                self._restore_modes()

    def is_ours(self) -> bool:
        """Whether it is ours to draw on: not while the program is in the background. Takes it again after that."""
        if not self._is_in_front():
            self._is_taken = False
        elif self._is_over:
            return True
        elif not self._is_taken:
            is_again = self._modes is not None
            self._set_modes()
            self._is_taken = True
            if is_again:
                self._write((_TAKE_SCREEN if self._screen else b"") + _HIDE_CURSOR)
                self._forget()
        return self._is_taken

    def key(self, within_s: float) -> str:
        """The key that is pressed within that time; empty if none is, or one that is no character.

        A text that is pasted, and the sequence of an arrow, count as none.
        """
        if self._typed:
            return self._typed.pop(0)
        if sys.platform == "win32" or not self.has_keys or not self.is_ours():
            time.sleep(within_s)
            return ""
        ready, _, _ = select([self._fd], [], [], within_s)
        if not ready or not self.is_ours():
            return ""
        with _held_back(signal.SIGTTIN):  # in the background by now: an error, and no stop
            try:
                data = os.read(self._fd, _MOST_AT_ONCE)
            except OSError:
                time.sleep(within_s)
                return ""
        if not data:  # the terminal is gone
            self.has_keys = False
        if len(data) <= _MOST_TYPED and not data.startswith(_ESCAPE):
            self._typed = [char for char in data.decode("ascii", "replace") if char.isprintable()]
        return self._typed.pop(0) if self._typed else ""

    def _stop(self, *_: object) -> None:
        """SIGTSTP: as without us, but that the shell gets its terminal in order."""
        if sys.platform == "win32":
            return
        if self._is_taken:
            self._write(_SHOW_CURSOR + (_LEAVE_SCREEN if self._screen else b""))
            self._restore_modes()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # and here it stands, until somebody continues it
        signal.signal(signal.SIGTSTP, self._stop)
        self._is_taken = False
        self.is_ours()

    def _continued(self, *_: object) -> None:
        self._is_taken = False  # by SIGSTOP, which nobody hears: the shell has had the terminal meanwhile

    def _is_in_front(self) -> bool:
        if sys.platform == "win32":
            return True
        try:
            group = os.tcgetpgrp(self._fd)
        except OSError:  # it has no jobs: nobody else is there
            return True
        return group in {0, os.getpgrp()}  # 0 is a group outside this container

    def _set_modes(self) -> None:
        """No echo; and keys at once, where they are wanted. Ctrl-C and Ctrl-Z stay signals."""
        if sys.platform == "win32":
            return
        import termios

        with suppress(termios.error), _held_back(signal.SIGTTOU):
            modes = termios.tcgetattr(self._fd)
            if self._modes is None:
                self._modes = [*modes[:_CONTROL_CHARS], list(modes[_CONTROL_CHARS])]
            modes[_LOCAL_MODES] &= ~termios.ECHO
            if self.has_keys:
                modes[_LOCAL_MODES] &= ~termios.ICANON
                modes[_CONTROL_CHARS][termios.VMIN], modes[_CONTROL_CHARS][termios.VTIME] = 1, 0
            # TCSADRAIN would wait for Ctrl-Q after a Ctrl-S
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    def _restore_modes(self) -> None:
        if sys.platform == "win32" or self._modes is None:
            return
        import termios

        with suppress(termios.error), _held_back(signal.SIGTTOU):
            termios.tcsetattr(self._fd, termios.TCSANOW, self._modes)

    def _write(self, data: bytes) -> None:
        with suppress(OSError):
            os.write(self._fd, data)


@contextmanager
def _held_back(number: int) -> Iterator[None]:
    """Have the kernel refuse what would raise that signal."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

"""The processes of one Chromium, as the renderer sees them: started through ``launch``, ended with certainty."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import IO

from crawler.errors import BrowserFailed
from crawler.render import chromium
from crawler.text.plain_errors import plain

_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]);"
    "from crawler.render.launch import main; sys.exit(main(sys.argv[2:]))"
)
START_TIMEOUT_S = 30.0
_END_S = 5.0
_WORD_BYTES = 200
_STDERR_LINES = 20
_STDERR_LINE_BYTES = 500
_MAX_SAID = 1000  # characters


class Process:
    """A running Chromium. Raises BrowserFailed if it can't be started.

    ``incoming`` and ``outgoing`` are the descriptors of its DevTools pipe.
    """

    def __init__(self, program: Path) -> None:
        self._program = program
        theirs_in, self.outgoing = os.pipe()
        self.incoming, theirs_out = os.pipe()
        theirs_end, self._lifeline = os.pipe()
        passed = (theirs_in, theirs_out, theirs_end)
        command = [os.fsdecode(spawn.get_executable()), "-I", "-c", _BOOT, json.dumps(sys.path)]
        orders = [*map(str, passed), str(program), *chromium.flags()]
        try:
            self._launcher = subprocess.Popen(  # noqa: S603 - our own interpreter
                [*command, *orders],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                start_new_session=True,  # Ctrl-C is for the crawl, which ends it in its own time
            )
        except OSError as exc:
            for descriptor in (self.incoming, self.outgoing, self._lifeline):
                os.close(descriptor)
            raise BrowserFailed(f"its launcher could not be started: {plain(exc)}") from exc
        finally:
            for descriptor in passed:
                os.close(descriptor)
        assert self._launcher.stdout
        assert self._launcher.stderr
        self._said: deque[bytes] = deque(maxlen=_STDERR_LINES)
        self._ending = threading.Lock()
        self._listener = threading.Thread(
            target=self._listen, args=(self._launcher.stderr,), name="chromium-stderr", daemon=True
        )
        self._listener.start()
        try:
            self.isolation = self._isolation(self._launcher.stdout)  # NAMESPACES or FENCES of launch
        except BrowserFailed:
            os.close(self.incoming)
            os.close(self.outgoing)
            raise

    @property
    def pid(self) -> int:
        """The process id of the launcher, the ancestor of all others."""
        return self._launcher.pid

    @property
    def is_alive(self) -> bool:
        return self._launcher.poll() is None

    def end(self) -> None:
        """Kill all processes. Returns once they have ended; a second call does nothing."""
        with self._ending:
            if self._lifeline >= 0:
                os.close(self._lifeline)  # the launcher does it, and leaves nothing behind
                self._lifeline = -1
        try:
            self._launcher.wait(_END_S)
        except subprocess.TimeoutExpired:
            with suppress(OSError):
                os.killpg(self._launcher.pid, signal.SIGKILL)
            self._launcher.wait()
        self._listener.join(_END_S)  # until the last of them has closed its stderr

    def failure(self, why: str) -> BrowserFailed:
        """End all processes, and return the error to raise, with the end of stderr."""
        self.end()
        said = b"\n".join(self._said).decode("utf-8", "replace").strip()
        if "No usable sandbox" in said:
            said = (
                "it finds no sandbox for itself: permit user namespaces (sysctl kernel.unprivileged_userns_clone=1 or"
                " kernel.apparmor_restrict_unprivileged_userns=0; in a container seccomp must not forbid unshare),"
                " or run the renderer as root in a container of its own"
            )
        return BrowserFailed(f"{self._program}: {why}{': ' if said else ''}{said[-_MAX_SAID:]}")

    def _isolation(self, stdout: IO[bytes]) -> str:
        """The isolation that the launcher has reported."""
        end = time.monotonic() + START_TIMEOUT_S
        word = b""
        waiting = select.poll()
        waiting.register(stdout, select.POLLIN)
        with stdout:
            while not word.endswith(b"\n"):
                left_s = end - time.monotonic()
                if left_s <= 0 or not waiting.poll(left_s * 1000):
                    raise self.failure(f"it did not start within {START_TIMEOUT_S:.0f} s")
                part = os.read(stdout.fileno(), _WORD_BYTES)
                if not part:
                    raise self.failure("it did not start")
                word = (word + part)[-_WORD_BYTES:]
        return word.decode("utf-8", "replace").strip()

    def _listen(self, stderr: IO[bytes]) -> None:
        """Read stderr for ever: a full pipe would stop Chromium."""
        with stderr:
            while line := stderr.readline(_STDERR_LINE_BYTES):
                self._said.append(line.strip())
        self._launcher.wait()  # it is no zombie, though nobody may ask for it

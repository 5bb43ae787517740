"""Child processes: forked by a fork server or spawned, stopped by a message, ended when their parent is gone.

One pipe joins parent and child. The parent sends "stop" on it; if the pipe breaks, the parent is gone, and the child
ends too. The child reports that it is ready, what it logs, and why it failed. Processes share no lock, so
that one that is killed can never block another.

Where there is a fork server (``crawler.forkserver``) it forks the children, else multiprocessing spawns them. A child
cannot tell the difference, but for the time that its start takes.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol, TypeVarTuple

import msgspec

from crawler import errors
from crawler.errors import FAULT
from crawler.forkserver.client import ForkClient, NotForkedError, interrupts_held
from crawler.forkserver.server import name_process
from crawler.logs.events import PROCESS_FAILED, STDERR, tell
from crawler.logs.setup import LogLine, Sender, heard
from crawler.metrics.figures import WorkerFigures
from crawler.text.display import clean_the_streams
from crawler.text.plain_errors import exit_status

log = logging.getLogger(__name__)

_Args = TypeVarTuple("_Args")
_ORPHAN_GRACE_S = 3.0
_STOP = b"stop"
_STDERR = 2
_LAST_WORDS_S = 1.0
_LISTENING_S = 0.1
_MAX_LINE = 10_000  # characters


class ChildMessage(msgspec.Struct, frozen=True):
    """A message from a child to its parent."""

    about: str
    """``ready``, ``busy``, ``figures``, ``failed``, ``finished`` or ``log``."""
    text: str = ""
    name: str = ""
    """The class of the error that the child failed with."""
    line: LogLine | None = None
    """The line of the child's log."""
    figures: WorkerFigures | None = None
    """What a worker has done so far, if anybody wants to know."""


class ParentLink:
    """The child's end of the pipe. ``forks`` is the fork server, for children of the child; None if there is none."""

    def __init__(self, pipe: Connection, forks: ForkClient | None = None) -> None:
        self._pipe = pipe
        self.forks = forks
        self._saying = threading.Lock()
        self._on_stop: Callable[[], None] = lambda: None
        self.stopped = threading.Event()

    def watch(self) -> None:
        """Wait in a thread for the parent's stop, or for its end; after that the process has seconds left."""
        threading.Thread(target=self._watch, name="parent", daemon=True).start()

    def on_stop(self, call: Callable[[], None]) -> None:
        """Set the call to make on stop, in place of the one before; make it at once if stop has come."""
        self._on_stop = call
        if self.stopped.is_set():
            call()

    def _watch(self) -> None:
        try:
            self._pipe.recv_bytes()
        except (EOFError, OSError):
            timer = threading.Timer(_ORPHAN_GRACE_S, os._exit, args=(1,))
            timer.daemon = True
            timer.start()
        self.stopped.set()
        self._on_stop()

    def say(self, word: ChildMessage) -> None:
        with suppress(OSError), self._saying:  # the parent has gone, and _watch has seen it
            self._pipe.send_bytes(msgspec.json.encode(word))

    def report(self, text: str) -> None:
        """Tell people what takes its time; the parent goes on waiting until the child is ready."""
        self.say(ChildMessage("busy", text=text))


class _Process(Protocol):
    """A process of multiprocessing, or one of the fork server's."""

    @property
    def pid(self) -> int | None: ...
    @property
    def exitcode(self) -> int | None: ...
    def join(self, timeout: float | None = None) -> None: ...
    def kill(self) -> None: ...


class _Orders(NamedTuple):
    """What a child is told at its start."""

    name: str
    main: Callable[..., None]
    args: tuple[object, ...]
    log_level: int


class Child:
    """A child process, as its parent sees it. *main* gets a ParentLink and then *args*, which are pickled.

    *forks* is the fork server to ask for the process. It has loaded the stage whose key is the module of *main*.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[ParentLink, *_Args], None],
        *args: *_Args,
        forks: ForkClient | None = None,
    ) -> None:
        self.name = name
        self.said = ""
        """The text of its latest ``ready``."""
        self.ready = False
        self.busy = ""
        """What it reported last, before it was ready."""
        self.figures = WorkerFigures()
        """What it has told of its work last."""
        self.failure: errors.CrawlerError | None = None
        self._has_finished = False
        orders = _Orders(name, main, args, logging.getLogger("crawler").getEffectiveLevel())
        self.pipe: Connection
        """Readable when the child has sent something, or has ended."""
        self.pipe, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = self._forked(orders, theirs, forks) or self._spawned(orders, theirs)
        # at the interpreter's exit before multiprocessing waits for the process, which ignores its SIGTERM
        weakref.finalize(self, self._process.kill)

    def _forked(self, orders: _Orders, theirs: Connection, forks: ForkClient | None) -> _Process | None:
        if forks is None:
            return None
        try:
            needs = orders.main.__module__
            process = forks.fork(f"{__name__}:forked", theirs.fileno(), forks.fileno(), needs=needs)
        except NotForkedError:
            return None
        theirs.close()
        with suppress(OSError):  # it has been killed, and its exit code tells
            self.pipe.send(orders)
        return process

    @staticmethod
    def _spawned(orders: _Orders, theirs: Connection) -> _Process:
        process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(orders, theirs), daemon=True
        )
        with interrupts_held(), _main_module_hidden(), _children_allowed():
            process.start()
        return process

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def exitcode(self) -> int | None:
        """None while the child runs; negative for the signal that killed it."""
        code = self._process.exitcode
        return 0 if code is not None and self._has_finished else code

    @property
    def why_ended(self) -> str:
        """The failure that an ended child has told, or else its exit status in words."""
        return str(self.failure or exit_status(self.exitcode or 0))

    def listen(self, wait_s: float = 0.0) -> bool:
        """Read what the child has sent, for a moment at the most if it sends on and on.

        Returns whether there was more than lines of its log and figures: another message, or its end.
        """
        end, is_news = time.monotonic() + wait_s + _LISTENING_S, False
        try:
            while self.pipe.poll(wait_s):
                word = msgspec.json.decode(self.pipe.recv_bytes(), type=ChildMessage)
                self._heard(word)
                is_news = is_news or word.about not in {"log", "figures"}
                wait_s = 0.0
                if time.monotonic() > end and self._process.exitcode is None:
                    break
        except (EOFError, OSError):
            self._process.join(timeout=5)
            return True
        return is_news

    def _heard(self, word: ChildMessage) -> None:
        match word.about:
            case "ready":
                self.ready, self.said = True, word.text
            case "busy":
                self.busy = word.text
            case "failed":
                self.failure = getattr(errors, word.name)(word.text)
            case "finished":
                self._has_finished = True
            case "figures":
                self.figures = word.figures or self.figures
            case _:
                if word.line is not None:
                    heard(word.line, child=self.name)

    def stop(self) -> None:
        """Ask the child to end; it finishes what it has begun."""
        with suppress(OSError):  # it has ended
            self.pipe.send_bytes(_STOP)

    def join(self, timeout_s: float) -> bool:
        """Wait for the child to end, and read what it still sends; whether it ended in time."""
        end = time.monotonic() + timeout_s
        while self._process.exitcode is None and (left_s := end - time.monotonic()) > 0:
            self.listen(min(left_s, _LISTENING_S))
        return self._process.exitcode is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()


def forked(pipe: int, forks: int) -> None:
    """What a process of the fork server does: it is told on that pipe."""
    parent = Connection(pipe)
    try:
        orders = parent.recv()
    except (EOFError, OSError):  # the parent has gone
        return
    _run(orders, parent, ForkClient(socket.socket(fileno=forks)))


def _run(orders: _Orders, pipe: Connection, forks: ForkClient | None = None) -> None:
    name_process(orders.name)
    # Ctrl-C reaches the whole group, and so does SIGTERM from a service manager; the parent decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    parent = ParentLink(pipe, forks)
    parent.watch()
    # one process writes to the terminal, not five
    sender = Sender(lambda line: parent.say(ChildMessage("log", line=line)))
    logging.basicConfig(level=logging.WARNING, handlers=[sender])
    logging.getLogger("crawler").setLevel(orders.log_level)
    try:
        with _stderr_is_logged():
            _carry_out(parent, orders)
    finally:
        sender.flush()


def _carry_out(parent: ParentLink, orders: _Orders) -> None:
    try:
        orders.main(parent, *orders.args)
        parent.say(ChildMessage("finished"))
    except errors.CrawlerError as exc:
        parent.say(ChildMessage("failed", text=str(exc), name=type(exc).__name__))
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the parent is told, and the log
        tell(log, PROCESS_FAILED, exc_info=True, what="this process has failed")
        parent.say(ChildMessage("failed", text=FAULT, name="CrawlerError"))
        sys.exit(1)


@contextmanager
def _stderr_is_logged() -> Iterator[None]:
    """Turn what this process and its own children write to stderr into lines of its log.

    Tracebacks of threads, warnings and libraries in C may quote what a server has sent: a terminal would obey it.
    """
    clean_the_streams()  # for what comes after
    try:
        before = os.dup(_STDERR)
    except OSError:  # there is none
        yield
        return
    read, write = os.pipe()
    os.dup2(write, _STDERR)
    os.close(write)
    end = secrets.token_hex()  # a decoder that is still there has the pipe, too: it may never be closed
    reader = threading.Thread(target=_log_lines, args=(read, end), name="stderr", daemon=True)
    reader.start()
    try:
        yield
    finally:
        os.write(_STDERR, f"\n{end}\n".encode())
        os.dup2(before, _STDERR)
        os.close(before)
        reader.join(_LAST_WORDS_S)


def _log_lines(read: int, end: str) -> None:
    with open(read, encoding="utf-8", errors="replace") as said:
        while (line := said.readline(_MAX_LINE)) and line.strip() != end:
            if line.strip():
                with suppress(Exception):  # who does not read on has the others wait
                    tell(log, STDERR, line=line.rstrip("\n"))


@contextmanager
def _children_allowed() -> Iterator[None]:
    """Let a daemonic process, such as a worker of multiprocessing.Pool, start a child: ours never outlive it."""
    process = multiprocessing.current_process()
    before, process.daemon = process.daemon, False
    try:
        yield
    finally:
        process.daemon = before


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep spawn from importing the caller's main module in the child, which needs nothing of it.

    Else a script with ``crawler.crawl(url)``, without ``if __name__ == "__main__"``, would run anew in each child.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main

"""A manager for others to attack, in a process of its own: ``python -m tests.e2e.manager_process OPTIONS``.

Serves an empty ledger until its standard input ends. Says "ready PORT" when it listens. Never pickles.
"""

from __future__ import annotations

import logging
import os
import pickle
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection as mp_connection
from multiprocessing import reduction
from pathlib import Path

import msgspec

from crawler.config import QueueConfig, ScopeConfig
from crawler.queues import QueueResults
from crawler.queues.ledger import Ledger
from crawler.queues.rpc.manager import QueueManager
from tests.support.certificates import held_in
from tests.support.queues import AUTHKEY

TICK_S = 0.1


class Options(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    keys: str = ""
    """The folder of the manager's certificate; empty for plain TCP."""
    descriptors: int = 0
    """How many it may have; 0 for as many as anybody."""
    threads: int = 0
    """The same; more can't be started."""


def forbid_pickle(replace: Callable[[object, str, object], None] = setattr) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("pickle was used")

    for name in ("loads", "dumps", "load", "dump", "Pickler", "Unpickler"):
        replace(pickle, name, never)
    for name in ("loads", "dumps", "__init__"):
        replace(reduction.ForkingPickler, name, never)
    replace(mp_connection, "_ForkingPickler", never)


def limit_threads(most: int) -> None:
    """As the system does it; that counts all of a user's, and not root's."""
    start = threading.Thread.start

    def start_if_there_is_room(thread: threading.Thread) -> None:
        if threading.active_count() >= most:
            raise RuntimeError("can't start new thread")
        start(thread)

    threading.Thread.start = start_if_there_is_room  # type: ignore[method-assign]


def main(options: Options) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    forbid_pickle()
    ledger = Ledger(Path(options.folder, "crawl.db"), queue=QueueConfig(), scope=ScopeConfig(), new_run=True)
    tls = held_in(Path(options.keys)) if options.keys else None
    if tls is not None:
        tls.check(server_side=True)
    manager = QueueManager(("127.0.0.1", 0), AUTHKEY, tls=tls)
    server = manager.server(ledger, QueueResults(ledger))
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with server:
        print("ready", server.listener.address[1], flush=True)
        if options.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors))
        if options.threads:
            limit_threads(options.threads)
        while not ended.wait(TICK_S):
            ledger.tick()
    ledger.close()


@dataclass(frozen=True)
class ManagerProcess:
    """One that runs, seen from outside."""

    pid: int
    address: tuple[str, int]
    log: Path

    def rss_mib(self) -> float:
        return self._status("VmRSS") / 1024

    def threads(self) -> int:
        return self._status("Threads")

    def cpu_s(self) -> float:
        """Since it was started, of user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0])
        raise AssertionError(f"no {name} of process {self.pid}")


@contextmanager
def manager_process(options: Options) -> Iterator[ManagerProcess]:
    """Ended by the end of its input; killed if that does not help."""
    log = Path(options.folder, "manager.log")
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", __name__, msgspec.json.encode(options).decode()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            word, _, port = process.stdout.readline().decode().partition(" ")
            assert word == "ready", log.read_text(encoding="utf-8")
            yield ManagerProcess(process.pid, ("127.0.0.1", int(port)), log)
            process.stdin.close()
            assert process.wait(10) == 0, log.read_text(encoding="utf-8")
        finally:
            process.kill()


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Options))

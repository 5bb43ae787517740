"""A client's connection pool: one connection for each call under way, kept for the next call."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crawler.queues.rpc.wire import Connection

_MOST_IDLE = 3
"""One each for leases, heartbeats and results. Uploads of images may be many at a time, but for a moment only."""


class ConnectionPool:
    """Gives each call an idle connection, or a new one: made by *dial*, and authenticated by *greet*.

    Thread-safe, and fork-safe. Invariant: ``_idle`` is part of ``_open``; the rest of it is in use by one call each.
    """

    def __init__(self, dial: Callable[[], Connection], greet: Callable[[Connection], None]) -> None:
        self._dial = dial
        self._greet = greet
        self._forget()
        _pools.add(self)

    def _forget(self) -> None:
        """Start empty, closing nothing: after a fork the connections are the parent's."""
        self._mutex = threading.Lock()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._abandoned = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for one exchange.

        After any exception in it, neither this connection nor the idle ones are used again: a reply may still be under
        way, or the manager may have gone.
        """
        connection = self._take()
        try:
            yield connection
        except BaseException:
            with self._mutex:
                idle, self._idle = self._idle, []
            self._drop([connection, *idle])
            raise
        with self._mutex:
            kept = len(self._idle) < _MOST_IDLE
            if kept:
                self._idle.append(connection)
        if not kept:
            self._drop([connection])

    def interrupt(self) -> None:
        """Make exchanges fail: those under way, and later ones."""
        with self._mutex:
            self._abandoned = True
            for connection in self._open:
                connection.interrupt()

    def close(self) -> None:
        """Close all connections; no exchange may be under way."""
        with self._mutex:
            connections, self._open = self._open, set()
            self._idle.clear()
        for connection in connections:
            connection.close()

    def _take(self) -> Connection:
        with self._mutex:
            if self._idle:
                return self._idle.pop()
        connection = self._dial()
        with self._mutex:
            self._open.add(connection)
            if self._abandoned:
                connection.interrupt()  # interrupt() came too early to see it
        try:
            self._greet(connection)
        except BaseException:
            self._drop([connection])
            raise
        return connection

    def _drop(self, connections: list[Connection]) -> None:
        with self._mutex:
            self._open.difference_update(connections)
        for connection in connections:
            connection.close()


_pools: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._forget()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

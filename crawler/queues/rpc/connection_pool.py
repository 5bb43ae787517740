"""A client's connections to the manager: one for each call that is under way, kept for the next one."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crawler.queues.rpc.wire import Connection

_MOST_IDLE = 3  # lease, heartbeat, results; images on their way to the manager may be many, for a moment


class ConnectionPool:
    """Gives each call a connection of its own: an idle one, or else what *dial* makes and *greet* has made fit for use.

    Thread-safe, and fork-safe.
    """

    def __init__(self, dial: Callable[[], Connection], greet: Callable[[Connection], None]) -> None:
        self._dial = dial
        self._greet = greet
        self._forget()
        _everyones.add(self)

    def _forget(self) -> None:
        """Begin anew, without closing anything: after a fork the connections are the parent's."""
        self._mutex = threading.Lock()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._abandoned = False

    @contextmanager
    def link(self) -> Iterator[Connection]:
        """A connection for one exchange.

        If that fails in whatever way, an answer may still be on its way, or the manager may have gone: neither this
        connection nor those that lie idle are used again.
        """
        link = self._take()
        try:
            yield link
        except BaseException:
            self._drop([link, *self._take_idle()])
            raise
        with self._mutex:
            kept = len(self._idle) < _MOST_IDLE
            if kept:
                self._idle.append(link)
        if not kept:
            self._drop([link])

    def interrupt(self) -> None:
        """Make the exchanges fail that are under way, and later ones too."""
        with self._mutex:
            self._abandoned = True
            for link in self._open:
                link.interrupt()

    def close(self) -> None:
        """Close all connections; no exchange may be under way."""
        with self._mutex:
            links, self._open = self._open, set()
            self._idle.clear()
        for link in links:
            link.close()

    def _take(self) -> Connection:
        with self._mutex:
            if self._idle:
                return self._idle.pop()
        link = self._dial()
        with self._mutex:
            self._open.add(link)
            if self._abandoned:
                link.interrupt()  # interrupt() came too early to see it
        try:
            self._greet(link)
        except BaseException:
            self._drop([link])
            raise
        return link

    def _take_idle(self) -> list[Connection]:
        with self._mutex:
            idle, self._idle = self._idle, []
            return idle

    def _drop(self, links: list[Connection]) -> None:
        with self._mutex:
            self._open.difference_update(links)
        for link in links:
            link.close()


_everyones: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()


def _after_fork() -> None:
    for links in list(_everyones):
        links._forget()  # noqa: SLF001 - of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

"""The pool of child processes of one worker: hands out free children, kills late ones, replaces dead ones.

Invariants, all guarded by the pool's mutex: a child is in ``_alive`` from its start until it is discarded; it is in
``_idle`` only while no thread uses it, and whoever uses it ends it; ``len(_alive) + _starting`` never exceeds *most*;
``child.due`` is set only while the child computes, not while it waits for memory or for us.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager

from crawler.crawlfile.columns import UNREADABLE
from crawler.errors import InternalError, OutOfMemory, TaskError, TooMuchMemory
from crawler.forkserver.client import ForkClient
from crawler.sandbox.child import Child, OutOfMemoryError
from crawler.sandbox.child_main import ChildOrders
from crawler.sandbox.memory_budget import Budget, Grant
from crawler.text.plain_errors import exit_status, plain

_REQUESTS_PER_CHILD = 20_000  # a child that has grown ends earlier
_START_S = 60.0
_STARTS = 4
_START_PAUSE_S = 0.5
_SIGALRM = getattr(signal, "SIGALRM", 0)
_SIGKILL = getattr(signal, "SIGKILL", 0)
PATIENCE_S = 0.2
_ROOM_FOR_REQUEST = 3
"""Factor for the memory of a request before its work asks for more: the request itself, and a first result hardly twice
as large.
"""


class LateError(Exception):
    """The work exceeded its time limit; the child has been killed."""


class CrashedError(Exception):
    """The child crashed; the text says how."""


class KilledError(Exception):
    """The child was killed by another process, most likely by the system for want of memory."""


_ITS_OWN = (LateError, OutOfMemoryError, InternalError)
"""Failures that another child would not avoid."""


@contextmanager
def raised_as(
    *,
    late: type[TaskError],
    crashed: type[TaskError],
    worker: str,
    work: str,
    done: str,
    timeout_s: float,
    setting: str,
) -> Iterator[None]:
    """Raise the failures of a call as errors of one URL.

    *worker* names what does the work (``decoder``), *work* what it does (``decode``), *done* what was to be *done*
    (``decoded``) within *timeout_s*, the value of *setting*.
    """
    try:
        yield
    except LateError as exc:
        raise late(f"it was not {done} within {timeout_s:g} s ({setting})") from exc
    except OutOfMemoryError as exc:
        raise TooMuchMemory(f"to {work} it takes more memory than there is (memory_budget_bytes)") from exc
    except KilledError as exc:
        raise OutOfMemory(
            f"its {worker} was killed, as it happens when the machine is short of memory"
        ) from exc
    except CrashedError as exc:
        raise crashed(f"its {worker} broke down, with {exc}") from exc
    except UNREADABLE as exc:
        raise crashed(f"its {worker} gave no sound reply") from exc


class Pool(AbstractContextManager["Pool"]):
    """At most *most* children that work as *orders* say, for several threads; ``close`` ends them all.

    Memory beyond their allowance comes from *budget*. *what* names the children in messages. At most ``most - 1``
    requests of more than *large_bytes* (but at least one) are worked on at a time, so that small requests need not wait
    for all large ones. *forks* is the fork server to ask for children.

    *at_once* is how many children work at a time while each is done within a moment; 0 for *most*. More than there are
    cores only take the cores from each other. A request that has waited PATIENCE_S no longer heeds that: others may be
    at work for long.

    Replies are bytes that the caller has to validate: a child may be under a stranger's control.
    """

    def __init__(
        self,
        orders: ChildOrders,
        *,
        most: int,
        budget: Budget,
        what: str,
        at_once: int = 0,
        large_bytes: int = sys.maxsize,
        forks: ForkClient | None = None,
    ) -> None:
        self._orders = orders
        self._forks = forks
        self._most = most
        self._at_once = min(at_once or most, most)
        self._budget = budget
        self._what = what
        self._mutex = threading.Lock()
        self._child_free = threading.Condition(self._mutex)
        """Notified for each child that becomes free and for each that may be started. Wakes one thread at a time:
        waking all cost more than the work.
        """
        self._large_done = threading.Condition(self._mutex)
        self._idle: list[Child] = []
        self._alive: set[Child] = set()
        self._starting = 0
        self._large_bytes = large_bytes
        self._large = 0
        """Number of large requests that have a child, or are about to."""
        self._closing = threading.Event()
        self._watching = False
        self._last_resort = weakref.finalize(self, _end, self._alive)

    def call(self, *request: bytes) -> Generator[bytes]:
        """The parts of the reply to *request*, as they come; the child is taken until the last part is consumed.

        Raises LateError, CrashedError and OutOfMemoryError, which are the request's doing; KilledError, which is not;
        InternalError when no child can be started or the pool is closed. A request whose child dies is given to another
        child once, if the child had served other requests: it may have been dead before; or if it died for want of
        memory of which there is more.
        """
        least_bytes, is_retry = 0, False
        while True:
            parts = 0
            try:
                with self._turn(request):
                    child = self._taken(is_new=is_retry)
                    for part in self._asked(child, request, least_bytes):
                        parts += 1
                        yield part
            except (EOFError, OutOfMemoryError) as exc:
                failure = self._failure(child, exc)
                is_short = isinstance(failure, OutOfMemoryError) and not least_bytes
                if not parts and is_short and child.allowed_bytes < self._orders.most_bytes:
                    least_bytes = self._orders.most_bytes
                elif parts or is_retry or child.requests == 1 or isinstance(failure, _ITS_OWN):
                    raise failure from exc
                is_retry = True
            else:
                return

    def _failure(self, child: Child, error: Exception) -> Exception:
        """The error that stands for the failure of a child."""
        if self._closing.is_set():
            return InternalError(f"the {self._what}s were closed while they had work")
        code = child.end()
        if child.overdue or code == -_SIGALRM != 0:
            return LateError()
        if isinstance(error, OutOfMemoryError):
            return error
        if code == -_SIGKILL != 0:
            return KilledError()
        return OutOfMemoryError() if child.was_full() else CrashedError(exit_status(code))

    def _asked(self, child: Child, request: tuple[bytes, ...], least_bytes: int) -> Iterator[bytes]:
        """As Child.ask, within the time limit and the memory budget, of which it has *least_bytes* from the beginning.
        Raises EOFError for whatever the child dies of.
        """
        memory = _Memory(self._budget, self._closing)
        left_s = self._orders.timeout_s

        def need(size_bytes: int) -> int:
            nonlocal left_s
            left_s = self._stopped(child, left_s)  # else a child that keeps asking would never be late
            granted_bytes = memory.take(size_bytes)
            self._set_due(child, time.monotonic() + left_s)
            return granted_bytes

        is_sound = False
        try:
            size_bytes = _ROOM_FOR_REQUEST * sum(map(len, request))
            wanted_bytes = max(size_bytes, least_bytes)
            granted_bytes = need(wanted_bytes if wanted_bytes > self._orders.allowance_bytes else 0)
            begun = False
            for part in child.ask(request, granted_bytes=granted_bytes, need=need):
                left_s = self._stopped(child, left_s)  # the child may have to wait for us now
                if not begun:  # the work is done, only its reply is left
                    begun, left_s = True, self._orders.timeout_s
                yield part
                self._set_due(child, time.monotonic() + left_s)
            is_sound = True
        except OSError as exc:
            raise EOFError from exc
        except (EOFError, OutOfMemoryError):
            raise
        except BaseException:
            child.kill()  # with half of its reply unread it can't be used again
            raise
        finally:
            is_kept = self._returned(child, is_sound=is_sound)
            if not is_kept:
                child.end()  # before its memory is granted to another
            memory.release()
            if is_kept:
                self._offer(child)

    @contextmanager
    def _turn(self, request: tuple[bytes, ...]) -> Iterator[None]:
        """Wait for the turn of a large request; small ones have no turn."""
        if sum(map(len, request)) <= self._large_bytes:
            yield
            return
        with self._mutex:
            while self._large >= max(1, self._most - 1) and not self._closing.is_set():
                self._large_done.wait()
            self._large += 1
        try:
            yield
        finally:
            with self._mutex:
                self._large -= 1
                self._large_done.notify()

    def _stopped(self, child: Child, left_s: float) -> float:
        """Stop the child's clock; returns the seconds left, *left_s* if the clock did not run."""
        with self._mutex:
            due, child.due = child.due, None
        return left_s if due is None else max(0.0, due - time.monotonic())

    def _set_due(self, child: Child, due: float | None) -> None:
        with self._mutex:
            child.due = due

    def _taken(self, *, is_new: bool) -> Child:
        """A free child, or a new one; with *is_new* a new one, if one more may be started."""
        patient_until = time.monotonic() + PATIENCE_S
        with self._mutex:
            while not (self._closing.is_set() or self._has_room(patient=time.monotonic() < patient_until)):
                left_s = patient_until - time.monotonic()
                self._child_free.wait(left_s if left_s > 0 else None)
            if self._closing.is_set():
                raise InternalError(f"the {self._what}s are closed")
            if self._idle and not (is_new and len(self._alive) + self._starting < self._most):
                return self._idle.pop()  # the last one used has warm caches
            self._starting += 1
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name=f"{self._what}s", daemon=True).start()
        started = None
        try:
            started = self._started()
        finally:
            with self._mutex:
                self._starting -= 1
                if started is None:
                    self._child_free.notify()
                elif not self._closing.is_set():
                    self._alive.add(started)
        if self._closing.is_set():
            started.end()
            raise InternalError(f"the {self._what}s are closed")
        return started

    def _has_room(self, *, patient: bool) -> bool:
        """Whether a child may take a request now; *patient* is who heeds that there are only so many cores."""
        there = len(self._alive) + self._starting
        at_work = there - len(self._idle)
        return at_work < (self._at_once if patient else self._most)

    def _started(self) -> Child:
        problem = ""
        for turn in range(_STARTS):  # processes or memory may be scarce only for a moment
            if turn and self._closing.wait(_START_PAUSE_S * 2**turn):
                break
            try:
                child = Child(self._orders, self._forks)
            except OSError as exc:
                problem = plain(exc)
                continue
            timer = threading.Timer(_START_S, child.kill)
            timer.start()
            try:
                if child.is_ready():
                    return child
            finally:
                timer.cancel()
            problem = exit_status(child.end())
        raise InternalError(f"no {self._what} can be started: {problem}")

    def _returned(self, child: Child, *, is_sound: bool) -> bool:
        """Take the child back; returns whether it may be used again."""
        with self._mutex:
            child.due = None
            is_kept = (
                is_sound
                and not (child.overdue or child.is_spent)
                and child.requests < _REQUESTS_PER_CHILD
                and not self._closing.is_set()
            )
            if not is_kept:
                self._alive.discard(child)
                self._child_free.notify()
        return is_kept

    def _offer(self, child: Child) -> None:
        with self._mutex:
            if not self._closing.is_set():
                self._idle.append(child)
                self._child_free.notify()
                return
        child.end()

    def _watch(self) -> None:
        """Kill late children.

        All requests have the same time, so one that begins while this thread sleeps is not due before it wakes up. Only
        a request that goes on after a wait for memory may be overdue by then: it has up to twice its time.
        """
        sleep_s = 0.0
        while not self._closing.wait(sleep_s):
            with self._mutex:
                now = time.monotonic()
                sleep_s = self._orders.timeout_s
                for child in self._alive:
                    if child.due is None:
                        continue
                    if child.due <= now:
                        child.overdue = True
                        child.kill()
                    else:
                        sleep_s = min(sleep_s, child.due - now)

    def close(self) -> None:
        """End all children, also busy ones; may be called twice.

        Busy ones are killed here and ended by the threads that use them: those still hold their pipes.
        """
        self._closing.set()
        with self._mutex:
            self._child_free.notify_all()
            self._large_done.notify_all()
            idle = set(self._idle)
            for child in self._alive - idle:
                child.kill()
            self._alive.clear()
            self._idle.clear()
        _end(idle)

    def __exit__(self, *error: object) -> None:
        self.close()


class _Memory:
    """The memory that one request holds of the budget."""

    def __init__(self, budget: Budget, closing: threading.Event) -> None:
        self._budget = budget
        self._closing = closing
        self._grant: Grant | None = None

    def take(self, size_bytes: int) -> int:
        """Take *size_bytes* in all, or the whole budget if that is less. Raises EOFError when the pool is closed
        meanwhile.
        """
        self.release()  # holding some while waiting for more may deadlock
        if not size_bytes:
            return 0
        self._grant = self._budget.take(size_bytes, given_up=self._closing.is_set)
        if self._grant is None:
            raise EOFError
        return self._grant.size_bytes

    def release(self) -> None:
        if self._grant is not None:
            self._grant.release()
            self._grant = None


def _end(children: set[Child]) -> None:
    for child in children:
        child.kill()
    for child in list(children):
        child.end()

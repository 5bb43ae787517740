"""How long something may take, in the processor's time of one thread, without a tracer and without the collector.

Coverage makes lines of Python up to ten times slower. What is measured would then say more of it than of the code, and
a limit that suits both would find nothing. A collection goes over all objects of the process, most of which are other
tests': it took 0.3 s within what takes 0.05.

Limits are in seconds of the machine that they were written on. On a slower or a busier one, whose caches are shared and
whose cores are hyperthreads, they are as much longer as a piece of work takes longer that is known, see ``slowness``.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HOSTILE_BYTES = 2**20 if sys.gettrace() is None else 2**18
"""Of input that is as bad as can be; less in CI, where there is little time for it."""
_REFERENCE_S = 0.042
"""What ``reference`` takes on the machine that limits are written for."""
_SLACK = 3


@contextmanager
def untraced() -> Iterator[None]:
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


class Spent:
    """Processor time, of this thread."""

    s = 0.0


@contextmanager
def spent() -> Iterator[Spent]:
    """By what is done within it."""
    taken, begun = Spent(), time.thread_time()
    yield taken
    taken.s = time.thread_time() - begun


@contextmanager
def _measured() -> Iterator[Spent]:
    was_enabled = gc.isenabled()
    with untraced():
        gc.disable()
        try:
            with spent() as taken:
                yield taken
        finally:
            if was_enabled:
                gc.enable()


def cpu_s(work: Callable[[], object], *, times: int = 1) -> float:
    """Seconds that *work* takes: the least of so many *times*."""
    took_s = []
    for _ in range(times):
        with _measured() as taken:
            work()
        took_s.append(taken.s)
    return min(took_s)


@contextmanager
def cpu_below(limit_s: float) -> Iterator[None]:
    """What is done within it takes less than so many seconds, of a machine as fast as that of the limit."""
    with _measured() as taken:
        yield
    taken_s = taken.s
    if taken_s >= limit_s:  # nobody waits for the reference but where it is needed
        slower = slowness()
        assert taken_s < limit_s * slower, f"it took {taken_s:.2f} s, on a machine {slower:.1f} times slower"


def allowed_s(limit_s: float) -> float:
    """*limit_s* on this machine, as busy as it is now."""
    return limit_s * slowness()


def soon(taken_s: float, limit_s: float) -> bool:
    """Whether *taken_s* of a wall clock is within *limit_s*, which is for a quiet machine.

    Three times the limit is always allowed, and more on a machine that is busy now. Such a limit tells a call that is
    woken from one that waits until its time is up, which has to be ten times the limit or more.
    """
    return taken_s < _SLACK * limit_s or taken_s < _SLACK * limit_s * _business()


def _business() -> float:
    took_s = []
    for _ in range(5):
        begun = time.monotonic()
        reference()
        took_s.append(time.monotonic() - begun)
    return max(1.0, max(took_s) / _REFERENCE_S)


def slowness() -> float:
    """How much slower the machine is now than the one limits are written for; 1 if it is as fast or faster."""
    return max(1.0, cpu_s(reference) / _REFERENCE_S)


def reference() -> None:
    """What parsers do: steps in Python, small objects, searches in C."""
    text = "ab" * 4_000
    sorted([(str(number), number % 7) for number in range(200_000)])
    for number in range(2_000):
        text.find(f"b{number}")

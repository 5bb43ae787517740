"""How long something may take, measured in the processor's time of this process and without a tracer.

Coverage makes lines of Python up to ten times slower. What is measured would then say more of it than of the code, and
a limit that suits both would find nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HOSTILE_BYTES = 2**20 if sys.gettrace() is None else 2**18
"""Of input that is as bad as can be; less in CI, where there is little time for it."""


@contextmanager
def untraced() -> Iterator[None]:
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def cpu_s(work: Callable[[], object]) -> float:
    """Seconds that *work* takes."""
    with untraced():
        begun = time.process_time()
        work()
        return time.process_time() - begun


@contextmanager
def cpu_below(limit_s: float) -> Iterator[None]:
    """What is done within it takes less than so many seconds."""
    with untraced():
        begun = time.process_time()
        yield
        taken_s = time.process_time() - begun
    assert taken_s < limit_s, f"it took {taken_s:.2f} s"

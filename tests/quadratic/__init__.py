"""A search for input that takes more time than in proportion to its length.

Small units of text are repeated in many ways (:class:`Shape`); each shape is given to a function at sizes that grow
fourfold, until it takes long enough to be measured (:func:`growth`). Only the processor's time of this thread counts,
and what looks too steep is measured again and at one size more, so that other processes give no false alarm.
``<svg><template>`` was found by hand, when it had hung a crawl; what is found here hangs none.
"""

from __future__ import annotations

import gc
import importlib
import math
import pkgutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import crawler

NUMBER = "№"
"""In a unit: the number of the repetition, so that no two are the same."""
FIRST_CHARS = 64
"""Small, for there are expressions that take for ever at 100 characters."""
TIMES = 4
"""From one size to the next."""
STEEP = 1.55
"""An exponent of growth: 1 is in proportion, 2 quadratic. A sorting takes 1.1, caches that are left some 1.2, and 1.5
what does one thing more from some size on.
"""
LEAST_S = 0.002
"""What takes less says nothing of how it grows."""
CONFIRMATIONS = 2
"""What others do on the same processor doubles what is measured, now and then three times in a row."""
HARM_S = 0.25
"""Growth has to go on until a text takes so long: some grow steeply up to a limit, and in proportion from there."""
_SHORT_S = 0.01
"""What is never given more characters may take that long for all of them, on a slow machine."""
_NOISY_S = 0.02
"""What takes less is measured three times."""
FAR_CHARS = 2**21
"""Where that is looked for at most."""
MOST_S = 1.0
"""Of the processor; what takes longer at a size of which a quarter took next to nothing has been found."""


class Shape(NamedTuple):
    """How units become a text."""

    unit: str
    second: str = ""
    in_halves: bool = False
    """First all of the one, then as many of the second; else in turn."""
    start: str = ""
    end: str = ""

    def text(self, chars: int) -> str:
        """About so many characters."""
        count = max(1, (chars - len(self.start) - len(self.end)) // max(1, len(self.unit) + len(self.second)))
        if self.in_halves:
            middle = _repeated(self.unit, count) + _repeated(self.second, count)
        else:
            middle = _repeated(self.unit + self.second, count)
        return f"{self.start}{middle}{self.end}"

    def __str__(self) -> str:
        middle = (
            f"{self.unit!r}*n + {self.second!r}*n" if self.in_halves else f"{self.unit + self.second!r}*n"
        )
        return " + ".join(
            (
                *([repr(self.start)] if self.start else []),
                middle,
                *([repr(self.end)] if self.end else []),
            )
        )


def _repeated(unit: str, count: int) -> str:
    if NUMBER not in unit:
        return unit * count
    return "".join([unit.replace(NUMBER, str(number)) for number in range(count)])


class Growth(NamedTuple):
    """Of which sizes took how long: what was found to be too steep."""

    what: str
    shape: Shape
    chars: tuple[int, ...]
    seconds: tuple[float, ...]
    """Infinite for what was ended at MOST_S."""

    def __str__(self) -> str:
        sizes = ", ".join(f"{c:,}: {s:.4f} s" for c, s in zip(self.chars, self.seconds, strict=True))
        return f"{self.what}: {self.shape}: {sizes}"


class _TooLongError(BaseException):
    """Nothing that is searched catches it."""


def growth(
    what: str,
    work: Callable[[str], Any],
    shape: Shape,
    *,
    most_chars: int,
    enough_s: float = 0.008,
    far_chars: int | None = None,
) -> Growth | None:
    """How *work* grows with a *shape*, if that is too steep; not tried beyond *most_chars*, nor for long once a size
    takes *enough_s*. *far_chars*: more it is never given, so that it need not grow any further.
    """
    sizes: list[int] = []
    taken: list[float] = []
    chars = FIRST_CHARS
    least_s = LEAST_S if far_chars is None else _SHORT_S
    while True:
        text = shape.text(chars)
        sizes.append(len(text))
        taken.append(seconds(work, text))
        if taken[-1] >= least_s and _is_steep(sizes[-2:], taken[-2:]):
            far = FAR_CHARS if far_chars is None else far_chars
            for _ in range(CONFIRMATIONS):
                confirmed = _confirmed(what, work, shape, chars, far_chars=far)
                if confirmed is None:
                    break
            else:
                return confirmed
        if taken[-1] >= enough_s or chars >= most_chars:
            return None
        chars = min(chars * TIMES, most_chars)


def _confirmed(
    what: str, work: Callable[[str], Any], shape: Shape, chars: int, *, far_chars: int
) -> Growth | None:
    """Measured again, and at further sizes up to where it does harm."""
    sizes: list[int] = []
    taken: list[float] = []
    size = chars // TIMES
    while True:
        text = shape.text(size)
        sizes.append(len(text))
        taken.append(seconds(work, text))
        if taken[-1] < _NOISY_S:
            taken[-1] = min(taken[-1], seconds(work, text), seconds(work, text))
        if len(taken) > 1 and not math.isinf(taken[-1]) and not _is_steep(sizes[-2:], taken[-2:]):
            return None
        if math.isinf(taken[-1]) or size >= far_chars or (taken[-1] >= HARM_S and len(taken) > 2):
            break
        size = min(size * TIMES, far_chars)
    return Growth(what, shape, tuple(sizes), tuple(taken))


def _is_steep(sizes: list[int], taken: list[float]) -> bool:
    if len(taken) < 2 or sizes[0] == sizes[1]:
        return math.isinf(taken[-1])
    return math.log(taken[1] / max(taken[0], 1e-6)) > STEEP * math.log(sizes[1] / sizes[0])


def seconds(work: Callable[[str], Any], text: str) -> float:
    """What *work* takes of the processor; infinite if it does not end within MOST_S. What it raises is no matter."""
    for remembered in _caches():
        remembered.cache_clear()  # else the second time would take none
    collects = gc.isenabled()
    gc.disable()  # it looks at all that the tests themselves hold
    try:
        with _ended(MOST_S):
            begun = time.thread_time()
            with suppress(Exception):
                _used_up(work(text))
            return time.thread_time() - begun
    except _TooLongError:
        return math.inf
    finally:
        if collects:
            gc.enable()


@cache
def modules() -> dict[str, ModuleType]:
    """All of the crawler's that can be imported here."""
    names = [info.name for info in pkgutil.walk_packages(crawler.__path__, "crawler.")]
    return {name: importlib.import_module(name) for name in names if not name.endswith("__main__")}


@cache
def _caches() -> tuple[Any, ...]:
    found = (value for module in modules().values() for value in vars(module).values())
    return tuple(
        value for value in found if hasattr(value, "cache_clear") and value.cache_parameters()["maxsize"]
    )


def _used_up(result: Any) -> None:
    if isinstance(result, Iterator):
        for _ in result:
            pass


@contextmanager
def _ended(after_s: float) -> Iterator[None]:
    """Regular expressions and Python can be interrupted; a library in C can't."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, after_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _interrupt(*_: object) -> None:
    raise _TooLongError

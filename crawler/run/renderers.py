"""When a crawl starts renderers, when it waits for one, and when it gives up the pages that want one.

A browser costs hundreds of MiB, and most sites want none: nothing is started before a page asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from crawler.config import MachineConfig
from crawler.models import Stats, TaskKind
from crawler.text.display import counted

INSTALL = "install Chromium (Debian, Ubuntu: apt install chromium; macOS: brew install --cask chromium)"
SAY_AGAIN = "say the same command again"
"""A run that has a browser opens the pages in it for which an earlier one had none."""
GUESTS_S = 60.0
"""So long a renderer that may join is waited for, once nothing else is left to do."""


class RendererStep(Enum):
    """What a crawl is to do about its renderers."""

    NOTHING = auto()
    START = auto()
    """Start its own."""
    WAIT = auto()
    """Say that one is waited for, from now on."""
    REFUSE = auto()
    """Start one that has no browser: it gives every page that wants one the reason why it gets none."""


class Renderers:
    """Decides what a crawl does about its renderers; starts nothing itself.

    *setting* is that of ``render``; *found*, whether this machine has a Chromium; *patience_s*, for how long others
    are waited for who may render.
    """

    def __init__(
        self,
        setting: str,
        *,
        found: bool,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._may_start = found and setting != "never"
        self._patience_s = 0.0 if setting == "never" else patience_s
        self._clock = clock
        self._over = False
        self._said = False
        self._idle_since: float | None = None

    def next(self, stats: Stats) -> RendererStep:
        """The step that is due with the queue at *stats*. START and REFUSE come once, WAIT at most once."""
        if self._over or not stats.renders.unsettled:
            return RendererStep.NOTHING
        if self._may_start:
            self._over = True
            return RendererStep.START
        if not _nothing_else_is_left(stats) or _somebody_renders(stats):
            self._idle_since = None
            return RendererStep.NOTHING
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since >= self._patience_s:
            self._over = True
            return RendererStep.REFUSE
        said, self._said = self._said, True
        return RendererStep.NOTHING if said else RendererStep.WAIT


def _nothing_else_is_left(stats: Stats) -> bool:
    """Images that are delayed may wait for a page to be rendered, which might name a larger size of them."""
    return not (stats.pages.unsettled or stats.images.ready or stats.images.leased)


def _somebody_renders(stats: Stats) -> bool:
    return bool(stats.renders.leased) or any(who.kind is TaskKind.RENDER for who in stats.workers)


def chromium_of(machine: MachineConfig) -> Path | None:
    """The Chromium of this machine, None if it has none. Raises ConfigError for settings that can't be used."""
    from crawler.render import behaviours, chromium  # only who may render has a use for them

    behaviours.read_file(machine.behaviours)
    return chromium.find(machine.chromium)


def pages(count: int) -> str:
    """``1 page wants a browser``, ``12 pages want a browser``."""
    return f"{counted(count, 'page wants', 'pages want')} a browser"

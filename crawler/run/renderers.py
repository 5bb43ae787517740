"""When a crawl starts renderers, waits for one to join, or refuses the pages that want one.

A browser costs hundreds of MiB, and most sites need none: nothing is started before a page wants it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from crawler.config import MachineConfig, RenderConfig
from crawler.logs.events import BROWSER_WANTED, tell
from crawler.models import Stats, TaskKind
from crawler.text.display import counted

if TYPE_CHECKING:
    from crawler.run.worker_pool import WorkerPool

log = logging.getLogger(__name__)

INSTALL = "install Chromium (Debian, Ubuntu: apt install chromium; macOS: brew install --cask chromium)"
SAY_AGAIN = "say the same command again"
"""The advice that goes with INSTALL: a run that has a browser opens the pages that earlier runs could not."""
JOIN_WAIT_S = 60.0
"""Seconds to wait for a renderer that may join, once nothing else is left to do."""


class RendererStep(Enum):
    """The next step of a crawl that has pages for a browser, or none yet."""

    NOTHING = auto()
    START = auto()
    """Start this machine's renderers."""
    WAIT = auto()
    """Log that the crawl waits for a renderer to join."""
    REFUSE = auto()
    """Start a renderer without a browser: its records say of each page why it was not opened."""


class Renderers:
    """Decides when a crawl starts renderers: :meth:`next` decides, :meth:`see_to` does it.

    *found*: this machine has a Chromium. *patience_s*: seconds to wait for a renderer of another machine.
    """

    def __init__(
        self,
        config: RenderConfig,
        *,
        found: bool,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._may_start = found and config.render != "never"
        self._patience_s = 0.0 if config.render == "never" else patience_s
        self._clock = clock
        self._over = False
        self._said = False
        self._idle_since: float | None = None

    def next(self, stats: Stats) -> RendererStep:
        """The step that is due when the queue is at *stats*. START or REFUSE comes once, WAIT at most once."""
        if self._over or not stats.renders.unsettled:
            return RendererStep.NOTHING
        if self._may_start:
            self._over = True
            return RendererStep.START
        # delayed images do not count: they may wait for a render to name a larger size
        has_more = stats.pages.unsettled or stats.images.ready or stats.images.leased
        if has_more or stats.renders.leased or any(who.kind is TaskKind.RENDER for who in stats.workers):
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

    def see_to(self, stats: Stats, pool: WorkerPool, *, invitation: str) -> None:
        """Carry out the step that is due, and log why pages are refused or what they wait for."""
        wanting = pages(stats.renders.unsettled)
        match self.next(stats):
            case RendererStep.START:
                pool.start({TaskKind.RENDER: self._config.renderers})
            case RendererStep.REFUSE:
                told = f"{wanting} to show their pictures, and none was found: {INSTALL}, then {SAY_AGAIN}"
                if self._config.render == "never":
                    told = f"{wanting} since an earlier run; with --render never that is refused"
                tell(log, BROWSER_WANTED, told=told)
                pool.start({TaskKind.RENDER: 1})
            case RendererStep.WAIT:
                told = (
                    f"{wanting}, and none was found here; a machine that has one may join within"
                    f" {JOIN_WAIT_S:.0f} s: image-crawler render {invitation}"
                )
                tell(log, BROWSER_WANTED, told=told)


def chromium_of(machine: MachineConfig) -> Path | None:
    """The Chromium of this machine; None if it has none. Raises ConfigError for settings that can't be used."""
    from crawler.render import behaviours, chromium  # only who may render has a use for them

    behaviours.read_file(machine.behaviours)
    return chromium.find(machine.chromium)


def pages(count: int) -> str:
    """``1 page wants a browser``, ``12 pages want a browser``."""
    return f"{counted(count, 'page wants', 'pages want')} a browser"

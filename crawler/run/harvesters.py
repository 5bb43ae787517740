"""When a crawl starts further harvesters.

One is enough for most sites: it waits for their servers. Where pages come faster than it reads them, one more is
started at a time, up to one for each core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.config import HarvestConfig
from crawler.models import Stats, TaskKind

if TYPE_CHECKING:
    from crawler.run.worker_pool import WorkerPool

MOST_HARVESTERS = 8
"""Each has a process for itself and a few readers: some 150 MiB."""
_BACKLOG = 64
"""Pages that wait, for each harvester: fewer are read before another harvester has begun."""
_LASTING_S = 2.0
"""How long the backlog has to last: a harvester is worth its start then, and the last one has had time to help."""


class Harvesters:
    """Decides when a crawl starts another harvester: :meth:`is_short` decides, :meth:`see_to` does it.

    With a number of harvesters in *config* there are as many from the start, and never more. *cores* is how many there
    may be else, one for each.
    """

    def __init__(
        self,
        config: HarvestConfig,
        *,
        cores: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.started = config.harvesters or 1
        """How many were started so far, and at first."""
        usual = min(MOST_HARVESTERS, cores or os.cpu_count() or 1)
        self._most = config.harvesters or usual
        self._clock = clock
        self._short_since: float | None = None

    def is_short(self, stats: Stats) -> bool:
        """Whether pages have been the backlog for a while when the queue is at *stats*, so that another one is due."""
        is_backlog = stats.pages.ready > max(_BACKLOG * self.started, stats.images.ready)
        # where a host makes the crawl wait, more harvesters would wait as well
        if self.started >= self._most or not is_backlog or stats.waiting or stats.paused:
            self._short_since = None
            return False
        now = self._clock()
        if self._short_since is None:
            self._short_since = now
        return now - self._short_since >= _LASTING_S

    def see_to(self, stats: Stats, pool: WorkerPool) -> None:
        """Start another harvester if one is due."""
        if self.is_short(stats):
            self.started += 1
            self._short_since = None
            pool.start({TaskKind.PAGE: 1})

"""What every process of a crawl is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from crawler.config import Config
from crawler.lists import NOTHING, Given
from crawler.models import Cookie
from crawler.run.endpoints import ManagerEndpoint, QueueEndpoint

ALL_COLLECTED = "all collected"
"""The collector's word to the supervisor: nothing is left to do, and crawl.db has all results."""


class StartMode(Enum):
    """Why the manager, or the collector, was started."""

    GO_ON = auto()
    """A user started the crawl, or went on with it: a new run."""
    FRESH = auto()
    """A user starts over: a new run, in an empty folder."""
    REFRESH = auto()
    """A user wants everything visited once more: a new run."""
    RESTART = auto()
    """The supervisor replaces a process that has died: the same run."""
    JOIN = auto()
    """The run goes on elsewhere, with its queue in Redis; this process collects for it."""


@dataclass(frozen=True, kw_only=True)
class CrawlContext:
    """The crawl that a process works for, and the machine that it runs on."""

    folder: Path
    """The crawl's folder; for remote workers the folder that they keep images in."""
    config: Config
    seeds: tuple[str, ...]
    endpoint: QueueEndpoint
    """Where this process finds the queues. A manager listens here; port 0 means that it chooses one."""
    networks: tuple[str, ...] = ()
    """Private networks that the seeds live in, as found when the crawl was started."""
    public: ManagerEndpoint | None = None
    """Where the manager lets workers of other machines in; None if it does not."""
    reconnect_s: float = 60.0
    """Seconds for which a worker tries to reach the queues again."""
    cookies: tuple[Cookie, ...] = field(default=(), repr=False)
    """Cookies of the user's file, for the manager or the collector at the start of a run."""
    plan_id: str = ""
    """The id of the plan that a remote worker has joined: another plan at the same address is refused."""
    kept_by: str = ""
    """What records say of the folder that holds their images; empty for the crawl's own. See ``keepers``."""
    remote: bool = False
    """The worker has joined a crawl that was started elsewhere."""
    memory_bytes: int = 0
    """Memory for all readers and decoders of this machine; 0 for half of what it has."""
    processes: int = 1
    """How many worker processes share that memory."""
    browser: bool = False
    """The machine that runs the crawl has a Chromium, and may open pages in it."""
    given: Given = NOTHING
    """Lists of URLs beside the seeds, for the start of a run."""
    logs_isolation: bool = True
    """This renderer logs how its browser is kept from the network; one of a pool does."""

"""What a crawl is started for: a word that all of its processes know."""

from __future__ import annotations

from enum import Enum, auto


class StartMode(Enum):
    """What a crawl is started for."""

    GO_ON = auto()
    """A new run of it: the first one, or where the last one stopped."""
    FRESH = auto()
    """A new run, from nothing: what earlier ones left is removed."""
    REFRESH = auto()
    """A new run; of one that has ended, everything is visited once more."""
    RESTART = auto()
    """The same run, whose manager has died."""
    JOIN = auto()
    """The same run, begun elsewhere; only where the queue lies in Redis."""

"""The latest failure for each reason, for people who watch a crawl. In memory; pure."""

from __future__ import annotations

from crawler.models import Failure, TaskKind
from crawler.queues import policy


class LatestFailures:
    """One URL of each kind and reason: so many as there are reasons, however long a crawl goes on."""

    def __init__(self) -> None:
        self._latest: dict[tuple[TaskKind, str], tuple[float, str]] = {}

    def note(self, kind: TaskKind, reason: str, url: str, *, now: float) -> None:
        """*url* was settled without success at *now*, in seconds on the clock of ``shown``."""
        self._latest.pop((kind, reason), None)  # behind all others
        self._latest[kind, reason] = (now, url[: policy.SHOWN_URL])

    def shown(self, *, now: float) -> tuple[Failure, ...]:
        """``Stats.failures``: policy.SHOWN_FAILURES at most."""
        latest = list(self._latest.items())[: -policy.SHOWN_FAILURES - 1 : -1]
        return tuple(
            Failure(kind=kind, reason=reason, url=url, ago_s=max(0.0, now - then))
            for (kind, reason), (then, url) in latest
        )

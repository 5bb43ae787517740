"""What a worker process has counted and timed, as it tells it to its parent; and what is known of all at once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, field

from crawler.models import Count, Duration, Slug, Stats, TaskKind, Total, Value


class Stage(StrEnum):
    """A part of the work on a task whose time is measured, without the time for which the task waited for its turn."""

    FETCH_PAGE = "fetch-page"
    FETCH_IMAGE = "fetch-image"
    READ = "read"
    """A page was with a reader: until a process had time for it, too."""
    VERIFY = "verify"
    """An image was with a decoder, likewise."""
    STORE = "store"
    RENDER = "render"
    """A page in a browser, from its task to its result."""


_NETWORK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_COMPUTING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BOUNDS_S: dict[Stage, tuple[float, ...]] = {
    # a server on the same machine answers within 5 ms; total_timeout_s ends at 120 s
    Stage.FETCH_PAGE: _NETWORK,
    Stage.FETCH_IMAGE: _NETWORK,
    # small pages and icons take a millisecond, decode_timeout_s and page_timeout_s are 30 s or less
    Stage.READ: _COMPUTING,
    Stage.VERIFY: _COMPUTING,
    # a disk takes half a millisecond, an object store up to storage_patience_s
    Stage.STORE: (0.0005, *_COMPUTING, 60.0),
    # a page takes some seconds, render_timeout_s is 15 s
    Stage.RENDER: (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0),
}
"""Upper bounds of the buckets of each stage in seconds; one more bucket has what took longer."""

_Counts = Annotated[tuple[Total, ...], Meta(max_length=32)]


class Histogram(Value):
    """How long a stage has taken."""

    counts: _Counts
    """Numbers of times by bucket, those of other buckets not included; the last one is above all bounds."""
    sum_s: Duration = 0.0


class WorkerFigures(Value):
    """What a worker process has done since it was started, and how it is now."""

    stages: dict[Stage, Histogram] = field(default_factory=dict)
    results: dict[Slug, Total] = field(default_factory=dict)
    """Numbers of settled results by status; ``retried`` for a vain try after which another one was asked for."""
    reasons: dict[Slug, Total] = field(default_factory=dict)
    """Numbers of results without success by reason, those of tries included."""
    received_bytes: Total = 0
    saved_bytes: Total = 0
    running: Count = 0
    """Tasks in its threads."""
    threads: Count = 0
    memory_waits: Count = 0
    """Tasks that wait for memory."""
    silent_s: Duration = 0.0
    """Seconds since the queue has answered."""
    storage_away: Count = 0
    """Processes whose storage could not be reached when they last tried."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What is known at one moment, of which the metrics are made."""

    stats: Stats | None = None
    """The latest figures of the queue; None for a process that only has workers, and before the first."""
    stats_age_s: float = 0.0
    settled_age_s: float = 0.0
    """Seconds since a task was seen to be settled, or since the start."""
    workers: Mapping[TaskKind, WorkerFigures]
    """What the workers of this process have done and are doing, by kind."""
    processes: Mapping[TaskKind, int]
    """How many of them run."""
    deaths: int = 0
    """How many processes have died and were replaced."""
    ready: bool = False


def together(all_of: Iterable[WorkerFigures]) -> WorkerFigures:
    """The sums; of the silences the longest."""
    stages: dict[Stage, Histogram] = {}
    results, reasons = Counter[str](), Counter[str]()
    sums = Counter[str]()
    silent_s = 0.0
    for one in all_of:
        for stage, histogram in one.stages.items():
            stages[stage] = _sum(stages[stage], histogram) if stage in stages else histogram
        results.update(one.results)
        reasons.update(one.reasons)
        for name in _SUMMED:
            sums[name] += getattr(one, name)
        silent_s = max(silent_s, one.silent_s)
    return WorkerFigures(
        stages=stages, results=dict(results), reasons=dict(reasons), silent_s=silent_s, **sums
    )


def ended(figures: WorkerFigures) -> WorkerFigures:
    """What counts of a process that has ended: all that it has done, and nothing of how it was."""
    return msgspec.structs.replace(
        figures, running=0, threads=0, memory_waits=0, silent_s=0.0, storage_away=0
    )


_SUMMED = ("received_bytes", "saved_bytes", "running", "threads", "memory_waits", "storage_away")


def _sum(one: Histogram, other: Histogram) -> Histogram:
    counts = tuple(a + b for a, b in zip(one.counts, other.counts, strict=True))
    return Histogram(counts=counts, sum_s=one.sum_s + other.sum_s)

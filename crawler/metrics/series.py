"""SERIES: every series, what it means, its labels, and how it is read from a Snapshot. Pure.

Labels have values of closed lists only: kinds, states, statuses, reasons. No host, URL, path or worker is among them.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from crawler.errors import LEFT_OUT, REASONS, InternalError, OptedOut, RobotsDisallowed
from crawler.metrics.figures import BOUNDS_S, Histogram, Snapshot, Stage, WorkerFigures, together
from crawler.models import STATUSES, Stats, TaskKind, TaskState
from crawler.monitoring.condition import State, condition
from crawler.opt_outs.purposes import SIGNALS

PREFIX = "image_crawler_"


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Told(StrEnum):
    """Which processes have a series."""

    QUEUE = "crawl, serve, collect"
    WORKERS = "those with workers"
    ALL = "all"


Value = float | Histogram
Samples = Iterable[tuple[tuple[str, ...], Value]]


class Series(NamedTuple):
    """One family; its name is without PREFIX, and a counter's without the ``_total`` that its samples have."""

    name: str
    kind: Kind
    told: Told
    means: str
    """What it is, in a sentence, for people and for HELP."""
    labels: tuple[str, ...]
    samples: Callable[[Snapshot], Samples]
    bounds: tuple[float, ...] = ()
    """Of a histogram: the upper bounds of its buckets."""

    @property
    def full_name(self) -> str:
        """The name of its samples, as a query has it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind is Kind.COUNTER else ''}"


_OWNERS = frozenset(
    slug for slug, error in REASONS.items() if issubclass(error, (OptedOut, RobotsDisallowed))
) | {slug for slug in LEFT_OUT if slug in SIGNALS or slug == "render-robots"}
"""Reasons and left-out words that are an owner's wish."""
_TROUBLES = ("backing off", "only errors", "down", "recovering", "slowed")
"""The kinds of trouble of a host; another one counts as the first."""


def _of_queue(read: Callable[[Stats], Samples]) -> Callable[[Snapshot], Samples]:
    """Samples of the queue's figures; none before the first."""
    return lambda seen: () if seen.stats is None else read(seen.stats)


def _number(read: Callable[[Stats], float]) -> Callable[[Snapshot], Samples]:
    return _of_queue(lambda stats: [((), read(stats))])


def _tasks(stats: Stats) -> Samples:
    for kind in TaskKind:
        counts = getattr(stats, f"{kind}s")
        yield from (((kind, state), getattr(counts, state)) for state in TaskState)


def _due(stats: Stats) -> Samples:
    return [((kind,), stats.due.get(kind, 0)) for kind in TaskKind]


def _work(stats: Stats) -> Samples:
    """Not what is leased: a worker holds several tasks for each that its hosts let it run."""
    running = Counter[TaskKind]()
    for worker in stats.workers:
        running[worker.kind] += worker.running
    return [((kind,), stats.due.get(kind, 0) + running[kind]) for kind in TaskKind]


def _records(stats: Stats) -> Samples:
    for kind, statuses in STATUSES.items():
        counts: Mapping[str, int] = getattr(stats, f"{kind}_status")
        yield from (((kind, str(status)), counts.get(status, 0)) for status in statuses)


def _reasons(stats: Stats) -> Samples:
    for kind in TaskKind:
        yield from (((kind, *labels), count) for labels, count in _known(getattr(stats, f"{kind}_reasons")))


def _known(counts: Mapping[str, int]) -> Iterator[tuple[tuple[str], float]]:
    """Counts by reason; one that is not on the closed list comes from another version, and counts as internal-error."""
    found = Counter[str]()
    for reason, count in counts.items():
        found[reason if reason in REASONS else InternalError.reason] += count
    return (((reason,), count) for reason, count in sorted(found.items()))


def _left_out(stats: Stats) -> Samples:
    return [((slug,), count) for slug, count in sorted(stats.dropped.items()) if slug in LEFT_OUT]


def _owners(stats: Stats) -> Samples:
    found = Counter[str]()
    for counts in (stats.image_reasons, stats.page_reasons, stats.render_reasons, stats.dropped):
        found.update({slug: count for slug, count in counts.items() if slug in _OWNERS})
    return [((slug,), count) for slug, count in sorted(found.items())]


def _workers(stats: Stats) -> Samples:
    counts = Counter(worker.kind for worker in stats.workers)
    return [((kind,), counts[kind]) for kind in TaskKind]


def _troubled(stats: Stats) -> Samples:
    return [((trouble.replace(" ", "-"),), stats.troubled.get(trouble, 0)) for trouble in _TROUBLES]


def _state(stats: Stats) -> Samples:
    now = condition(stats, runs=True).state
    return [((state,), float(state is now)) for state in State]


def _by_kind(read: Callable[[WorkerFigures], float]) -> Callable[[Snapshot], Samples]:
    return lambda seen: [((kind,), read(figures)) for kind, figures in seen.workers.items()]


def _results(seen: Snapshot) -> Samples:
    for kind, figures in seen.workers.items():
        for status in (*map(str, STATUSES[kind]), "retried"):
            yield (kind, status), figures.results.get(status, 0)


def _failures(seen: Snapshot) -> Samples:
    for kind, figures in seen.workers.items():
        yield from (((kind, *labels), count) for labels, count in _known(figures.reasons))


def _stage(stage: Stage, *labels: str) -> Callable[[Snapshot], Samples]:
    def read(seen: Snapshot) -> Samples:
        found = together(seen.workers.values()).stages.get(stage)
        return () if found is None else [(labels, found)]

    return read


def _fetched(seen: Snapshot) -> Samples:
    yield from _stage(Stage.FETCH_PAGE, "page")(seen)
    yield from _stage(Stage.FETCH_IMAGE, "image")(seen)


def _build(version: str, protocol: int, schema: int) -> Callable[[Snapshot], Samples]:
    labels = (version, str(protocol), str(schema), platform.python_version())
    return lambda _: [(labels, 1.0)]


_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM
_KIND = ("kind",)


def series(*, version: str = "", protocol: int = 0, schema: int = 0) -> tuple[Series, ...]:
    """All of them, for a program of that version."""
    queue, workers = Told.QUEUE, Told.WORKERS
    return (
        Series("tasks", _G, queue, "Tasks by kind and state.", ("kind", "state"), _of_queue(_tasks)),
        Series(
            "tasks_due", _G, queue, "Tasks that further workers could begin now: ready, at hosts that may be asked."
            " At least so many; of very many hosts only some are looked at.", _KIND, _of_queue(_due),
        ),
        Series(
            "work", _G, queue, "Tasks that workers run or could begin now; a scaler divides it by the tasks of one"
            " worker.", _KIND, _of_queue(_work),
        ),
        Series("records", _G, queue, "URLs with a record by status.", ("kind", "status"), _of_queue(_records)),
        Series(
            "not_had", _G, queue, "URLs whose record says that they could not be had, or are not wanted, by reason.",
            ("kind", "reason"), _of_queue(_reasons),
        ),
        Series(
            "left_out", _G, queue, "How often a URL was found and not queued, by reason.", ("reason",),
            _of_queue(_left_out),
        ),
        Series(
            "owner_refusals", _G, queue, "URLs that were not taken as their owner forbids it (robots.txt, opt-outs).",
            ("signal",), _of_queue(_owners),
        ),
        Series("saved_bytes", _G, queue, "Bytes of the images that are saved.", (), _number(lambda s: s.saved_bytes)),
        Series(
            "leases_lost", _C, queue, "Tasks that a worker took and never came back with.", (),
            _number(lambda s: s.leases_lost),
        ),
        Series("workers", _G, queue, "Workers by kind; at most 500 are counted.", _KIND, _of_queue(_workers)),
        Series(
            "hosts_troubled", _G, queue, "Hosts in trouble by its kind.", ("trouble",), _of_queue(_troubled)
        ),
        Series(
            "held_images", _G, queue, "Images that wait until no page can name a larger size of them.", (),
            _number(lambda s: s.held_images),
        ),
        Series(
            "backlogged", _G, queue, "1 while no page is read until some of the waiting images are done.", (),
            _number(lambda s: s.backlogged),
        ),
        Series(
            "state", _G, queue, "1 for the state of the crawl, 0 for all others; the words of status --check.",
            ("state",), _of_queue(_state),
        ),
        Series(
            "unsettled_seconds", _G, queue, "Seconds since the last task was seen to be settled.", (),
            lambda seen: () if seen.stats is None else [((), seen.settled_age_s)],
        ),
        Series(
            "figures_age_seconds", _G, queue, "Age of what the queue has told: it grows while the queue is silent.",
            (), lambda seen: () if seen.stats is None else [((), seen.stats_age_s + seen.stats.silent_s)],
        ),
        Series("queue_up_seconds", _G, queue, "Seconds since the manager was started, or the queue in Redis was"
               " made.", (), _number(lambda s: s.up_s)),
        Series(
            "results", _C, workers, "Results of the workers of this process that the queue has taken, by status;"
            " retried is a vain try.", ("kind", "status"), _results,
        ),
        Series(
            "failures", _C, workers, "Those without success by reason, vain tries included.", ("kind", "reason"),
            _failures,
        ),
        Series(
            "received_bytes", _C, workers, "Bytes of what was fetched.", _KIND, _by_kind(lambda f: f.received_bytes)
        ),
        Series(
            "written_bytes", _C, workers, "Bytes of the images that were stored.", (),
            lambda seen: [((), together(seen.workers.values()).saved_bytes)],
        ),
        Series(
            "fetch_seconds", _H, workers, "Time for one URL with its redirects, without the time for which it waited"
            " for its turn.", _KIND, _fetched, BOUNDS_S[Stage.FETCH_PAGE],
        ),
        Series(
            "read_seconds", _H, workers, "Time for reading a page.", (), _stage(Stage.READ), BOUNDS_S[Stage.READ]
        ),
        Series(
            "verify_seconds", _H, workers, "Time for decoding and checking an image.", (), _stage(Stage.VERIFY),
            BOUNDS_S[Stage.VERIFY],
        ),
        Series(
            "store_seconds", _H, workers, "Time for storing an image.", (), _stage(Stage.STORE),
            BOUNDS_S[Stage.STORE],
        ),
        Series(
            "render_seconds", _H, workers, "Time for a page in a browser.", (), _stage(Stage.RENDER),
            BOUNDS_S[Stage.RENDER],
        ),
        Series("running", _G, workers, "Tasks in the threads of this process's workers.", _KIND,
               _by_kind(lambda f: f.running)),
        Series("threads", _G, workers, "How many tasks these workers handle at a time by now.", _KIND,
               _by_kind(lambda f: f.threads)),
        Series("memory_waits", _G, workers, "Tasks that wait for memory (--memory-budget).", _KIND,
               _by_kind(lambda f: f.memory_waits)),
        Series("queue_silent_seconds", _G, workers, "Seconds since the queue has answered, of the worker that has"
               " waited longest.", _KIND, _by_kind(lambda f: f.silent_s)),
        Series("storage_away", _G, workers, "Worker processes whose storage did not answer when they last tried.",
               _KIND, _by_kind(lambda f: f.storage_away)),
        Series("processes", _G, workers, "Worker processes that run.", _KIND,
               lambda seen: [((kind,), count) for kind, count in seen.processes.items()]),
        Series("process_deaths", _C, Told.ALL, "Processes that have died, and were replaced.", (),
               lambda seen: [((), seen.deaths)]),
        Series("ready", _G, Told.ALL, "1 while /readyz says so.", (), lambda seen: [((), float(seen.ready))]),
        Series("build_info", _G, Told.ALL, "1; what this program is.", ("version", "protocol", "schema", "python"),
               _build(version, protocol, schema)),
    )  # fmt: skip

"""A crawl on this machine, from start to end: its run, its records, its limits and its summary.

:class:`~crawler.run.processes.CrawlProcesses` has the processes; the queues' records and figures are read here.
"""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import msgspec

from crawler import errors
from crawler.catalog.database import Catalog
from crawler.catalog.summary import Summary, summarise
from crawler.config import Config
from crawler.crawlfile.layout import CrawlFolder
from crawler.forkserver.client import ForkServer
from crawler.http.proxies import networks_of
from crawler.lists import Given, Report, nobody
from crawler.lists.reading import NO_FILES, STANDARD_INPUT, Files, pages_of
from crawler.logs import setup
from crawler.logs.events import CRAWL_INTERRUPTED, tell
from crawler.logs.outcomes import tell_finished
from crawler.models import Record, Run, Stats, TaskKind
from crawler.run import outcome, preflight
from crawler.run.backends import backend_for, stats_of
from crawler.run.context import CrawlContext, StartMode
from crawler.run.default_folder import home
from crawler.run.endpoints import ManagerEndpoint
from crawler.run.harvesters import Harvesters
from crawler.run.limits import Limits
from crawler.run.monitor import Monitor
from crawler.run.processes import CrawlProcesses
from crawler.run.renderers import JOIN_WAIT_S, Renderers, chromium_of
from crawler.run.seed_schemes import settled
from crawler.run.worker_pool import usual_downloaders
from crawler.seeds import seed_of
from crawler.storage import schemes

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_SILENCE_S = 2.0
"""Longer than a manager takes to be restarted: of such a silence those who watch are told."""
_LAST_S = 1.0
"""Within this time a collector brings what has been settled into crawl.db."""


class Crawl:
    """A crawl on this machine; a context manager that starts its processes and stops them.

        with Crawl(["https://example.org/"], folder=None, config=load()) as running:
            for stats in running.watch():
                print(stats.images.done)

    ``config.manager.bind`` lets workers of other machines in, with the keys of ``config.access``; without *downloads*
    all images are left to them. With ``config.manager.queue`` the queues lie in that Redis, and a collector takes the
    manager's place. A Crawl that only *collects*, for a run that goes on elsewhere, has no workers and changes nothing
    of the run. Renderers are started once a page wants a browser, if this machine has one; if no machine has, such
    pages are refused at the end, and the log says so. Pages of *lists* are seeds as well; their images are added when
    the crawl is entered. Without seeds and lists the crawl in *folder* goes on. *forks* is a fork server that was
    started ahead, closed here.

    Entering raises SeedError, FolderError, LedgerCorrupt, StorageFailed and the like; UsageError is raised at once for
    settings that can't be used, or when the address and the keys don't go together.
    """

    def __init__(
        self,
        seeds: Sequence[str],
        *,
        folder: str | os.PathLike[str] | None,
        config: Config,
        lists: Files = NO_FILES,
        fresh: bool = False,
        refresh: bool = False,
        downloads: bool = True,
        collects: bool = False,
        forks: ForkServer | None = None,
    ) -> None:
        if fresh and refresh:
            raise errors.UsageError(
                "a crawl is started over (fresh) or visited once more (refresh); choose one of them"
            )
        pages = [pages_of(found) for found in lists.pages]
        typed = tuple(dict.fromkeys(map(seed_of, seeds)))
        self._given = Given(images=lists.images, pages=tuple(read for _, read in pages))
        if not typed and not self._given:
            typed = outcome.seeds_to_go_on(None if folder is None or fresh else Path(folder))
        self._typed = tuple(dict.fromkeys((*typed, *(seed for found, _ in pages for seed in found))))
        self.seeds = tuple(dict.fromkeys(seed.urls[0] for seed in self._typed))
        """Canonical URLs. A seed without a scheme gets the right one when the crawl is entered."""
        self.notes: tuple[str, ...] = ()
        """Decisions taken on entering that concern the user, a sentence each."""
        self.by_http: tuple[str, ...] = ()
        """Why hosts of seeds without a scheme are asked by http, a few words each."""
        self.had_finished = False
        """Nothing was left to do when the crawl was entered."""
        self.config = config
        self.report: Report = nobody
        """Is told on entering what takes its time."""
        if folder is None and not typed and self._given.names == (STANDARD_INPUT,):
            raise errors.UsageError("a list that comes by a pipe names no folder: choose one with -o")
        self.folder = CrawlFolder(
            home(typed, list(map(Path, self._given.names))) if folder is None else Path(folder)
        )
        wanted = StartMode.FRESH if fresh else StartMode.REFRESH if refresh else StartMode.GO_ON
        self._start = StartMode.JOIN if collects else wanted
        self.downloads = downloads and not collects
        self._backend = backend_for(config, self.folder)
        self._proxies, self._cookies = preflight.checked(config, self._typed, self.seeds)
        rendering = config.render.render
        self._has_browser = rendering != "never" and not collects and chromium_of(config.machine) is not None
        self._renderers = Renderers(
            config.render,
            found=self._has_browser,
            patience_s=0.0 if self.downloads and not self._backend.invitation() else JOIN_WAIT_S,
        )
        self._harvesters = Harvesters(config.harvest)
        self.monitor = Monitor(config.monitoring, watches=True)
        self._processes = CrawlProcesses(self._backend, self.monitor, forks)
        self._closing = False
        self._started = time.monotonic()
        self._is_running = False
        self._broken_off = ""
        self._limits = Limits(config.run)
        self.stopped = ""
        """The limit of this run that has ended it; empty for none."""

    def __enter__(self) -> Self:
        with ExitStack() as log_file:
            log_file.enter_context(setup.written(self.config.log))
            log_file.enter_context(self.monitor)
            self._enter()
            self._log_file = log_file.pop_all()
        return self

    def _enter(self) -> None:
        if self.downloads:
            schemes.check(self.config.storage)
        self._settle_seeds()
        self._networks = networks_of(self.seeds, self._proxies)
        self.folder.prepare()
        self._backend.check(self._start)
        before = outcome.runs_in(self.folder)
        processes = self._processes
        try:
            self._results = processes.start(self._context(), self._start, self._cookies, self.report)
            self._note_run(before)
            self._is_running = True
            self._started = time.monotonic()
            processes.publish()
            if processes.pool is not None:
                stats = self._stats()
                self._limits.begin(stats)
                if not stats.drained:  # it may have been finished before
                    processes.pool.start(self._worker_counts())
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        with self._log_file:
            if self._closing:  # it did not get to the end of that, so somebody is in a hurry
                self.kill()
            else:
                self.close()

    def watch(self, every_s: float = 0.5) -> Iterator[Stats]:
        """Yield the state of the queue every *every_s* seconds until the crawl has ended, and its last state.

        While the queue does not answer, the state before is yielded again, with ``silent_s``.

        Raises LimitReached when the run has used up its time, or saved what it may; CrawlStopped when somebody has
        stopped the crawl; CrawlError when the queue was halted (a full disk), or processes keep dying.
        """
        last: Stats | None = None
        heard = time.monotonic()
        while True:
            self._processes.supervise()
            try:
                stats = self._stats()
            except errors.QueueUnreachable:
                self._check_limits()
                silent_s = time.monotonic() - heard
                if last is None or silent_s < _SILENCE_S:
                    self._processes.pause(0.1)  # the manager is being started again
                else:
                    yield msgspec.structs.replace(last, silent_s=silent_s)
                    self._processes.pause(every_s)
                continue
            last, heard = stats, time.monotonic()
            yield stats
            self._check_halted(stats)
            self._look_after_workers(stats)
            if stats.drained and self._backend.is_complete():
                self._tell_finished(stats)
                return
            if not stats.drained:
                self._check_limits(stats)
            self._processes.deaths.progress_to(stats.pages.done + stats.images.done + stats.renders.done)
            self._processes.pause(every_s)

    def records(self, after: int = 0, *, told: Callable[[Stats], object] | None = None) -> Iterator[Record]:
        """Yield every record after the cursor *after*, as they come, until the crawl has ended.

        *told* is called with the queue's state about once a second, and at the end. Raises the errors of :meth:`watch`.
        """
        complete = False
        next_look = 0.0
        while not complete:
            self._processes.supervise()
            try:
                page = self._results.get(after=after, wait_s=0.5)
                looks = not page.records or time.monotonic() >= next_look
                stats = self._stats() if looks else None
            except errors.QueueUnreachable:
                self._check_limits()
                self._processes.pause(0.1)
                continue
            yield from page.records
            after, complete = page.cursor, page.complete
            if stats is not None:
                if told is not None:
                    told(stats)
                next_look = time.monotonic() + _LOOK_EVERY_S
                if not page.records:  # what there is comes first
                    self._check_halted(stats)
                self._look_after_workers(stats)
                if not stats.drained:
                    try:
                        self._check_limits(stats)
                    except errors.LimitReached:
                        yield from self._last_records(after)
                        raise
            if page.records:
                self._processes.deaths.progress()
        with suppress(errors.QueueUnreachable):
            stats = self._stats()
            self._tell_finished(stats)
            if told is not None:
                told(stats)

    def _last_records(self, after: int) -> Iterator[Record]:
        """The records of what workers have in hand, which they finish."""
        self._processes.stop_workers(self.stopped)
        with suppress(errors.QueueUnreachable):
            while (page := self._results.get(after=after, wait_s=_LAST_S)).records:
                yield from page.records
                after = page.cursor

    def close(self) -> None:
        """Stop cleanly: workers finish what they have begun and give the rest back, then the manager ends."""
        self._closing = True
        self._tell_interrupted()
        # remote workers at once if a limit is reached: every second is beyond it
        self._processes.stop_workers(self.stopped)
        self._processes.close(
            reason=self.stopped or "the crawl was stopped", goes_on=self._start is StartMode.JOIN
        )

    def kill(self) -> None:
        """End every process at once. Nothing is lost."""
        self._tell_interrupted()
        self._processes.kill()

    def summary(self) -> Summary:
        """What the crawl has come to; read from its folder."""
        with Catalog(self.folder.path) as catalog:
            summary = summarise(catalog)
        if summary.finished:  # by what was in hand
            self.stopped = ""
        return msgspec.structs.replace(summary, stopped=self._limits.told(self.stopped, summary.stats))

    def check(self, summary: Summary) -> None:
        """Raise CrawlError if the crawl, now at its end and come to *summary*, could not do its job."""
        if (failure := self.failure(summary)) is not None:
            raise failure

    def failure(self, summary: Summary) -> errors.CrawlError | None:
        """Why the crawl, now at its end and come to *summary*, could not do its job; None if it could."""
        return outcome.failure(self.folder, summary, has_seeds=bool(self.seeds))

    @property
    def begins_with(self) -> tuple[str, ...]:
        """The seeds, or without any the names of the lists."""
        return self.seeds or outcome.known_seeds(self.folder)[1]

    @property
    def pids(self) -> tuple[tuple[str, int], ...]:
        """Name and process id of the manager, or the collector, and of each worker."""
        return self._processes.pids

    @property
    def public(self) -> ManagerEndpoint | None:
        """Where workers of other machines are let in; the port is known once the crawl has been entered."""
        return self._backend.public

    @property
    def invitation(self) -> str:
        """What ``image-crawler work`` and the like are given to join: an address with its flags, or the folder."""
        return self._backend.invitation() or shlex.quote(str(self.folder.path))

    # --- inside ---

    def _check_halted(self, stats: Stats) -> None:
        if stats.halted is not None:
            self._broken_off = stats.halted
            raise (errors.CrawlStopped if stats.stopped else errors.CrawlError)(stats.halted)

    def _tell_finished(self, stats: Stats) -> None:
        self._is_running = False
        tell_finished(log, stats, time.monotonic() - self._started)

    def _tell_interrupted(self) -> None:
        if self._is_running:
            self._is_running = False
            tell(log, CRAWL_INTERRUPTED, reason=self._broken_off or "interrupted")

    def _settle_seeds(self) -> None:
        """Give a scheme to each seed that has none: that of the crawl that goes on, or of the server that answers."""
        known, lists = ((), ()) if self._start is StartMode.FRESH else outcome.known_seeds(self.folder)
        found = settled(self._typed, known, self.config.fetch)
        if self._given or (lists and set(found.seeds) <= set(known)):  # lists add to what there is
            self.seeds = tuple(dict.fromkeys((*known, *found.seeds)))
        else:
            self.seeds = found.seeds
        self.notes, self.by_http = found.notes, found.by_http
        if found.were_asked:
            time.sleep(self.config.queue.delay_s)  # those hosts have just been asked, and are again

    def _note_run(self, before: Sequence[Run]) -> None:
        """Note what this run is to do, and write its settings; neither if there is nothing to do."""
        if self._start is StartMode.JOIN:
            return
        runs = outcome.runs_in(self.folder)
        if self._start is StartMode.FRESH or len(runs) > len(before):
            self.folder.write_settings(self.config.of_the_crawl(), self.seeds)
            self.notes += runs[-1].notes if runs else ()
        else:
            self.had_finished = True
            self.notes += (outcome.of_finished(self.folder, runs, self.config.of_the_crawl()),)

    def _stats(self) -> Stats:
        tasks = self._processes.tasks
        self.monitor.note(stats := stats_of(self.folder) if tasks is None else tasks.stats())
        return stats

    def _worker_counts(self) -> dict[TaskKind, int]:
        if self._start is StartMode.JOIN:
            return {}
        downloaders = self.config.images.downloaders or usual_downloaders()
        return {
            TaskKind.PAGE: self._harvesters.started,
            TaskKind.IMAGE: downloaders if self.downloads else 0,
        }

    def _context(self) -> CrawlContext:
        return CrawlContext(
            folder=self.folder.path,
            config=self.config,
            seeds=self.seeds,
            endpoint=self._backend.endpoint,
            networks=self._networks,
            given=self._given,
            public=self._backend.public,
            reconnect_s=self._backend.reconnect_s,
            memory_bytes=self.config.machine.memory_budget_bytes,
            browser=self._has_browser,
        )

    def _check_limits(self, stats: Stats | None = None) -> None:
        """Raise LimitReached if this run has had what it may have; a run begun elsewhere has limits of its own."""
        if self._start is not StartMode.JOIN and (reached := self._limits.reached(stats)):
            self.stopped = self._broken_off = reached
            raise errors.LimitReached(reached)

    def _look_after_workers(self, stats: Stats) -> None:
        """Start harvesters while pages are the backlog; have the pages that want a browser opened, or else refused:
        without either the crawl would never end.
        """
        pool = self._processes.pool
        if pool is not None and self._start is not StartMode.JOIN:
            self._harvesters.see_to(stats, pool)
            self._renderers.see_to(stats, pool, invitation=self.invitation)

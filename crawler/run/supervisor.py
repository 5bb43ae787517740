"""Puts the processes of a crawl together: manager or collector, harvesters, downloaders, renderers; watches over them.

Whichever of them dies is started again, and the crawl goes on; what it had in hand is done again. One that dies time
after time without any progress ends the crawl with an error, and with everything kept for the next start.
"""

from __future__ import annotations

import logging
import os
import shlex
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import msgspec

from crawler import errors
from crawler.api.iteration import Records
from crawler.api.progress import Progress
from crawler.catalog.database import Catalog
from crawler.catalog.summary import Summary, summarise
from crawler.config import Config, load
from crawler.config.keywords import Settings
from crawler.crawlfile.layout import CrawlFolder
from crawler.http import cookie_file
from crawler.http.address_guard import AddressGuard
from crawler.http.proxies import networks_of, proxies_of, unused
from crawler.http.request_headers import RequestHeaders
from crawler.lists import Given, Report, nobody
from crawler.lists.reading import NO_FILES, STANDARD_INPUT, Files, Images, ListRequest, gathered, pages_of
from crawler.logs import setup
from crawler.logs.events import (
    BROWSER_WANTED,
    COOKIES_UNUSED,
    CRAWL_FINISHED,
    CRAWL_INTERRUPTED,
    LOGIN_UNUSED,
    MANAGER_LATE,
    MANAGER_RESTARTED,
    PROXY_UNUSED,
    WORKER_RESTARTED,
    tell,
)
from crawler.models import ImageRecord, ImageStatus, PageStatus, Record, Revisit, Run, Stats, TaskKind
from crawler.queues.redis.address import RedisAddress
from crawler.run.backends import engine_for, stats_of
from crawler.run.children import Child
from crawler.run.context import CrawlContext, StartMode
from crawler.run.default_folder import home
from crawler.run.endpoints import ManagerEndpoint
from crawler.run.limits import Limits
from crawler.run.renderers import GUESTS_S, INSTALL, SAY_AGAIN, Renderers, RendererStep, chromium_of, pages
from crawler.run.rerun_notes import of_finished, runs_in
from crawler.run.seed_schemes import settled
from crawler.run.worker_pool import WorkerPool, died_of, usual_downloaders
from crawler.seeds import Seed, seed_of, whole
from crawler.storage import schemes
from crawler.text.display import size
from crawler.text.plain_errors import quoted
from crawler.urls import without_login

log = logging.getLogger(__name__)

_GUEST_GRACE_S = 5.0
_DRAIN_S = 30.0
_LOOK_EVERY_S = 1.0
_SILENCE_S = 2.0
"""So long a manager takes to be started again; of a silence that is longer those who watch are told."""
_LAST_S = 1.0
"""What has been settled is in crawl.db by then, where a collector brings it there."""
_DEATHS_WITHOUT_PROGRESS = 8
_NOT_REACHED = (Revisit.GONE, Revisit.FAILED)


def crawl(
    *seeds: str | Iterable[str],
    image_list: str | os.PathLike[str] | Images | None = None,
    output: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    refresh: bool = False,
    config: Config | None = None,
    progress: bool | Callable[[Stats], object] = False,
    **settings: Unpack[Settings],
) -> Records:
    """Crawl from *seeds*, URLs or lists of them, and yield a record for every image URL, as they come: saved, and not
    saved. ``for`` and ``async for`` take them alike.

    *image_list* names images to save as they are, without a page: a file of URLs (one a line; or CSV or JSON lines with
    columns such as ``url`` and ``caption``), or the URLs themselves, or ``{"url": …, "caption": …}`` for each.
    A seed without a scheme (``example.org``) is tried by https, then by http. The crawl lives in the folder *output*
    (``data/<host>`` by default; see ``run.default_folder``). What an earlier, interrupted run recorded is
    yielded first, then the crawl goes on; *fresh* starts over, *refresh* visits everything once more, and yields what
    has been visited since. With ``max_time_s`` or ``max_bytes`` the records end there, which the log tells, and the
    same call goes on. *settings* are those of :mod:`crawler.config`, such as ``max_depth=2``; or *config* has them all.
    Leaving the loop, or closing the iterator, stops the crawl cleanly.

    *progress* is called with the state of the queue about once a second, while records are asked for, in the thread
    that asks (with ``async for`` one of its own); True tells it in the notebook's cell, or on stderr.

    Nothing happens before the first record is asked for. Raises UsageError then for a bad seed, setting or folder;
    CrawlError, at the end, when the crawl could not do its job.
    """
    return Records(
        _found(
            seeds,
            image_list=image_list,
            output=output,
            fresh=fresh,
            refresh=refresh,
            config=config,
            told=Progress() if progress is True else progress or None,
            settings=settings,
        )
    )


def _found(
    seeds: Iterable[str | Iterable[str]],
    *,
    image_list: str | os.PathLike[str] | Images | None,
    output: str | os.PathLike[str] | None,
    fresh: bool,
    refresh: bool,
    config: Config | None,
    told: Callable[[Stats], object] | None,
    settings: Settings,
) -> Generator[ImageRecord]:
    if config is not None and settings:
        raise errors.ConfigError(f"give {', '.join(settings)} within config, or no config; not both")
    config = load(flags=settings) if config is None else config
    with (
        gathered(_asked_of(image_list)) as lists,
        Crawl(
            _flat(seeds), lists=lists, folder=output, fresh=fresh, refresh=refresh, config=config
        ) as running,
    ):
        folder = running.folder.path.absolute()
        try:
            for record in running.records(told=told):
                if isinstance(record, ImageRecord) and (record.revisit or not refresh):
                    yield record.within(folder)
        except errors.LimitReached:
            running.close()
            if not running.summary().finished:
                return
        running.close()
        running.check()


def _asked_of(image_list: str | os.PathLike[str] | Images | None) -> ListRequest:
    if isinstance(image_list, str | os.PathLike):
        return ListRequest(images=(Path(image_list),))
    return ListRequest(listed=image_list)


def _flat(seeds: Iterable[str | Iterable[str]]) -> tuple[str, ...]:
    """One after the other, whether they were given by themselves, in lists or by iterators."""
    found: list[str] = []
    for given in seeds:
        several = given if isinstance(given, Iterable) and not isinstance(given, str | bytes) else (given,)
        for seed in several:
            if not isinstance(seed, str):
                raise errors.SeedError(
                    f"the seed {quoted(seed)} is of type {type(seed).__name__}; give URLs as str, or a list of such"
                )
            found.append(seed)
    return tuple(found)


class Crawl:
    """A crawl on this machine; a context manager that starts its processes and stops them.

    Workers on other machines are let in where ``config.manager.bind`` says, with the keys of ``config.access``; without
    *downloads* all images are left to them. With ``config.manager.queue`` the queues lie in that Redis, and a collector
    takes the manager's place; one that *collects* only, for a crawl that goes on there, has no workers, and changes
    nothing of it. Renderers are started once a page wants a browser, if this machine has one; if nobody has, such pages
    are refused at the end, which the log tells. Pages of *lists* are seeds as well, their images are taken on when the
    crawl is entered. Without seeds and lists the crawl in *folder* goes on.

    Raises SeedError, FolderError, LedgerCorrupt, StorageFailed and the like on
    entering; UsageError at once for settings that can't be used, or when the address and the keys don't go together.
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
    ) -> None:
        if fresh and refresh:
            raise errors.UsageError(
                "a crawl is started over (fresh) or visited once more (refresh); choose one of them"
            )
        pages = [pages_of(found) for found in lists.pages]
        typed = tuple(dict.fromkeys(map(seed_of, seeds)))
        self._has_lists = False
        self._given = Given(images=lists.images, pages=tuple(read for _, read in pages))
        if not typed and not self._given:
            typed = self._begun(folder, fresh=fresh)
        self._asked = tuple(dict.fromkeys((*typed, *(seed for found, _ in pages for seed in found))))
        self.seeds = tuple(dict.fromkeys(seed.urls[0] for seed in self._asked))
        """Canonical. Of what was given without a scheme the right one is known once the crawl has been entered."""
        self.notes: tuple[str, ...] = ()
        """What was decided on entering that whoever gave the seeds wants to know, a sentence each."""
        self.had_finished = False
        """Nothing was left to do when the crawl was entered."""
        self.config = config
        self.report: Report = nobody
        """Is told what takes its time on entering."""
        if folder is None and not typed and self._given.names == (STANDARD_INPUT,):
            raise errors.UsageError("a list that comes by a pipe names no folder: choose one with -o")
        self.folder = CrawlFolder(
            home(typed, list(map(Path, self._given.names))) if folder is None else Path(folder)
        )
        wanted = StartMode.FRESH if fresh else StartMode.REFRESH if refresh else StartMode.GO_ON
        self._start = StartMode.JOIN if collects else wanted
        self.downloads = downloads and not collects
        self._engine = engine_for(config, self.folder)
        AddressGuard(config.fetch.allow_addresses)
        RequestHeaders(config.fetch)
        self._proxies = proxies_of(config.fetch)
        self._cookies = cookie_file.read(config.run.cookies, self.seeds) if config.run.cookies else None
        for note in self._cookies.notes if self._cookies else ():
            tell(log, COOKIES_UNUSED, text=note)
        if not_used := unused(config.fetch, self.seeds):
            tell(log, PROXY_UNUSED, text=not_used)
        rendering = config.render.render
        self._has_browser = rendering != "never" and not collects and chromium_of(config.machine) is not None
        self._renderers = Renderers(
            rendering,
            found=self._has_browser,
            patience_s=0.0 if self.downloads and not self._engine.invitation() else GUESTS_S,
        )
        if named := [seed.urls[0] for seed in self._asked if without_login(seed.text) != seed.text]:
            tell(log, LOGIN_UNUSED, seeds=", ".join(named))
        self._manager: Child | None = None
        self._crew: WorkerPool | None = None
        self._deaths = 0
        self._progress = -1
        self._closing = False
        self._published = False
        self._started = time.monotonic()
        self._runs = False
        self._broken_off = ""
        self._limits = Limits(config.run)
        self.stopped = ""
        """Which limit of its own has ended the run; empty for none."""

    def __enter__(self) -> Self:
        with ExitStack() as log_file:
            log_file.enter_context(setup.written(self.config.log))
            self._enter()
            self._log_file = log_file.pop_all()
        return self

    def _enter(self) -> None:
        if self.downloads:
            schemes.check(self.config.storage)
        self._settle_seeds()
        self._networks = networks_of(self.seeds, self._proxies)
        self.folder.prepare()
        self._engine.check(self._start)
        before = runs_in(self.folder)
        try:
            self._start_manager(self._start)
            self._tasks, self._results = self._engine.connect()
            self._note_run(before)
            self._published = self._runs = True
            self._started = time.monotonic()
            self._engine.publish()
            if self._tasks is not None:
                self._crew = WorkerPool(self._context(), self._tasks)
                stats = self._stats()
                self._limits.begin(stats)
                if not stats.drained:  # it may have been finished before
                    self._crew.start(self._staff())
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._log_file:
            if self._closing:  # it did not get to the end of that, so somebody is in a hurry
                self.kill()
            else:
                self.close()

    def watch(self, every_s: float = 0.5) -> Iterator[Stats]:
        """The state of the queue every *every_s* seconds, until the crawl has ended; its last state, too. While nobody
        answers it is the one before once more, with ``silent_s``.

        Raises LimitReached when the run has come to the end of its time, or of what it may save; CrawlStopped when
        somebody wants it so; CrawlError when the queue was halted (a full disk), or processes keep dying.
        """
        last: Stats | None = None
        heard = time.monotonic()
        while True:
            self._supervise()
            try:
                stats = self._stats()
            except errors.QueueUnreachable:
                self._check_limits()
                silent_s = time.monotonic() - heard
                if last is None or silent_s < _SILENCE_S:
                    self._pause(0.1)  # the manager is being started again
                else:
                    yield msgspec.structs.replace(last, silent_s=silent_s)
                    self._pause(every_s)
                continue
            last, heard = stats, time.monotonic()
            yield stats
            self._check_halted(stats)
            self._look_after_renders(stats)
            if stats.drained and self._engine.is_complete():
                self._tell_finished(stats)
                return
            if not stats.drained:
                self._check_limits(stats)
            self._progress_made(stats)
            self._pause(every_s)

    def records(self, after: int = 0, *, told: Callable[[Stats], object] | None = None) -> Iterator[Record]:
        """Every record after the cursor *after*, as they come, until the crawl has ended.

        *told* is called with the state of the queue about once a second meanwhile, and at the end.
        """
        complete = False
        next_look = 0.0
        while not complete:
            self._supervise()
            try:
                found = self._results.get(after=after, wait_s=0.5)
                looks = not found.records or time.monotonic() >= next_look
                stats = self._stats() if looks else None
            except errors.QueueUnreachable:
                self._check_limits()
                self._pause(0.1)
                continue
            yield from found.records
            after, complete = found.cursor, found.complete
            if stats is not None:
                if told is not None:
                    told(stats)
                next_look = time.monotonic() + _LOOK_EVERY_S
                if not found.records:  # what there is comes first
                    self._check_halted(stats)
                self._look_after_renders(stats)
                if not stats.drained:
                    try:
                        self._check_limits(stats)
                    except errors.LimitReached:
                        yield from self._last_records(after)
                        raise
            if found.records:
                self._deaths = 0
        with suppress(errors.QueueUnreachable):
            stats = self._stats()
            self._tell_finished(stats)
            if told is not None:
                told(stats)

    def _last_records(self, after: int) -> Iterator[Record]:
        """What workers have in hand: they finish it."""
        self._stop_workers()
        with suppress(errors.QueueUnreachable):
            while (found := self._results.get(after=after, wait_s=_LAST_S)).records:
                yield from found.records
                after = found.cursor

    def _stop_workers(self) -> None:
        if self.stopped and self._tasks is not None:
            # at once, for guests as well: every second is beyond the limit
            with suppress(errors.QueueError, errors.CrawlError):
                self._tasks.stop(self.stopped)
        if self._crew is not None:
            self._crew.stop()

    def close(self) -> None:
        """Stop cleanly: workers finish what they have begun and give the rest back, then the manager ends."""
        self._closing = True
        self._tell_interrupted()
        self._stop_workers()
        if self._crew is not None:
            self._send_guests_home()
        self._disconnect()
        if self._manager is not None:
            self._manager.stop()
            if not self._manager.join(self._engine.grace_s):
                tell(log, MANAGER_LATE, name=self._engine.process)
            self._manager.listen()
            self._manager.kill()
            self._manager = None

    def kill(self) -> None:
        """End every process at once. Nothing is lost."""
        self._tell_interrupted()
        if self._crew is not None:
            self._crew.kill()
        self._disconnect()
        if self._manager is not None:
            self._manager.kill()
            self._manager = None

    def summary(self) -> Summary:
        """What the crawl has come to; read from its folder."""
        with Catalog(self.folder.path) as catalog:
            summary = summarise(catalog)
        if summary.finished:  # by what was in hand
            self.stopped = ""
        return msgspec.structs.replace(summary, stopped=self._limits.told(self.stopped, summary.stats))

    def check(self) -> None:
        """Raise CrawlError if the crawl, now at its end, could not do its job."""
        if (failure := self.failure()) is not None:
            raise failure

    def failure(self) -> errors.CrawlError | None:
        """Why the crawl, now at its end, could not do its job; None if it could."""
        summary = self.summary()
        with Catalog(self.folder.path) as catalog:
            seeds = list(catalog.page_where("depth = 0 AND page_url = ''"))
        details = "; ".join(record.detail for record in seeds) or "no seed was visited"
        if self.seeds and not summary.stats.page_status.get(PageStatus.HARVESTED):
            return errors.SeedUnreachable(f"nothing to start from: {details}")
        if seeds and all(record.revisit in _NOT_REACHED for record in seeds):
            return errors.SeedUnreachable(
                f"nothing to refresh: {details}; what was saved before is as it was"
            )
        kept = sum(
            summary.stats.image_status.get(status, 0) for status in (ImageStatus.SAVED, ImageStatus.DUPLICATE)
        )
        if summary.stats.images.discovered and not kept:
            discovered = summary.stats.images.discovered
            none = "the only image could not" if discovered == 1 else f"none of {discovered:,} images could"
            return errors.CrawlError(
                f"{none} be saved; image-crawler inspect {self.folder.path} --failures says why"
            )
        return None

    @property
    def pids(self) -> tuple[tuple[str, int], ...]:
        """Name and process id of the manager, or the collector, and of each worker."""
        children = self._crew.children if self._crew is not None else []
        return tuple((child.name, child.pid) for child in [self._manager, *children] if child is not None)

    # --- inside ---

    def _check_halted(self, stats: Stats) -> None:
        if stats.halted is not None:
            self._broken_off = stats.halted
            raise (errors.CrawlStopped if stats.stopped else errors.CrawlError)(stats.halted)

    def _tell_finished(self, stats: Stats) -> None:
        self._runs = False
        status: dict[str, Any] = {each.value: stats.image_status.get(each, 0) for each in ImageStatus}
        tell(
            log,
            CRAWL_FINISHED,
            pages=stats.pages.discovered,
            images=stats.images.discovered,
            **status,
            size=size(stats.saved_bytes),
            saved_bytes=stats.saved_bytes,
            elapsed_s=time.monotonic() - self._started,
        )

    def _tell_interrupted(self) -> None:
        if self._runs:
            self._runs = False
            tell(log, CRAWL_INTERRUPTED, reason=self._broken_off or "interrupted")

    def _settle_seeds(self) -> None:
        """What was given without a scheme gets one, of the crawl that goes on or by who answers."""
        known = () if self._start is StartMode.FRESH else self._known_seeds()
        found = settled(self._asked, known, self.config.fetch)
        if self._given or (self._has_lists and set(found.seeds) <= set(known)):  # lists add to what there is
            self.seeds = tuple(dict.fromkeys((*known, *found.seeds)))
        else:
            self.seeds = found.seeds
        self.notes = found.notes
        if found.notes:
            time.sleep(self.config.queue.delay_s)  # those hosts have just been asked, and are again

    def _begun(self, folder: str | os.PathLike[str] | None, *, fresh: bool) -> tuple[Seed, ...]:
        """The seeds of the crawl in *folder*, which goes on. Raises SeedError if there is none."""
        if folder is not None and not fresh and CrawlFolder(Path(folder)).holds_a_crawl:
            with Catalog(Path(folder)) as catalog:
                seeds = catalog.seeds()
                if seeds or catalog.lists():
                    return tuple(map(whole, seeds))
        raise errors.SeedError(
            "a crawl needs something to begin with: a URL, -i FILE or --image-list FILE; or -o DIR of a crawl, to go"
            " on with that"
        )

    @property
    def begins_with(self) -> tuple[str, ...]:
        """The seeds, or without any the names of the lists."""
        if self.seeds:
            return self.seeds
        with suppress(errors.CrawlerError), Catalog(self.folder.path) as catalog:
            return tuple(Path(name).name for name in catalog.lists())
        return ()

    def _known_seeds(self) -> tuple[str, ...]:
        """Of the crawl that is in the folder; none, if there is none that can be read."""
        if not self.folder.holds_a_crawl:
            return ()
        with suppress(errors.CrawlerError), Catalog(self.folder.path) as catalog:
            self._has_lists = bool(catalog.lists())
            return catalog.seeds()
        return ()

    def _note_run(self, before: Sequence[Run]) -> None:
        """Say what this run is to do, and write its settings down; nothing is changed if that is nothing."""
        if self._start is StartMode.JOIN:
            return
        runs = runs_in(self.folder)
        if self._start is StartMode.FRESH or len(runs) > len(before):
            self.folder.write_settings(self.config.of_the_crawl(), self.seeds)
            self.notes += runs[-1].notes if runs else ()
        else:
            self.had_finished = True
            self.notes += (of_finished(self.folder, runs, self.config.of_the_crawl()),)

    def _stats(self) -> Stats:
        return stats_of(self.folder) if self._tasks is None else self._tasks.stats()

    def _staff(self) -> dict[TaskKind, int]:
        if self._start is StartMode.JOIN:
            return {}
        downloaders = self.config.images.downloaders or usual_downloaders()
        return {
            TaskKind.PAGE: self.config.harvest.harvesters,
            TaskKind.IMAGE: downloaders if self.downloads else 0,
        }

    def _context(self) -> CrawlContext:
        return CrawlContext(
            folder=self.folder.path,
            config=self.config,
            seeds=self.seeds,
            endpoint=self._engine.meeting,
            networks=self._networks,
            given=self._given,
            public=self._engine.public,
            reconnect_s=self._engine.reconnect_s,
            memory_bytes=self.config.machine.memory_budget_bytes,
            browser=self._has_browser,
        )

    @property
    def public(self) -> ManagerEndpoint | None:
        """Where workers on other machines are let in; its port is known once the crawl has been entered."""
        return self._engine.public

    @property
    def invitation(self) -> str:
        """What others say after ``image-crawler work`` and the like: an address with its flags, or the folder here."""
        return self._engine.invitation() or shlex.quote(str(self.folder.path))

    @property
    def queue(self) -> RedisAddress | None:
        """Where workers find the queues if no manager has them."""
        return self._engine.queue

    def _send_guests_home(self) -> None:
        """Let workers that have joined from elsewhere finish what they have begun."""
        self._unpublish()
        client = self._engine.client
        if client is None or self._tasks is None:
            return
        client.reconnect_s = _GUEST_GRACE_S  # the manager closes what has been idle for minutes
        with suppress(errors.QueueUnreachable):
            stats = self._tasks.stats()
            if not stats.drained:
                if self._start is StartMode.JOIN:
                    return  # it goes on without us
                with suppress(errors.CrawlError):  # a full disk
                    self._tasks.stop(
                        self.stopped or "the crawl was stopped"
                    )  # for those, too, who are about to join
            broke_off = stats.halted is not None and not stats.stopped  # what they finish may not be kept
            end = time.monotonic() + (_GUEST_GRACE_S if stats.drained or broke_off else _DRAIN_S)
            while self._tasks.stats().workers and time.monotonic() < end:
                time.sleep(0.05)

    def _unpublish(self) -> None:
        """Unless it is another crawl's, which runs in the folder that we wanted."""
        if self._published:
            self._published = False
            self.folder.unpublish()

    def _disconnect(self) -> None:
        self._unpublish()
        if self._engine.client is not None:
            self._engine.client.disconnect()
            self._engine.client = None

    def _start_manager(self, start: StartMode) -> None:
        process = self._engine.process
        context = self._context()
        if (
            self._cookies is not None and start is not StartMode.RESTART
        ):  # else what servers have changed would be undone
            context = replace(context, cookies=self._cookies.cookies)
        child = Child(process, self._engine.main, context, start)
        self._manager = child
        end = time.monotonic() + self._engine.start_s
        while not child.ready and child.exitcode is None and time.monotonic() < end:
            child.listen(0.1)
            if child.busy:
                self.report(child.busy)
                child.busy, end = "", time.monotonic() + self._engine.start_s
        if not child.ready:
            raise child.failure or errors.CrawlError(f"the {process} process did not start")
        self._engine.started(child)

    def _supervise(self) -> None:
        """Listen to the children, and start again those that have died."""
        assert self._manager is not None
        self._manager.listen()
        if self._manager.exitcode is not None:
            if isinstance(self._manager.failure, errors.CrawlerError):
                raise self._manager.failure
            self._died(self._engine.process, self._manager)
            self._start_manager(StartMode.RESTART)
        if self._crew is not None:
            for child in self._crew.replace_the_dead():
                self._died(child.name, child)

    def _died(self, name: str, child: Child) -> None:
        self._deaths += not isinstance(child.failure, errors.QueueUnreachable)  # which is not its fault
        if self._deaths > _DEATHS_WITHOUT_PROGRESS:
            raise errors.ProcessesKeepDying(
                f"the crawl's processes keep dying, the {name} last ({died_of(child)}); what is done is"
                " kept. Run it with -vv to see why, then the same command goes on"
            )
        event = MANAGER_RESTARTED if child is self._manager else WORKER_RESTARTED
        tell(log, event, name=name, why=died_of(child))
        child.kill()

    def _check_limits(self, stats: Stats | None = None) -> None:
        """Raise LimitReached if this run has had what it may have; of a run that was begun elsewhere that is not ours
        to say.
        """
        if self._start is not StartMode.JOIN and (reached := self._limits.reached(stats)):
            self.stopped = self._broken_off = reached
            raise errors.LimitReached(reached)

    def _look_after_renders(self, stats: Stats) -> None:
        """Have somebody open the pages that want a browser, or else refuse them: without, the crawl would never end."""
        if self._crew is None or self._start is StartMode.JOIN:
            return
        count = stats.renders.unsettled
        match self._renderers.next(stats):
            case RendererStep.START:
                self._crew.start({TaskKind.RENDER: self.config.render.renderers})
            case RendererStep.REFUSE:
                tell(log, BROWSER_WANTED, told=self._why_refused(count))
                self._crew.start({TaskKind.RENDER: 1})
            case RendererStep.WAIT:
                told = (
                    f"{pages(count)}, and none was found here; a machine that has one may join within"
                    f" {GUESTS_S:.0f} s: image-crawler render {self.invitation}"
                )
                tell(log, BROWSER_WANTED, told=told)

    def _why_refused(self, count: int) -> str:
        if self.config.render.render == "never":
            return f"{pages(count)} since an earlier run; with --render never that is refused"
        return f"{pages(count)} to show their pictures, and none was found: {INSTALL}, then {SAY_AGAIN}"

    def _progress_made(self, stats: Stats) -> None:
        settled = stats.pages.done + stats.images.done + stats.renders.done
        if settled > self._progress:
            self._progress, self._deaths = settled, 0

    def _pause(self, for_s: float) -> None:
        """Wait, but not while a child has something to say or has ended; lines of the log are none of that."""
        children = [self._manager] if self._manager else []
        children += self._crew.at_work if self._crew else []
        end = time.monotonic() + for_s
        while (left_s := end - time.monotonic()) > 0:
            ready = wait([child.pipe for child in children], timeout=left_s)
            if any(child.listen() for child in children if child.pipe in ready):
                return

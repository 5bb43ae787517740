"""The start of a crawl whose queue lies in Redis: what its folder and its queue know of it is brought together.

Either may know more than the other: the folder if the Redis has lost something, or somebody has put tasks back; the
queue if nobody has collected for a while.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, cast

from crawler.catalog.database import Catalog
from crawler.crawlfile.keepers import mark
from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.meta import MetaKey
from crawler.errors import FolderError, QueueUnreachable
from crawler.lists import Report, nobody
from crawler.queues import Plan
from crawler.queues.ledger import Ledger
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.run.context import CrawlContext, StartMode
from crawler.run.redis_endpoint import RedisEndpoint
from crawler.run.rerun_notes import changes_since
from crawler.run.run_start import add_seeds, begin_run, plan_of
from crawler.seeds import some
from crawler.storage.local import LocalStorage

if TYPE_CHECKING:
    from crawler.queues.redis.client import RedisClient

log = logging.getLogger(__name__)

_NEW_RUNS = (StartMode.GO_ON, StartMode.FRESH, StartMode.REFRESH)


class Bootstrap:
    """Of the crawl at *context*, by *client*; the folder is locked. *report* is told what takes its time."""

    def __init__(
        self,
        context: CrawlContext,
        folder: CrawlFolder,
        client: RedisClient,
        *,
        report: Report = nobody,
    ) -> None:
        self._report = report
        self._context = context
        self._folder = folder
        self._client = client
        self._run_noted = False

    def begin(self, start: StartMode) -> Plan | None:
        """Have the queue know all that there is to do, and return the plan; None if that is nothing.

        May be called again when it has failed. Raises QueueUnreachable, and FolderError when the folder, or the name in
        Redis, is another crawl's.
        """
        client = self._client
        try:
            client.open_server()
        except QueueUnreachable:
            if start is StartMode.GO_ON and self._is_finished():
                return None
            raise
        there = self._plan_there()
        if there is None and start is StartMode.JOIN:
            raise QueueUnreachable(f"no crawl is at {self._context.endpoint} any more")
        self._check(there, start)
        if start is StartMode.FRESH:
            self._wipe(there)
            there = None
        over = there is None or self._collect_from(there)
        plan, refreshed = self._plan(there, start, over=over)
        if there is not None and (plan is None or refreshed):
            client.delete()
        if plan is None:
            return None
        with closing(CrawlfileWriter(self._folder.ledger)) as books:
            if books.meta(MetaKey.QUEUE) is None:  # a manager had the queue so far, and the file knows all
                books.set_meta(MetaKey.COMPLETE, plan.id)
            books.set_meta(MetaKey.QUEUE, str(self._context.endpoint))
            mark(self._context.folder)
            empty = client.create_or_update(plan)
            if start in _NEW_RUNS:
                client.new_run()
                storage = plan.config.storage
                LocalStorage(
                    self._context.folder, fsync=storage.fsync, min_free_bytes=storage.min_free_bytes
                ).sweep()
            self.make_whole(plan, books, empty=empty)
            books.set_meta(MetaKey.COMPLETE, None)
        return plan

    def make_whole(self, plan: Plan, books: CrawlfileWriter, *, empty: bool) -> None:
        """Give the queue what it may lack, and open it to workers."""
        client = self._client
        incarnations = client.incarnations()
        others = incarnations != books.meta(MetaKey.INCARNATIONS)
        collector = Collector(client.outlet(), books, kept_by_workers=plan.keeps_at_workers)
        collector.reconcile(outlet_is_empty=empty)
        if others and not empty:
            client.recall()
        client.keep_cookies(self._context.cookies)  # before anybody asks with them
        client.opened(incarnations)
        books.set_meta(MetaKey.INCARNATIONS, incarnations)

    def _wipe(self, there: Plan | None) -> None:
        if there is not None:
            self._client.delete()
        self._folder.wipe()

    def _collect_from(self, there: Plan) -> bool:
        """Bring the file up to date; returns whether nothing is left to do in Redis either."""
        empty = self._client.create_or_update(there)
        with closing(CrawlfileWriter(self._folder.ledger)) as books:
            # one that had ended, and whose removal was cut short, has nothing left to tell
            finished = books.meta(MetaKey.COMPLETE) == there.id
            over = finished if empty else self._client.get_task_queue().stats().drained
            collector = Collector(self._client.outlet(), books, kept_by_workers=there.keeps_at_workers)
            while collector.collect():
                pass
            books.set_meta(MetaKey.COMPLETE, there.id if over else None)
        return over

    def _plan_there(self) -> Plan | None:
        """Of the crawl that has our name in Redis; None if none has."""
        asked = cast("RedisEndpoint", self._context.endpoint).client(reconnect_s=0.0)
        try:
            asked.connect()
            return asked.get_task_queue().plan()
        except QueueUnreachable:
            return None
        finally:
            asked.disconnect()

    def _check(self, there: Plan | None, start: StartMode) -> None:
        """Raise FolderError unless the folder and the crawl in Redis belong together."""
        context = self._context
        if there is None or (start is StartMode.FRESH and set(there.seeds) == set(context.seeds)):
            return  # with FRESH the file need not be readable
        ours = self._note(MetaKey.CRAWL)
        if ours and there.id.startswith(f"{ours}-"):
            return
        if start is StartMode.JOIN:
            raise FolderError(
                f"{context.folder} is not the folder of the crawl at {context.endpoint}: its results go where it was"
                " begun; name that folder with -o, or a copy of it"
            )
        raise FolderError(
            f"at {context.endpoint} is a crawl of {some(there.seeds)} already, of another folder than"
            f" {context.folder}; choose that folder with -o, or another name: --queue URL#NAME"
        )

    def _plan(self, there: Plan | None, start: StartMode, *, over: bool) -> tuple[Plan | None, bool]:
        """What is to be done, None if that is nothing; and whether it is everything once more."""
        context = self._context
        config = context.config.for_workers()
        refreshed = False
        with closing(
            Ledger(self._folder.ledger, queue=config.queue, scope=config.scope, new_run=True)
        ) as ledger:
            finished = over and self._file_knows_all()
            if start in _NEW_RUNS and not self._run_noted:
                refreshed = begin_run(
                    ledger,
                    folder=context.folder,
                    seeds=context.seeds,
                    config=context.config.of_the_crawl(),
                    start=start,
                    finished=finished,
                    elsewhere=not over,
                    browser=context.browser,
                    given=context.given,
                    report=self._report,
                )
                self._run_noted = True
            elif start is not StartMode.JOIN:
                add_seeds(ledger, folder=context.folder, seeds=context.seeds, given=context.given)
            plan = plan_of(ledger, context)
            if finished and ledger.stats().drained:
                return None, False
        if there is not None and (
            start is StartMode.JOIN or (start is StartMode.RESTART and there.id == plan.id)
        ):
            plan = there  # as whoever began the run has it
        return plan, refreshed

    def _is_finished(self) -> bool:
        """Whether all has been done before, which is known without a Redis."""
        if self._context.given or not self._folder.holds_a_crawl or not self._file_knows_all():
            return False
        with Catalog(self._folder.path) as catalog:
            unsettled = catalog.value("SELECT count(*) FROM tasks WHERE state NOT IN ('done', 'dead')")
            if unsettled or set(catalog.seeds()) != set(self._context.seeds):
                return False
            runs = catalog.runs()
        changes = changes_since(runs, self._context.config.of_the_crawl())
        return not (changes.lets_in or changes.keeps_out or changes.fixed)

    def _file_knows_all(self) -> bool:
        return not self._note(MetaKey.QUEUE) or bool(self._note(MetaKey.COMPLETE))

    def _note(self, key: MetaKey) -> str:
        if not self._folder.holds_a_crawl:
            return ""
        with Catalog(self._folder.path) as catalog:
            return str(catalog.meta(key) or "")

    def is_another(self, books: CrawlfileWriter) -> bool:
        """Whether a server has been started anew, or another one taken its place, since the queue was whole."""
        return self._client.incarnations() != books.meta(MetaKey.INCARNATIONS)

"""The start of a crawl whose queue lies in Redis: its folder and its queue are reconciled.

Either may know more: the folder if Redis has lost something, or tasks were put back; the queue until it is collected.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

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
from crawler.run.outcome import changes_since
from crawler.run.run_start import add_seeds, begin_run, plan_of
from crawler.seeds import some
from crawler.storage.local import LocalStorage

if TYPE_CHECKING:
    from crawler.queues.redis.client import RedisClient

_NEW_RUNS = (StartMode.GO_ON, StartMode.FRESH, StartMode.REFRESH)


class Bootstrap:
    """Reconciles the folder of the crawl at *context* with its queue in Redis, which *client* reaches.

    The folder is locked. *report* is told what takes its time.
    """

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
        """Fill the queue with all that there is to do, and return the plan; None if there is nothing to do.

        | *start*                    | folder                        | queue in Redis                             |
        |----------------------------|-------------------------------|--------------------------------------------|
        | FRESH                      | wiped, a new run              | deleted, made anew                         |
        | GO_ON, REFRESH             | collected into, a new run     | kept; made anew if the run's settings ask  |
        | RESTART                    | collected into, the same run  | kept; another plan only if settings differ |
        | JOIN                       | collected into                | kept with its plan; it has to be there     |

        May be called again when it has failed. Raises QueueUnreachable, and FolderError for what is another crawl's.
        """
        if not self._reaches_server(start):
            return None
        there = self._plan_in_redis()
        if there is None and start is StartMode.JOIN:
            raise QueueUnreachable(f"no crawl is at {self._context.endpoint} any more")
        self._check(there, start)
        if start is StartMode.FRESH:
            if there is not None:
                self._client.delete()
                there = None
            self._folder.wipe()
        drained = there is None or self._collect_from(there)
        config = self._context.config
        with closing(
            Ledger(self._folder.ledger, queue=config.queue, scope=config.scope, new_run=True)
        ) as ledger:
            finished = drained and self._file_knows_all()
            anew = self._prepare(ledger, start, finished=finished, elsewhere=not drained)
            plan = plan_of(ledger, self._context)
            is_over = finished and ledger.stats().drained
        if there is not None:
            if is_over or anew:
                self._client.delete()
            if start is StartMode.JOIN or (start is StartMode.RESTART and there.id == plan.id):
                plan = there  # as whoever began the run has it
        if is_over:
            return None
        self._fill(plan, start)
        return plan

    def _reaches_server(self, start: StartMode) -> bool:
        """Connect to Redis; False if none answers, and none is needed. Raises QueueUnreachable."""
        try:
            self._client.open_server()
        except QueueUnreachable:
            if start is StartMode.GO_ON and self._is_finished():
                return False
            raise
        return True

    def _prepare(self, ledger: Ledger, start: StartMode, *, finished: bool, elsewhere: bool) -> bool:
        """Put into *ledger* what this run is to do; whether the queue in Redis has to be made anew for that."""
        if start is StartMode.JOIN:
            return False
        if start not in _NEW_RUNS or self._run_noted:
            add_seeds(ledger, self._context)
            return False
        anew = begin_run(
            ledger, self._context, start, finished=finished, elsewhere=elsewhere, report=self._report
        )
        self._run_noted = True
        return anew

    def _fill(self, plan: Plan, start: StartMode) -> None:
        """Bring *plan*, and all that the folder knows of, into the queue."""
        with closing(CrawlfileWriter(self._folder.ledger)) as writer:
            if writer.meta(MetaKey.QUEUE) is None:  # a manager had the queue so far, and the file knows all
                writer.set_meta(MetaKey.COMPLETE, plan.id)
            writer.set_meta(MetaKey.QUEUE, str(self._context.endpoint))
            mark(self._context.folder)
            empty = self._client.create_or_update(plan)
            if start in _NEW_RUNS:
                self._client.new_run()
                storage = plan.config.storage
                LocalStorage(
                    self._context.folder, fsync=storage.fsync, min_free_bytes=storage.min_free_bytes
                ).sweep()
            self.make_whole(plan, writer, empty=empty)
            writer.set_meta(MetaKey.COMPLETE, None)

    def make_whole(self, plan: Plan, writer: CrawlfileWriter, *, empty: bool) -> None:
        """Give the queue what it lacks of crawl.db, all of it if *empty*, and open it to workers."""
        client = self._client
        incarnations = client.incarnations()
        others = incarnations != writer.meta(MetaKey.INCARNATIONS)
        collector = Collector(client.outlet(), writer, kept_by_workers=plan.config.storage.at_workers)
        collector.reconcile(outlet_is_empty=empty)
        if others and not empty:
            client.recall()
        client.keep_cookies(self._context.cookies)  # before anybody asks with them
        client.opened(incarnations)
        writer.set_meta(MetaKey.INCARNATIONS, incarnations)

    def _collect_from(self, there: Plan) -> bool:
        """Bring crawl.db up to date with Redis; whether nothing is left to do there."""
        empty = self._client.create_or_update(there)
        with closing(CrawlfileWriter(self._folder.ledger)) as writer:
            # one that had ended, and whose removal was cut short, has nothing left to tell
            finished = writer.meta(MetaKey.COMPLETE) == there.id
            over = finished if empty else self._client.get_task_queue().stats().drained
            collector = Collector(
                self._client.outlet(), writer, kept_by_workers=there.config.storage.at_workers
            )
            while collector.collect():
                pass
            writer.set_meta(MetaKey.COMPLETE, there.id if over else None)
        return over

    def _plan_in_redis(self) -> Plan | None:
        """The plan of the crawl that has our name in Redis; None if none has."""
        client = self._context.endpoint.client(reconnect_s=0.0)
        try:
            client.connect()
            return client.get_task_queue().plan()
        except QueueUnreachable:
            return None
        finally:
            client.disconnect()

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

    def _is_finished(self) -> bool:
        """Whether crawl.db alone shows that nothing is left to do."""
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

    def is_another(self, writer: CrawlfileWriter) -> bool:
        """Whether any server of the queue was restarted, or replaced, since the last full reconciliation."""
        return self._client.incarnations() != writer.meta(MetaKey.INCARNATIONS)

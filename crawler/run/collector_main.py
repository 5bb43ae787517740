"""The collector: the process that takes the manager's place where the queue lies in Redis.

Workers talk to Redis directly. The collector owns the crawl's folder: it writes the plan into Redis, moves settled
results from there into crawl.db, and gives a Redis back what it has lost. Workers go on while it is away, until the
backlog of results is full.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, cast

from crawler.crawlfile.layout import CrawlFolder
from crawler.crawlfile.meta import MetaKey
from crawler.errors import QueueDamaged, QueueUnreachable
from crawler.logs.events import NOT_COLLECTED, QUEUE_AWAY, QUEUE_BACK, QUEUE_REBUILT, QUEUE_REFILLED, tell
from crawler.models import RunOutcome
from crawler.queues import Plan
from crawler.queues.redis.collector import Collector
from crawler.queues.redis.worker_roll import WorkerRoll
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.run.bootstrap import Bootstrap
from crawler.run.children import ChildMessage, ParentLink
from crawler.run.context import ALL_COLLECTED, CrawlContext, StartMode
from crawler.run.redis_endpoint import RedisEndpoint

if TYPE_CHECKING:
    from crawler.queues.redis.client import RedisClient

log = logging.getLogger(__name__)

_FIRST_ANSWER_S = 10.0
_ANSWER_S = 2.0  # a server that does not answer is looked at more closely then: has it lost the crawl?
_LEAVING_S = 5.0
_COLLECT_EVERY_S = 0.25
_LOOK_EVERY_S = 2.0
_LOOK_AT_FILE_EVERY_S = 1.0
_AGAIN_S = 0.5


def collect_results(parent: ParentLink, context: CrawlContext, start: StartMode) -> None:
    """Collect until the supervisor says stop; reports when the queue is ready, and ALL_COLLECTED at the crawl's end.

    Raises FolderError when the folder, or the name in Redis, is another crawl's; QueueUnreachable when no Redis answers
    at the start. Later the collector waits for Redis to come back.
    """
    endpoint = cast("RedisEndpoint", context.endpoint)
    folder = CrawlFolder(context.folder)
    with folder.locked():
        client = endpoint.client(reconnect_s=_FIRST_ANSWER_S)

        def stop() -> None:
            client.reconnect_s = min(client.reconnect_s, _LEAVING_S)

        parent.on_stop(stop)
        try:
            if start is StartMode.RESTART:  # it was there a moment ago, and may be the reason
                parent.say(ChildMessage("ready"))
            _CollectorProcess(parent, context, folder, client).run(start)
        finally:
            client.disconnect()


class _CollectorProcess:
    def __init__(
        self, parent: ParentLink, context: CrawlContext, folder: CrawlFolder, client: RedisClient
    ) -> None:
        self._parent = parent
        self._context = context
        self._folder = folder
        self._client = client
        self._bootstrap = Bootstrap(context, folder, client, report=parent.report)
        self._next_look = self._next_look_at_file = 0.0
        self._told = False
        self._said_complete = False
        self._joined = False

    def run(self, start: StartMode) -> None:
        self._joined = start is StartMode.JOIN
        plan = self._begun(start)
        if plan is None:
            if not self._parent.stopped.is_set():
                self._say_complete()
                self._parent.stopped.wait()
            return
        with closing(CrawlfileWriter(self._folder.ledger)) as writer:
            collector = Collector(
                self._client.outlet(), writer, kept_by_workers=plan.config.storage.at_workers
            )
            self._roll = WorkerRoll(lease_s=plan.config.queue.lease_s, every_s=_LOOK_EVERY_S)
            if start is not StartMode.RESTART:
                self._parent.say(ChildMessage("ready"))
            self._client.reconnect_s = _ANSWER_S
            while not self._parent.stopped.is_set():
                try:
                    self._look_at_file(writer)
                    self._look_after(plan, writer)
                    if not collector.collect():
                        self._rest(collector, writer)
                    self._back()
                except QueueDamaged as exc:
                    self._make_anew(plan, collector, writer, str(exc))
                except QueueUnreachable as exc:
                    self._away(exc)
            self._end(plan, collector, writer)

    def _begun(self, start: StartMode) -> Plan | None:
        """The plan that workers carry out; None if there is nothing to do, or when the supervisor says stop."""
        while not self._parent.stopped.is_set():
            try:
                plan = self._bootstrap.begin(start)
            except QueueDamaged as exc:
                tell(log, QUEUE_REBUILT, reason=exc)
                self._client.wipe(shards=self._context.config.queue.queue_shards)
            except QueueUnreachable as exc:
                if start is not StartMode.RESTART:
                    raise
                self._away(exc)
            else:
                self._back()
                return plan
        return None

    # --- the run ---

    def _look_after(self, plan: Plan, writer: CrawlfileWriter) -> None:
        """Fill a Redis that has come back without its data, and do the queue's periodic work."""
        now = time.monotonic()
        if now < self._next_look:
            return
        another = self._bootstrap.is_another(writer)
        if another or self._told:
            empty = self._client.create_or_update(plan)
            if another or empty:
                tell(log, QUEUE_REFILLED, where=self._context.endpoint)
                self._said_complete = False
                self._bootstrap.make_whole(plan, writer, empty=empty)
        self._client.tick()
        self._roll.look(self._client.get_task_queue().stats)
        if key := self._client.damage():
            raise QueueDamaged(f"{key} is gone or can't be read: something else has written there")
        self._next_look = now + _LOOK_EVERY_S

    def _look_at_file(self, writer: CrawlfileWriter) -> None:
        """Halt the crawl when crawl.db can't be written: the queue would forget what is collected."""
        if time.monotonic() >= self._next_look_at_file:
            if problem := writer.problem():
                self._client.get_task_queue().halt(problem)
            self._next_look_at_file = time.monotonic() + _LOOK_AT_FILE_EVERY_S

    def _make_anew(self, plan: Plan, collector: Collector, writer: CrawlfileWriter, why: str) -> None:
        """Replace a queue that something else has written to by one made from crawl.db."""
        tell(log, QUEUE_REBUILT, reason=why)
        try:
            if self._saved(collector, writer):  # else nothing could tell that no page is to be read again
                writer.set_meta(MetaKey.COMPLETE, plan.id)
            self._client.wipe(shards=plan.config.queue.queue_shards)
            self._client.create_or_update(plan)
            self._said_complete = False
            self._bootstrap.make_whole(plan, writer, empty=True)
            writer.set_meta(MetaKey.COMPLETE, None)
        except QueueUnreachable as exc:
            self._away(exc)
        self._parent.stopped.wait(_COLLECT_EVERY_S)  # if it is overwritten again and again

    def _saved(self, collector: Collector, writer: CrawlfileWriter) -> bool:
        """Collect what can still be read; whether nothing is left to do."""
        try:
            over = self._is_over(writer)
            while collector.records():
                pass
        except QueueUnreachable:
            return False
        return over

    def _rest(self, collector: Collector, writer: CrawlfileWriter) -> None:
        """Report the crawl's end if it has come, and pause: there was nothing to collect."""
        if not self._said_complete and self._is_over(writer) and not collector.collect():
            writer.end_run(RunOutcome.FINISHED)
            self._say_complete()
        self._parent.stopped.wait(_COLLECT_EVERY_S)

    def _is_over(self, writer: CrawlfileWriter) -> bool:
        """Whether no task is left; there may still be results to collect."""
        return self._client.get_task_queue().stats().drained and not self._bootstrap.is_another(writer)

    def _say_complete(self) -> None:
        self._said_complete = True
        self._parent.say(ChildMessage("ready", text=ALL_COLLECTED))

    def _away(self, exc: QueueUnreachable) -> None:
        if not self._told:
            self._told = True
            tell(log, QUEUE_AWAY, reason=exc)
        self._next_look = 0.0  # has it come back as it was?
        self._parent.stopped.wait(_AGAIN_S)

    def _back(self) -> None:
        if self._told:
            self._told = False
            tell(log, QUEUE_BACK, where=self._context.endpoint)

    def _end(self, plan: Plan, collector: Collector, writer: CrawlfileWriter) -> None:
        """Collect what is left, and delete the crawl from Redis if no task is left."""
        try:
            over = self._is_over(writer)
            while collector.collect():
                pass
            if over:
                writer.end_run(RunOutcome.FINISHED)
                writer.set_meta(MetaKey.COMPLETE, plan.id)
                self._client.delete()
            elif not self._joined:  # else it goes on without us
                writer.end_run(RunOutcome.STOPPED)
        except QueueUnreachable as exc:
            tell(log, NOT_COLLECTED, reason=exc)

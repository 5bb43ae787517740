"""Collects what Redis has settled into crawl.db, and fills Redis from crawl.db: what one has lost, the other gives
back.

The collector may be killed at any moment and run again: Redis forgets a settled task only once crawl.db has it, and a
task can be pushed twice.
"""

from __future__ import annotations

import msgspec

from crawler.crawlfile.meta import MetaKey
from crawler.queues.redis.codec import refused
from crawler.queues.redis.export import Export, Settled
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.queues.validation import keeper_flaw

BATCH = 1000
_PUSHED = 500
_FILES = 50  # of up to half a MiB each


class Collector:
    """Moves what *outlet* has into *books*; for one thread. Unless *kept_by_workers*, a record that says that its
    worker keeps the image counts as failed.
    """

    def __init__(self, outlet: Export, writer: CrawlfileWriter, *, kept_by_workers: bool = True) -> None:
        self._outlet = outlet
        self._writer = writer
        self._kept_by_workers = kept_by_workers

    def collect(self) -> int:
        """Collect everything that Redis has so far; returns the number of records and later words."""
        count = self.records()
        while batch := self._outlet.words(BATCH):
            self._writer.fill(batch)
            self._outlet.forget_words(batch)
            count += len(batch)
            if len(batch) < BATCH:
                break
        while left_out := self._outlet.left_out(BATCH):
            self._writer.keep_left_out(left_out)
            self._outlet.forget_left_out(left_out)
            if len(left_out) < BATCH:
                break
        while files := self._outlet.host_files(_FILES):
            self._writer.keep_host_files(files)
            self._outlet.forget_host_files(files)
            if len(files) < _FILES:
                break
        self._writer.keep_dropped(self._outlet.dropped())
        return count

    def records(self) -> int:
        """Collect the records alone; returns their number."""
        count = 0
        while batch := self._outlet.settled(BATCH):
            self._writer.take(batch if self._kept_by_workers else [_as_kept_here(one) for one in batch])
            self._outlet.put([one.next_size for one in batch if one.next_size is not None])
            self._outlet.forget(batch, self._writer.totals())
            count += len(batch)
            if len(batch) < BATCH:
                break  # else a lively queue would never let go
        return count

    def reconcile(self, *, outlet_is_empty: bool) -> int:
        """Push all unsettled tasks of crawl.db to Redis, before a run; returns how many were new there.

        *outlet_is_empty*: Redis has lost everything. Then it is told which URLs are settled, so that no image is
        fetched again, and unless the crawl was complete all pages are read again.
        """
        self.collect()
        if outlet_is_empty:
            self._writer.queue_lost(reread=self._writer.meta(MetaKey.COMPLETE) is None)
        self._outlet.forget((), self._writer.totals())
        if self._writer.meta(MetaKey.LOST) is not None:
            for keys in self._writer.settled_keys():
                self._outlet.mark(keys)
        self._outlet.keep_host_files(self._writer.host_files())
        count = self._push()
        self._writer.set_meta(MetaKey.LOST, None)
        return count

    def _push(self) -> int:
        tasks, after = self._writer.unsettled(limit=_PUSHED)
        count = 0
        while tasks:
            count += self._outlet.push(tasks)
            tasks, after = self._writer.unsettled(after, limit=_PUSHED)
        return count


def _as_kept_here(one: Settled) -> Settled:
    why = keeper_flaw(one.record)
    return msgspec.structs.replace(one, record=refused(one.kind, one.url, why)) if why else one

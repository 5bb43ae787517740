"""Collects what Redis has settled into crawl.db, and fills Redis from crawl.db: what one has lost, the other gives
back.

The collector may be killed at any moment: Redis forgets what crawl.db has for good, and a task can be pushed twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from crawler.crawlfile.meta import MetaKey
from crawler.queues.redis.codec import Settled, refused
from crawler.queues.redis.export import Export
from crawler.queues.redis.writer import CrawlfileWriter
from crawler.queues.validation import keeper_flaw

BATCH = 1000
_PUSHED = 500
_FILES = 50  # of up to half a MiB each
_T = TypeVar("_T")


class Collector:
    """Moves what *outlet* has to crawl.db; for one thread. Unless *kept_by_workers*, a record that says that its
    worker keeps the image counts as failed.
    """

    def __init__(self, outlet: Export, writer: CrawlfileWriter, *, kept_by_workers: bool = True) -> None:
        self._outlet = outlet
        self._writer = writer
        self._kept_by_workers = kept_by_workers

    def collect(self) -> int:
        """Collect what Redis has, or much of it; returns how much that was: 0 when there is nothing left."""
        outlet, writer = self._outlet, self._writer
        count = self.records()
        count += _moved(outlet.words, writer.fill, outlet.forget_words, BATCH)
        count += _moved(outlet.mentions, writer.keep_mentions, outlet.forget_mentions, BATCH)
        count += _moved(outlet.left_out, writer.keep_left_out, outlet.forget_left_out, BATCH)
        count += _moved(outlet.host_files, writer.keep_host_files, outlet.forget_host_files, _FILES)
        writer.keep_dropped(outlet.dropped())
        return count

    def records(self) -> int:
        """Collect the records alone; returns their number."""
        return _moved(self._outlet.settled, self._take, self._forget, BATCH)

    def _take(self, batch: list[Settled]) -> None:
        self._writer.take(batch if self._kept_by_workers else [_as_kept_here(one) for one in batch])

    def _forget(self, batch: list[Settled]) -> None:
        self._outlet.put([one.next_size for one in batch if one.next_size is not None])
        self._outlet.forget(batch, self._writer.totals())

    def reconcile(self, *, outlet_is_empty: bool) -> int:
        """Push all unsettled tasks of crawl.db to Redis, before a run; returns how many were new there.

        *outlet_is_empty*: Redis has lost everything. Then it is told which URLs are settled, so that no image is
        fetched again, and unless the crawl was complete all pages are read again.
        """
        while self.collect():
            pass
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
        count = after = 0
        while True:
            tasks, after = self._writer.unsettled(after, limit=_PUSHED)
            if not tasks:
                return count
            count += self._outlet.push(tasks)


def _moved(
    give: Callable[[int], list[_T]],
    keep: Callable[[list[_T]], None],
    forget: Callable[[list[_T]], None],
    at_once: int,
) -> int:
    """Move what *give* has, *at_once* at a time; returns how many. A lively queue is let go after a smaller batch."""
    count = 0
    while batch := give(at_once):
        keep(batch)
        forget(batch)
        count += len(batch)
        if len(batch) < at_once:
            break
    return count


def _as_kept_here(one: Settled) -> Settled:
    why = keeper_flaw(one.record)
    return msgspec.structs.replace(one, record=refused(one.kind, one.url, why)) if why else one

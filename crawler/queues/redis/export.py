"""Between the queue in Redis and crawl.db: settled tasks one way, tasks to be done the other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Protocol, TypeVar

import msgspec

from crawler.crawlfile.columns import unpacked_file
from crawler.errors import LEFT_OUT
from crawler.logs.events import QUEUE_ENTRIES_REMOVED, tell
from crawler.models import (
    KIND_OF,
    MAX_COUNT,
    HostFile,
    NewTask,
    Record,
    Stats,
    TaskKind,
    Value,
)
from crawler.models.image_words import Words
from crawler.queues import policy
from crawler.queues.picture_sizes import marked
from crawler.queues.redis.adding import keep_file, put_packed, sorted_out
from crawler.queues.redis.codec import (
    KINDS,
    LETTERS,
    Mentions,
    Packed,
    Settled,
    entries,
    flat,
    grouped,
    local_id,
    mentions,
    note_of,
    packed,
    settled,
    shard_of,
    unpacked,
    utf8,
)
from crawler.queues.redis.connection import Argument
from crawler.queues.redis.shards import Shards
from crawler.queues.validation import FLAWS
from crawler.urls import host_key, task_key

log = logging.getLogger(__name__)

_ENCODE = msgspec.msgpack.Encoder().encode
_WORDS = msgspec.msgpack.Decoder(Words).decode
_T = TypeVar("_T")


class LaterWords(Value):
    """Words of a later page for an image that Redis knew, on their way to crawl.db."""

    shard: int
    entry: str
    """The name of the entry in the shard's stream of words."""
    key: bytes
    """The ``task_key`` of the image's task."""
    words: Words


class PageMentions(Value):
    """The images that pages name, on their way to crawl.db before the records of these."""

    shard: int
    entry: str
    """The name of the entry in the shard's stream of pages."""
    mentions: Mentions


class LeftOutOnce(Value):
    """A URL that Redis has left out, on its way to crawl.db."""

    shard: int
    entry: str
    """The name of the entry in the shard's stream of what was left out."""
    slug: str
    task: NewTask


class KeptFile(Value):
    """A file with what a host says of itself (robots.txt), on its way to crawl.db or back."""

    host: str
    file: HostFile


class Unsettled(Value):
    """A task of crawl.db that is to be done, or done again."""

    id: int
    """0 if Redis has never given the task an id."""
    serial: int
    task: NewTask
    known: Record | None = None
    """The record of an earlier visit that workers are given, in a crawl that is refreshed."""
    last: Record | None = None
    """The record that stands in crawl.db, whatever its status."""


class Export(Protocol):
    """The queue as the collector of crawl.db sees it, which may be killed at any moment, and repeat every call.

    What ``settled``, ``words``, ``mentions``, ``left_out`` and ``host_files`` return, *limit* entries at most and the
    oldest first, stays in Redis until the matching ``forget`` call, which follows when it is in crawl.db for good.
    """

    def settled(self, limit: int) -> list[Settled]: ...

    def put(self, tasks: Sequence[NewTask]) -> None:
        """Add new tasks; a URL that is known stays as it is."""

    def words(self, limit: int) -> list[LaterWords]: ...

    def forget_words(self, collected: Sequence[LaterWords]) -> None: ...

    def mentions(self, limit: int) -> list[PageMentions]: ...

    def forget_mentions(self, collected: Sequence[PageMentions]) -> None: ...

    def left_out(self, limit: int) -> list[LeftOutOnce]: ...

    def forget_left_out(self, collected: Sequence[LeftOutOnce]) -> None: ...

    def host_files(self, limit: int) -> list[KeptFile]: ...

    def forget_host_files(self, collected: Sequence[KeptFile]) -> None: ...

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        """Give Redis the files that crawl.db has, so that the hosts are not asked again."""

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        """Forget the entries, and take *totals* as the figures of crawl.db, which includes them."""

    def push(self, tasks: Sequence[Unsettled]) -> int:
        """Have hundreds of tasks done; returns how many were added. One that is pending in Redis stays as it is."""

    def mark(self, tasks: Sequence[tuple[TaskKind, str, int]]) -> None:
        """Note these kinds and URLs, with the bits of their words, as settled, unless they are pending."""

    def dropped(self) -> dict[str, int]:
        """``Stats.dropped`` of Redis."""


class ShardsExport:
    """The Export of *shards*."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def settled(self, limit: int) -> list[Settled]:
        shards = range(self._shards.count)
        found = [one for shard in shards for one in self._oldest(shard, "out", limit, settled)]
        found.sort(key=lambda one: one.cursor)
        return found[:limit]

    def _oldest(
        self, shard: int, stream: str, limit: int, decode: Callable[[int, str, dict[bytes, bytes]], _T]
    ) -> list[_T]:
        """The oldest entries of a stream; foreign ones among them are removed, and logged."""
        while True:
            found = self._shards.run(shard, "entries", stream, "-", limit)
            ours, foreign = entries(found, partial(decode, shard))
            if foreign:
                self._shards.run(shard, "forget", stream, b"", len(foreign), *foreign)
                key = f"{self._shards.prefixes[shard]}{stream}"
                tell(log, QUEUE_ENTRIES_REMOVED, key=key, entries=len(foreign), first=foreign[0])
            if ours or not foreign:
                return ours

    def _first(self, limit: int, give: Callable[[int, int], list[_T]]) -> list[_T]:
        """What the first shards *give* that have any, *limit* values at most."""
        values: list[_T] = []
        for shard in range(self._shards.count):
            values += give(shard, limit - len(values))
            if len(values) >= limit:
                break
        return values

    def put(self, tasks: Sequence[NewTask]) -> None:
        by_shard, _, named = sorted_out(tasks, self._shards.count)
        for shard, group in by_shard.items():
            put_packed(self._shards, shard, group, named=named)
            named = {}

    def words(self, limit: int) -> list[LaterWords]:
        return self._first(limit, lambda shard, most: self._oldest(shard, "words", most, _later_words))

    def forget_words(self, collected: Sequence[LaterWords]) -> None:
        self._forget("words", collected)

    def mentions(self, limit: int) -> list[PageMentions]:
        return self._first(limit, lambda shard, most: self._oldest(shard, "named", most, _page_mentions))

    def forget_mentions(self, collected: Sequence[PageMentions]) -> None:
        self._forget("named", collected)

    def left_out(self, limit: int) -> list[LeftOutOnce]:
        return self._first(limit, lambda shard, most: self._oldest(shard, "left", most, _left_out_once))

    def forget_left_out(self, collected: Sequence[LeftOutOnce]) -> None:
        self._forget("left", collected)

    def host_files(self, limit: int) -> list[KeptFile]:
        def give(shard: int, most: int) -> list[KeptFile]:
            try:
                return [_kept_file(*row) for row in self._shards.run(shard, "filed", most)]
            except (*FLAWS, ValueError) as exc:
                raise self._shards.damaged(shard, "files", exc) from exc

        return self._first(limit, give)

    def forget_host_files(self, collected: Sequence[KeptFile]) -> None:
        for shard, group in self._grouped(collected, lambda one: one.host).items():
            fields = [f"{one.host} {one.file.name}" for one in group]
            self._shards.run(shard, "forget_filed", len(fields), *fields)

    def _grouped(self, values: Iterable[_T], host: Callable[[_T], str]) -> dict[int, list[_T]]:
        """*values* by the shard of their *host*."""
        return grouped(values, lambda value: shard_of(host(value), self._shards.count))

    def keep_host_files(self, files: Sequence[KeptFile]) -> None:
        for one in files:
            keep_file(self._shards, one.host, one.file)

    def _forget(self, stream: str, collected: Sequence[LaterWords | PageMentions | LeftOutOnce]) -> None:
        for shard, names in _names_by_shard(collected).items():
            self._shards.run(shard, "forget", stream, b"", len(names), *names)

    def forget(self, settled: Sequence[Settled], totals: Stats) -> None:
        by_shard = _names_by_shard(settled)
        by_shard.setdefault(0, [])
        for shard, names in by_shard.items():
            packed_totals = _ENCODE(totals) if shard == 0 else b""
            self._shards.run(shard, "forget", "out", packed_totals, len(names), *names)

    def push(self, tasks: Sequence[Unsettled]) -> int:
        pairs = [(task, packed(task.task, known=task.known)) for task in tasks]
        self._shards.tell_domains({one.host for _, one in pairs})
        pushed = 0
        for shard, group in self._grouped(pairs, lambda pair: pair[1].host).items():
            words = chain.from_iterable(_pushed(shard, task, one) for task, one in group)
            pushed += self._shards.run(shard, "push", len(group), *words)
        return pushed

    def mark(self, tasks: Sequence[tuple[TaskKind, str, int]]) -> None:
        for shard, group in self._grouped(tasks, lambda task: host_key(task[1])).items():
            words: Iterable[Argument] = chain.from_iterable(
                (LETTERS[kind], task_key(kind, url), note_of(url, bits | _outcome(kind, url)))
                for kind, url, bits in group
            )
            self._shards.run(shard, "mark", len(group), *words)

    def dropped(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for shard in range(self._shards.count):
            found.update(flat(self._shards.bare(shard, "dropped")))
        return {slug: count for slug, count in found.items() if slug in LEFT_OUT and 0 <= count <= MAX_COUNT}


def _later_words(shard: int, name: str, words: dict[bytes, bytes]) -> LaterWords:
    return LaterWords(shard=shard, entry=name, key=words[b"k"], words=_WORDS(words[b"w"]))


def _page_mentions(shard: int, name: str, words: dict[bytes, bytes]) -> PageMentions:
    return PageMentions(shard=shard, entry=name, mentions=mentions(words[b"m"]))


def _left_out_once(shard: int, name: str, words: dict[bytes, bytes]) -> LeftOutOnce:
    what = unpacked(utf8(words[b"h"]), words[b"b"])
    task = NewTask(kind=KINDS[utf8(words[b"c"])], url=what.url, origin=what.origin)
    return LeftOutOnce(shard=shard, entry=name, slug=utf8(words[b"r"]), task=task)


def _kept_file(field: bytes, blob: bytes, left_s: bytes) -> KeptFile:
    file = msgspec.structs.replace(unpacked_file(blob), kept_s=max(0.0, float(left_s)))
    return KeptFile(host=utf8(field).partition(" ")[0], file=file)


def _names_by_shard(
    collected: Sequence[Settled | LaterWords | PageMentions | LeftOutOnce],
) -> dict[int, list[str]]:
    groups = grouped(collected, lambda one: one.shard)
    return {shard: [one.entry for one in group] for shard, group in groups.items()}


def _outcome(kind: TaskKind, url: str) -> int:
    """The note of a settled image. Whether it was saved is not known here; a size too many is no loss."""
    if kind is not TaskKind.IMAGE:
        return 0
    return policy.NOTE_FAILED if marked(NewTask(kind=kind, url=url)) is None else policy.NOTE_MARKED


def _pushed(shard: int, task: Unsettled, one: Packed) -> tuple[Argument, ...]:
    """The words of a task, as push.lua reads them."""
    of, number = local_id(task.id)
    number = number if task.id and of == shard else ""
    return (number, task.serial, *one.facts, one.note, one.entry, old_tally(task.last))


def old_tally(record: Record | None) -> bytes:
    """What the last record of a task counts for, as keep() in settling.lua packs it: a newer one takes it back."""
    if record is None:
        return b""
    letter = LETTERS[KIND_OF[type(record)]]
    words: list[str | int] = [f"{letter}:status:{record.status}", 1]
    if record.reason:
        words += [f"{letter}:reason:{record.reason}", 1]
    if record.status == "saved" and record.size_bytes:
        words += ["bytes", record.size_bytes]
    return _ENCODE(words)

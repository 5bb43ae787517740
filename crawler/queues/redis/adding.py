"""Tasks on their way into the shards, and what hosts say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from crawler.crawlfile.columns import packed_file
from crawler.models import ROBOTS_TXT, HostFile, NewTask
from crawler.queues import policy
from crawler.queues.adding import each_once
from crawler.queues.mentions import Named, note_mention
from crawler.queues.redis.codec import Packed, grouped, packed, packed_mentions, shard_of
from crawler.queues.redis.connection import Argument
from crawler.queues.redis.shards import Shards
from crawler.queues.validation import MALFORMED

TASKS_AT_ONCE = 1000
"""New tasks for one script: 10 ms or so, in which nobody else is served."""


class SortedOut(NamedTuple):
    """New tasks, each URL once."""

    by_shard: dict[int, list[tuple[Packed, str]]]
    """With the slug that keeps it out."""
    drops: Counter[str]
    """How many were dropped, by slug."""
    named: Named
    """The images that pages name, the new ones too: which these are, only the shards know."""


def sorted_out(tasks: Iterable[NewTask], shards: int) -> SortedOut:
    fresh, repeats, malformed, named = each_once(tasks)
    for key, task in fresh.items():
        note_mention(named, key, task)
    pairs = [(packed(task, key=key), task.kept_out_by) for key, task in fresh.items()]
    pairs.sort(key=lambda pair: pair[0].mark != b"")  # sizes behind the originals they came with
    by_shard = grouped(pairs, lambda pair: shard_of(pair[0].host, shards))
    return SortedOut(by_shard, +Counter({policy.SESSION_ID: len(repeats), MALFORMED: malformed}), named)


def put_packed(
    shards: Shards,
    shard: int,
    tasks: Sequence[tuple[Packed, str]],
    drops: Counter[str] | None = None,
    named: Named | None = None,
) -> int:
    """Add *tasks* to their shard, TASKS_AT_ONCE at a time; returns how many were new. It is told of *drops*
    and of what pages have *named* as well.
    """
    shards.tell_domains({one.host for one, _ in tasks})
    new = 0
    for start in range(0, max(1, len(tasks)), TASKS_AT_ONCE):
        part = tasks[start : start + TASKS_AT_ONCE]
        told = (*counted(drops or Counter()), packed_mentions(named or {}))
        new += shards.run(shard, "put", *shards.elsewhere(shard), *told, len(part), *arguments(part))
        drops = named = None
    return new


def keep_file(shards: Shards, host: str, file: HostFile, *, worker_id: str = "") -> None:
    """Tell the host's shard of *file*. *worker_id* fetched it; empty if it comes from crawl.db."""
    says_delay = file.name == ROBOTS_TXT and not file.reason
    shards.run(
        shard_of(host, shards.count),
        "keep_host_file",
        *(worker_id, host, file.name, repr(file.kept_s), packed_file(file)),
        repr(file.delay_s) if says_delay else "",
    )


def arguments(tasks: Iterable[tuple[Packed, str]]) -> Iterable[Argument]:
    """As add_tasks() in lua/shared/adding.lua reads them."""
    for one, kept_out_by in tasks:
        yield from (one.kind, one.key, one.host, one.note, kept_out_by, one.entry)


def counted(drops: Counter[str]) -> list[Argument]:
    return [len(drops), *(word for item in drops.items() for word in item)]

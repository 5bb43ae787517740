"""Results of a queue in Redis: a command to the shard of each task."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from crawler.models import KIND_OF, Cookie, ImageRecord, Record, Result, Revisit
from crawler.queues import policy
from crawler.queues.fallback import with_next_size
from crawler.queues.forms import fit_cookies
from crawler.queues.host_evidence import ended_elsewhere, evidence, is_seed, reason_of
from crawler.queues.left_out import located
from crawler.queues.redis.adding import TASKS_AT_ONCE, arguments, counted, put_packed, sorted_out
from crawler.queues.redis.codec import LETTERS, local_id, packed_mentions, shard_of, utf8
from crawler.queues.redis.connection import Argument
from crawler.queues.redis.shards import Shards
from crawler.queues.refresh import left_out_of
from crawler.queues.throttle import refused_for_s
from crawler.queues.validation import checked
from crawler.urls import host_key, task_key

_MOST_BYTES = 2**50  # of one record: to a script numbers are doubles, and counters have 64 bits
_OWN_HOST, _ANOTHER_SHARDS, _TELLS_NOTHING = "", "-", "!"
_ENCODE = msgspec.msgpack.Encoder().encode


class RedisSettling:
    """Takes results for *shards*; a task is tried *max_attempts* times."""

    def __init__(self, shards: Shards, *, max_attempts: int) -> None:
        self._shards = shards
        self._max_attempts = max_attempts

    def settle(self, results: Sequence[Result]) -> tuple[str, ...]:
        # whoever sends them has made them; what others have put past this, the collector looks at
        by_shard: dict[int, list[Result]] = defaultdict(list)
        for result in map(self._with_next_size, map(checked, results)):
            shard = local_id(result.token.id)[0]
            if shard < self._shards.count:  # else it is of no task
                by_shard[shard].append(self._without_others_finds(result, shard))
        return tuple(host for shard, group in by_shard.items() for host in self._put(shard, group))

    def _with_next_size(self, result: Result) -> Result:
        """The same, with the size that takes the place of an image that is not to be had, if this was its last try."""
        tried_again = result.retry_in_s is not None and result.record.attempts < self._max_attempts
        if result.untouched or tried_again:
            return result
        record, next_size = with_next_size(result.record)
        found = result.discovered if next_size is None else (*result.discovered, next_size)
        return msgspec.structs.replace(result, record=record, discovered=found)

    def _without_others_finds(self, result: Result, shard: int) -> Result:
        """*shard* refuses a result whose URL is another shard's; what it discovered would be put before that."""
        url = result.record.url
        if not result.discovered or (url and shard_of(host_key(url), self._shards.count) == shard):
            return result
        return msgspec.structs.replace(result, discovered=())

    def _put(self, shard: int, results: Sequence[Result]) -> list[str]:
        """In one step, but for what other shards are to know: that comes first, and then may come twice. Returns the
        hosts that are to be left alone.
        """
        keep_cookies(self._shards, [cookie for result in results for cookie in fit_cookies(result.cookies)])
        words: list[Argument] = []
        room = TASKS_AT_ONCE
        for result in results:
            by_shard, drops, named = sorted_out(
                located(result.discovered, result.record.final_url or result.record.url), self._shards.count
            )
            here = by_shard.get(shard, [])
            self._shards.tell_domains({one.host for one, _ in here})
            if len(here) <= room:
                room -= len(by_shard.pop(shard, here))
            else:
                here = []
            # ahead of the result: should that get lost, the page is read once more
            for other, tasks in by_shard.items():
                put_packed(self._shards, other, tasks)
            left_out = counted(Counter(left_out_of(result.record)))
            words += [
                *self._judged(shard, result).values(),
                *counted(drops),
                *left_out,
                packed_mentions(named),
                len(here),
                *arguments(here),
            ]
        alone = self._shards.run(shard, "settle", *self._shards.elsewhere(shard), len(results), *words)
        return [utf8(host) for host in alone]

    def _judged(self, shard: int, result: Result) -> dict[str, Argument]:
        """What settle.lua has to know of a result without reading its record, in its order; it says what each is."""
        record = result.record
        kind = KIND_OF[type(record)]
        refused_s = refused_for_s(record, result.refused_for_s)
        has_next = isinstance(record, ImageRecord) and bool(record.replaced_by)
        return {
            "id": local_id(result.token.id)[1],
            "serial": result.token.serial,
            "kind": LETTERS[kind],
            "key": task_key(kind, record.url),
            "flags": "x" if not record.url else "u" if result.untouched else "n" if has_next else "",
            "retry_s": _or_none(result.retry_in_s),
            "pause_s": _or_none(result.host_pause_s),
            "delay_s": _or_none(result.host_delay_s),
            "what": evidence(record).value,
            "why": reason_of(record),
            "http": record.http_status,
            "detail": record.detail[: policy.SHOWN_DETAIL_CHARS],
            "elapsed_s": repr(record.elapsed_s),
            "refused_s": _or_none(refused_s),
            "host": self._ended_at(shard, record, refused_s),
            "again": int(record.attempts > 1),
            "seed": int(is_seed(record)),
            "status": str(record.status),
            "reason": record.reason,
            "size": min(max(record.size_bytes, 0), _MOST_BYTES),
            "record": _ENCODE(record),
        }

    def _ended_at(self, shard: int, record: Record, refused_s: float | None) -> str:
        """The host that a redirect led to, as settle.lua wants it; another shard is told of it here."""
        name = ended_elsewhere(record)
        if name is None:
            return _OWN_HOST
        if record.revisit is Revisit.FAILED:
            return _TELLS_NOTHING  # where it led at an earlier visit says nothing of this one
        other = shard_of(name, self._shards.count)
        if other == shard:
            return name
        what, detail = evidence(record).value, record.detail[: policy.SHOWN_DETAIL_CHARS]
        took = (repr(record.elapsed_s), _or_none(refused_s), int(record.attempts > 1), 0)
        self._shards.run(other, "note", 1, name, what, reason_of(record), detail, *took)
        return _ANOTHER_SHARDS


def _or_none(duration_s: float | None) -> str:
    return "" if duration_s is None else repr(duration_s)


def keep_cookies(shards: Shards, cookies: Sequence[Cookie]) -> None:
    """Have all workers send them."""
    if cookies:
        words: Iterable[Argument] = chain.from_iterable(
            (one.domain, one.path, one.name, int(one.deleted), _or_none(one.expires_in_s), _ENCODE(one))
            for one in cookies
        )
        shards.run(0, "cookies", len(cookies), *words)

"""Leases of a queue in Redis: one long poll over all shards."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

import msgspec

from crawler.models import Batch, Cookie, Lease, Task, Token, WorkerState
from crawler.queues.cookies import aged
from crawler.queues.redis.codec import KINDS, LETTERS, global_id, local_id, unpacked, utf8
from crawler.queues.redis.connection import Argument, WakeupChannel, WakeupLost
from crawler.queues.redis.shards import Shards
from crawler.queues.validation import FLAWS, is_url
from crawler.text.plain_errors import quoted

_ENCODE = msgspec.msgpack.Encoder().encode
_COOKIE = msgspec.msgpack.Decoder(Cookie).decode
_DEAF_S = 0.5
"""Seconds for which a call that waits may not notice that the client is abandoned."""


class RedisLeasing:
    """Leases of *shards*; for one thread a worker.

    A worker subscribes to its wake-up channel before it asks the shards, so that no wake-up is missed. Each lease
    begins with another shard, so that all are asked alike.

    Invariant: ``_used`` has the slots of a worker that are in use at each shard by its latest answer, for only all
    shards together know how many it has left.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._channels: dict[str, WakeupChannel] = {}
        self._used: dict[str, Counter[int]] = defaultdict(Counter)
        self._leases: Counter[str] = Counter()
        self._cookie = 0
        """The number of the latest change of cookies that shard 0 told of."""

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        end = time.monotonic() + wait_s
        channel = self._channel(worker) if wait_s > 0 else None
        self._leases[worker.id] += 1
        first = crc32(worker.id.encode()) + self._leases[worker.id]
        ask = [(first + shard) % self._shards.count for shard in range(self._shards.count)]
        waits_at: set[int] = set()
        while True:
            left = end - time.monotonic()
            lease, alarm_s = self._ask(worker, ask, count, slots, max(0.0, left), held, waits_at)
            if lease.batches or lease.halted is not None or lease.drained or left <= 0 or channel is None:
                for shard in waits_at:  # what these have for one who waits is for another one now
                    self._shards.run(shard, "wait_no_more", worker.id, LETTERS[worker.kind])
                return lease
            woken_by = self._wait(worker, channel, min(alarm_s, left))
            channel = self._channel(worker)
            if woken_by is not None:
                ask.sort(key=lambda shard: shard != woken_by)

    def _ask(
        self,
        worker: WorkerState,
        shards: Sequence[int],
        count: int,
        slots: int,
        left_s: float,
        held: Sequence[Token],
        waits_at: set[int],
    ) -> tuple[Lease, float]:
        """Ask *shards* in turn; returns the lease, and in how many seconds to ask again if it is empty. The worker
        counts as waiting at the shards in *waits_at*.
        """
        batches: list[Batch] = []
        alarm_s, halted = left_s, None
        used = self._used[worker.id] & Counter(local_id(token.id)[0] for token in held)
        for shard in shards:
            others = sum(used.values()) - used[shard]
            wait = "" if batches or left_s <= 0 else f"{left_s:.6f}"
            leased, why, alarm, in_use, cookie = self._shards.run(
                shard,
                "lease",
                *self._shards.elsewhere(shard),
                *worker_words(worker),
                count,
                max(0, slots - others),
                wait,
                *token_words(held, shard),
            )
            used[shard] = in_use
            if wait and not leased:
                waits_at.add(shard)
            else:
                waits_at.discard(shard)
            if shard == 0:
                self._cookie = int(cookie)
            halted = halted or utf8(why) or None
            if alarm:
                alarm_s = min(alarm_s, float(alarm))
            granted = [self._batch(shard, batch) for batch in leased]
            batches += granted
            count -= sum(len(batch.tasks) for batch in granted)
            if count <= 0:
                break
        self._used[worker.id] = used
        drained = not batches and self._shards.seems_drained() and self._shards.drained()
        cookies, seen = self._cookie_news(worker)
        return (
            Lease(batches=tuple(batches), drained=drained, halted=halted, cookies=cookies, cookies_seen=seen),
            alarm_s,
        )

    def _batch(self, shard: int, reply: Sequence[Any]) -> Batch:
        name, slots, delay_s, leased = reply
        host, tasks = utf8(name), []
        try:
            for number, serial, attempt, depth, letter, text in leased:
                kind, what = KINDS[utf8(letter)], unpacked(host, text)
                if not is_url(what.url, kind):
                    raise ValueError(f"{quoted(what.url[:200])} is no URL")  # noqa: TRY301 - as what is illegible
                tasks.append(
                    Task(
                        id=global_id(shard, number),
                        serial=serial,
                        kind=kind,
                        url=what.url,
                        depth=depth,
                        attempt=attempt,
                        origin=what.origin,
                        host_delay_s=float(delay_s),
                        known=what.known,
                    )
                )
        except (*FLAWS, ValueError, LookupError) as exc:
            raise self._shards.damaged(shard, f"q:*:{host}", exc) from exc
        return Batch(host=host, slots=slots, tasks=tuple(tasks))

    def _wait(self, worker: WorkerState, channel: WakeupChannel, for_s: float) -> int | None:
        """Wait for a wake-up, *for_s* seconds at most; returns the shard that it comes from."""
        end = time.monotonic() + for_s
        abandoned = self._shards.engine.patience.stop
        while (left := end - time.monotonic()) > 0 and not abandoned.is_set():
            try:
                shard = channel.wait(min(left, _DEAF_S))
            except WakeupLost:
                self._channels.pop(worker.id, None)
                abandoned.wait(min(left, 0.1))
                return None
            if shard is not None:
                return int(shard)
        return None

    def _channel(self, worker: WorkerState) -> WakeupChannel:
        channel = self._channels.get(worker.id)
        if channel is None:
            channel = self._shards.engine.wakeup_channel(self._shards.wakeup_prefix + worker.id)
            self._channels[worker.id] = channel
        return channel

    def _cookie_news(self, worker: WorkerState) -> tuple[tuple[Cookie, ...], int]:
        if self._shards.count == 1 and self._cookie == worker.cookies_seen:
            return (), worker.cookies_seen
        news, seen = self._shards.bare(0, "cookie_news", worker.cookies_seen)
        cookies = []
        for blob, left_s in news:
            with suppress(*FLAWS):  # of no use to anybody
                cookies.append(aged(_COOKIE(blob), float(left_s) if left_s else None))
        return tuple(cookies), int(seen)

    def forget(self, worker_id: str) -> None:
        self._used.pop(worker_id, None)

    def close(self) -> None:
        """Close the subscriptions."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()


def worker_words(worker: WorkerState) -> tuple[Argument, ...]:
    return (worker.id, LETTERS[worker.kind], _ENCODE(worker), worker.done)


def token_words(tokens: Sequence[Token], shard: int) -> list[Argument]:
    """The leases among *tokens* that are the shard's, as the scripts read them."""
    words: list[Argument] = []
    for token in tokens:
        of, number = local_id(token.id)
        if of == shard:
            words += (number, token.serial)
    return [len(words) // 2, *words]

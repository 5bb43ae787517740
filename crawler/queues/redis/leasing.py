"""Leases of a queue in Redis: one long poll over all shards."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import msgspec

from crawler.models import Batch, Cookie, Lease, Task, TaskKind, Token, WorkerState
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
_SOON_S = 0.001
_TOGETHER_S = 1.0
_LEAST_REST_S = 2.0
"""Who waits for so long in one call is a worker that calls again, and may rest meanwhile."""
_REST_S = 60.0
"""So long a downloader rests at a shard without waiting images, and anybody in a crawl that is paused: it is woken for
whatever arrives. Of a wake-up that a dead worker got instead, it hears that late."""
_REST_BESIDE_WORK_S = 5.0
"""… and at other shards. What is not for it may be soon: it has to be hungry (policy.STARVED_S). What is for harvesters
other shards decide, and nobody tells of that."""


@dataclass(slots=True)
class _Rest:
    """A worker that holds nothing, and counts as waiting at shards between two calls."""

    asked: tuple[int, int]
    """How many tasks and slots it asked for."""
    alarms: dict[int, float]
    """When it is to ask each shard once more, on the monotonic clock."""
    watched: set[int]
    """Shards for which it looks at the clock, for all who wait there."""


class RedisLeasing:
    """Leases of *shards*; for one thread a worker.

    A worker subscribes to its wake-up channel before it asks the shards, so that no wake-up is missed. Each lease
    begins with another shard, so that all are asked alike. A worker with nothing to do *rests*: it goes on waiting at
    the shards in its next call, and asks only those that wake it. A fleet without work would ask each shard all the
    time else.

    Invariant: ``_used`` has the slots of a worker that are in use at each shard by its latest answer, for only all
    shards together know how many it has left.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._channels: dict[str, WakeupChannel] = {}
        self._used: dict[str, Counter[int]] = defaultdict(Counter)
        self._leases: Counter[str] = Counter()
        self._rests: dict[str, _Rest] = {}
        self._paused = [False] * shards.count
        self._cookie = 0
        """The number of the latest change of cookies that shard 0 told of."""

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        end = time.monotonic() + wait_s
        channel = self._channel(worker) if wait_s > 0 else None
        self._leases[worker.id] += 1
        may_rest = not held and wait_s >= _LEAST_REST_S
        rest = self._rests.pop(worker.id, None) or _Rest((-1, -1), {}, set())
        every = self._turn_of(worker)
        goes_on = may_rest and rest.asked == (count, slots)
        ask = _due(every, rest.alarms) if goes_on else every
        rest.asked = (count, slots)
        lease = Lease(cookies_seen=worker.cookies_seen)
        while True:
            left_s = max(0.0, end - time.monotonic())
            if ask:
                lease = self._ask(worker, ask, left_s, held, rest, may_rest=may_rest, goes_on=goes_on)
            is_empty = not (lease.batches or lease.halted is not None or lease.drained)
            if is_empty and left_s <= 0 and may_rest:
                self._rests[worker.id] = rest
                return lease
            if not is_empty or left_s <= 0 or channel is None:
                for shard in rest.alarms:  # what these have for one who waits is for another one now
                    self._shards.run(shard, "wait_no_more", worker.id, LETTERS[worker.kind])
                return lease
            woken_by = self._wait(worker, channel, min(end, *rest.alarms.values()) - time.monotonic())
            if self._channels.get(worker.id) is not channel:  # wake-ups may have been lost with it
                channel, ask, goes_on = self._channel(worker), every, False
            elif woken_by is not None:
                ask = [woken_by]
            else:
                ask = _due(every, rest.alarms)

    def _turn_of(self, worker: WorkerState) -> list[int]:
        """All shards, in the order in which to ask them this time."""
        first = crc32(worker.id.encode()) + self._leases[worker.id]
        return [(first + shard) % self._shards.count for shard in range(self._shards.count)]

    def _rest_s(self, worker: WorkerState, shard: int) -> float:
        is_idle = worker.kind is TaskKind.IMAGE and self._shards.seems_without_images(shard)
        return _REST_S if is_idle or self._paused[shard] else _REST_BESIDE_WORK_S

    def _ask(
        self,
        worker: WorkerState,
        shards: Sequence[int],
        left_s: float,
        held: Sequence[Token],
        rest: _Rest,
        *,
        may_rest: bool,
        goes_on: bool,
    ) -> Lease:
        """Ask *shards* in turn. The worker counts as waiting at those in *rest*, for *left_s* seconds or until it asks
        again. *goes_on*: it waits there by earlier calls.
        """
        count, slots = rest.asked
        batches: list[Batch] = []
        halted = None
        used = self._used[worker.id] & Counter(local_id(token.id)[0] for token in held)
        for shard in shards:
            others = sum(used.values()) - used[shard]
            wait_s = max(left_s, self._rest_s(worker, shard)) if may_rest else left_s
            wait = "" if batches or wait_s <= 0 else f"{wait_s:.6f}"
            as_known = goes_on and worker.kind is TaskKind.IMAGE and shard not in rest.watched
            leased, why, alarm, in_use, cookie, paused = self._shards.run(
                shard,
                "lease",
                *self._shards.elsewhere(shard, as_known=as_known),
                *worker_words(worker),
                count,
                max(0, slots - others),
                wait,
                *token_words(held, shard),
            )
            used[shard] = in_use
            self._paused[shard] = bool(paused)
            rest.watched.discard(shard)
            if wait and not leased:
                alarm_s = float(alarm or wait_s)
                rest.alarms[shard] = time.monotonic() + alarm_s
                if alarm_s < wait_s - _SOON_S:
                    rest.watched.add(shard)
            else:
                rest.alarms.pop(shard, None)
            if shard == 0:
                self._cookie = int(cookie)
            halted = halted or utf8(why) or None
            granted = [self._batch(shard, batch) for batch in leased]
            batches += granted
            count -= sum(len(batch.tasks) for batch in granted)
            if count <= 0:
                break
        self._used[worker.id] = used
        drained = not batches and self._shards.seems_drained() and self._shards.drained()
        cookies, seen = self._cookie_news(worker)
        return Lease(
            batches=tuple(batches), drained=drained, halted=halted, cookies=cookies, cookies_seen=seen
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
        self._rests.pop(worker_id, None)

    def close(self) -> None:
        """Close the subscriptions."""
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()


def _due(shards: Sequence[int], alarms: dict[int, float]) -> list[int]:
    """The *shards* that are to be asked now, for they have not been, or their alarm is over; and with them those that
    would be soon after: each round takes calls of its own.
    """
    now = time.monotonic()
    if all(alarms.get(shard, now) > now for shard in shards):
        return []
    return [shard for shard in shards if alarms.get(shard, now) <= now + _TOGETHER_S]


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

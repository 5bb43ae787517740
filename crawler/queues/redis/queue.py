"""The queue in Redis: each call is a command to one or all of its shards."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from crawler.crawlfile.columns import unpacked_file
from crawler.models import (
    FileAnswer,
    Heartbeat,
    HostFile,
    Lease,
    NewTask,
    RenderOutcome,
    Result,
    Stats,
    Status,
    TemplateAnswer,
    Token,
    WorkerState,
)
from crawler.queues import Plan, Queue, RecordPage, page_templates, policy
from crawler.queues.forms import check_host_file
from crawler.queues.redis.adding import keep_file, put_packed, sorted_out
from crawler.queues.redis.codec import Settled, entries, local_id, settled, shard_of, utf8
from crawler.queues.redis.connection import Argument
from crawler.queues.redis.leasing import RedisLeasing, token_words, worker_words
from crawler.queues.redis.settling import RedisSettling
from crawler.queues.redis.shards import Shards
from crawler.queues.redis.status import figures, host_status
from crawler.queues.validation import FLAWS, is_host
from crawler.text.plain_errors import quoted

_POLL_S = 0.05
_CURSOR_BITS = 64
"""Of each shard, in the cursor of a RecordPage."""


class _TemplateReply(NamedTuple):
    """What a shard knows of a template."""

    known: page_templates.KnownTemplates
    states: dict[str, bytes]
    """Their encoded states by name, to tell whether another client has changed one meanwhile."""
    now_s: float
    has_renderer: bool


class RedisQueue(Queue):
    """The Queue on *shards*, of the crawl with this *plan*. Thread-safe, but for the calls of one worker.

    All state is in Redis; see RedisLeasing for what a client remembers.
    """

    def __init__(self, shards: Shards, plan: Plan | None = None) -> None:
        self._shards = shards
        self._plan = plan or Plan()
        self._leasing = RedisLeasing(shards)
        self._settling = RedisSettling(shards, max_attempts=self._plan.config.queue.max_attempts)

    def plan(self) -> Plan:
        return self._plan

    def put(self, tasks: Sequence[NewTask]) -> int:
        by_shard, drops, named = sorted_out(tasks, self._shards.count)
        if drops and not by_shard:
            by_shard = {0: []}
        new = 0
        for shard, group in by_shard.items():
            new += put_packed(self._shards, shard, group, drops, named)
            drops, named = Counter(), {}
        return new

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        return self._leasing.lease(worker, count=count, slots=slots, wait_s=wait_s, held=held)

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        lost: list[Token] = []
        alone: list[str] = []
        paused, halted = False, None
        # of one that holds nothing a single shard tells the status; the others know by its leases that it lives
        home = crc32(worker.id.encode()) % self._shards.count
        for shard in range(self._shards.count) if held else (home,):
            mine = [token for token in held if local_id(token.id)[0] == shard]
            gone, left_alone, is_paused, why = self._shards.run(
                shard, "heartbeat", *worker_words(worker), *token_words(mine, shard)
            )
            lost += [mine[at] for at in gone]
            alone += map(utf8, left_alone)
            paused, halted = paused or bool(is_paused), halted or utf8(why) or None
        return Heartbeat(lost=tuple(lost), left_alone=tuple(alone), paused=paused, halted=halted)

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        for shard in sorted({local_id(token.id)[0] for token in tokens}):
            if shard < self._shards.count:
                self._shards.run(shard, "release", *worker_words(worker), *token_words(tokens, shard))

    def leave(self, worker_id: str, *, charged: bool) -> None:
        self._shards.all("leave", worker_id, int(charged))
        self._leasing.forget(worker_id)

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        shard = self._shard_of(host)
        if is_guest:
            self._shards.tell_domains((host,))
        return float(self._shards.run(shard, "turn", task, host, int(is_guest)))

    def receive(self, *, count: int) -> float:
        rate = self._plan.config.fetch.limit_rate_bytes_s
        if not rate:
            return 0.0
        return float(self._shards.run(0, "receive", count, rate))

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        self._shards.run(self._shard_of(host), "turn_taken", host, repr(ago_s))

    def turn_over(self, *, task: int, host: str) -> None:
        shard, (of, number) = self._shard_of(host), local_id(task)
        self._shards.run(shard, "turn_over", task, host, number if of == shard else "")

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
        shard = self._shard_of(host)
        blob, seconds = self._shards.run(shard, "host_file", worker_id, host, name)
        if not blob:
            return FileAnswer(is_yours=not float(seconds), again_s=float(seconds))
        try:
            file = unpacked_file(blob)
        except FLAWS as exc:
            raise self._shards.damaged(shard, "files", exc) from exc
        return FileAnswer(file=msgspec.structs.replace(file, kept_s=float(seconds)))

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
        check_host_file(file)
        self._shard_of(host)
        keep_file(self._shards, host, file, worker_id=worker_id)

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        shard = self._shard_of(host)
        while True:
            read = self._read_template(shard, host, name)
            known, answer = page_templates.asked(read.known, task, read.now_s)
            if self._keep_template(shard, host, read, known):
                has_renderer = self._plan.browser or read.has_renderer
                return msgspec.structs.replace(answer, has_renderer=has_renderer)

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None:
        shard = self._shard_of(host)
        while True:
            read = self._read_template(shard, host, name)
            if self._keep_template(shard, host, read, page_templates.told(read.known, outcome)):
                return

    def _read_template(self, shard: int, host: str, name: str) -> _TemplateReply:
        names = [one for of in (name, page_templates.OVERFLOW) for one in (of, page_templates.family_of(of))]
        states, kept, now_s, has_renderer = self._shards.run(shard, "template", host, len(names), *names)
        by_name = {one: state for one, state in zip(names, states, strict=True) if state}
        name = page_templates.kept_as(name, is_known=name in by_name, kept=kept)
        known = page_templates.known_of(name, by_name.get(name), by_name.get(page_templates.family_of(name)))
        return _TemplateReply(known, by_name, float(now_s), bool(has_renderer))

    def _keep_template(
        self, shard: int, host: str, read: _TemplateReply, known: page_templates.KnownTemplates
    ) -> bool:
        """Whether it could be kept: nobody else has changed it since it was read. One of those who try always can."""
        if not (states := page_templates.changes(read.known, known)):
            return True
        words: Iterable[Argument] = chain.from_iterable(
            (name, read.states.get(name, b""), state) for name, state in states.items()
        )
        return bool(self._shards.run(shard, "keep_template", host, len(states), *words))

    def _shard_of(self, host: str) -> int:
        if not is_host(host):
            raise ValueError(f"{quoted(host[:200])} is no host")
        return shard_of(host, self._shards.count)

    def halt(self, reason: str) -> None:
        self._shards.all("control", "halt", reason)

    def stop(self, reason: str) -> None:
        self._shards.all("control", "stop", reason)

    def pause(self, by: str = "") -> None:
        self._shards.all("control", "pause", by)

    def resume(self, by: str = "") -> None:  # noqa: ARG002 - the same
        self._shards.all("control", "resume", "")

    def settle(self, results: Sequence[Result]) -> tuple[str, ...]:
        return self._settling.settle(results)

    def records(self, *, after: int = 0, limit: int = policy.MAX_RECORDS, wait_s: float = 0.0) -> RecordPage:
        """Of those that have not been collected."""
        limit = max(1, min(limit, policy.MAX_RECORDS))
        end = time.monotonic() + wait_s
        while True:
            found = self._records(after, limit)
            left_s = end - time.monotonic()
            if found or left_s <= 0 or self._is_over():
                break
            if self._shards.engine.patience.stop.wait(min(_POLL_S, left_s)):
                break
        cursor = after
        for one in found:
            cursor = _moved(cursor, one.shard, one.cursor)
        complete = self._shards.drained() and not self._records(cursor, 1)
        return RecordPage(records=tuple(one.record for one in found), cursor=cursor, complete=complete)

    def _records(self, after: int, limit: int) -> list[Settled]:
        """The next ones after a cursor, the oldest of all shards first."""
        found = []
        for shard in range(self._shards.count):
            found += self._entries(shard, f"({_part(after, shard)}", limit)
        found.sort(key=lambda one: one.cursor)
        return found[:limit]

    def _entries(self, shard: int, start: str, limit: int) -> list[Settled]:
        return entries(self._shards.run(shard, "entries", "out", start, limit), partial(settled, shard))[0]

    def _is_over(self) -> bool:
        return self._shards.drained() or bool(self._shards.field(0, "halted"))

    def stats(self) -> Stats:
        return Stats(**figures(self._shards.all("stats", 0), self._shards))

    def status(self) -> Status:
        answers = self._shards.all("stats", 1)
        hosts = [host_status(host) for answer in answers for host in answer[9]]
        hosts.sort(key=lambda host: -host.at_hand)
        rates: dict[str, Any] = {
            f"{start}{name}_per_s": sum(float(answer[12][first + at] or 0) for answer in answers)
            for first, start in ((0, ""), (4, "mean_"))
            for at, name in enumerate(("pages", "images", "renders", "saved_bytes"))
        }
        return Status(
            **figures(answers, self._shards),
            hosts=tuple(hosts),
            host_count=sum(answer[10] for answer in answers),
            **rates,
        )

    def close(self) -> None:
        self._leasing.close()


def _part(cursor: int, shard: int) -> int:
    return cursor >> (shard * _CURSOR_BITS) & (1 << _CURSOR_BITS) - 1


def _moved(cursor: int, shard: int, to: int) -> int:
    return cursor + ((to - _part(cursor, shard)) << (shard * _CURSOR_BITS))

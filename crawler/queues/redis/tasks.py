"""The task queue in Redis: the protocol's calls as commands to its shards."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from crawler.crawlfile.schema import origin_of
from crawler.errors import HostDown
from crawler.models import (
    ROBOTS_TXT,
    Batch,
    Cookie,
    FileAnswer,
    Heartbeat,
    HostFile,
    Lease,
    NewTask,
    Record,
    RenderOutcome,
    Stats,
    Status,
    Task,
    TaskKind,
    TemplateAnswer,
    Token,
    WorkerState,
)
from crawler.queues import Plan, policy
from crawler.queues.adding import each_once
from crawler.queues.host_files import packed_file, unpacked_file
from crawler.queues.page_templates import (
    OVERFLOW,
    KnownTemplates,
    asked,
    changes,
    family_of,
    kept_as,
    known_of,
    told,
)
from crawler.queues.redis.codec import (
    KINDS,
    LETTERS,
    Packed,
    global_id,
    local_id,
    packed,
    shard_of,
    unpacked,
    utf8,
)
from crawler.queues.redis.connection import Argument, WakeupChannel, WakeupLost
from crawler.queues.redis.shards import Shards
from crawler.queues.redis.status import facts, host_status
from crawler.queues.redis.stream import StreamEntry, entries
from crawler.queues.validation import FLAWS, KIND_OF, MALFORMED, is_host, is_url
from crawler.text.plain_errors import quoted

_ENCODE = msgspec.msgpack.Encoder().encode
_COOKIE = msgspec.msgpack.Decoder(Cookie).decode
_RING_S = 0.5
"""How long a call that waits is deaf to being abandoned."""
_AT_ONCE = 500
TASKS_AT_ONCE = 1000
"""New ones, for one script: it takes 10 ms or so, in which nobody else is served."""


class _Read(NamedTuple):
    """What a shard knows of a template."""

    known: KnownTemplates
    states: dict[str, bytes]
    """As they are kept, by name."""
    now_s: float
    has_renderer: bool


class RedisTasks:
    """The task queue on *shards*, of the crawl that *plan* tells of."""

    def __init__(self, shards: Shards, plan: Plan | None = None) -> None:
        self._shards = shards
        self._plan = plan or Plan()
        self._bells: dict[str, WakeupChannel] = {}
        self._used: dict[str, Counter[int]] = defaultdict(Counter)  # slots of a worker, by shard
        self._turns: Counter[str] = Counter()  # of a worker: which shard it begins with
        self._cookie = 0

    def plan(self) -> Plan:
        return self._plan

    def put(self, tasks: Sequence[NewTask]) -> int:
        by_shard, drops = sorted_out(tasks, self._shards.count)
        if drops and not by_shard:
            by_shard = {0: []}
        new = 0
        for shard, group in by_shard.items():
            new += put_packed(self._shards, shard, group, drops)
            drops = Counter()
        return new

    def lease(
        self, worker: WorkerState, *, count: int, slots: int, wait_s: float, held: Sequence[Token]
    ) -> Lease:
        end = time.monotonic() + wait_s
        bell = self._bell(worker) if wait_s > 0 else None
        self._turns[worker.id] += 1
        first = crc32(worker.id.encode()) + self._turns[worker.id]
        ask = [(first + shard) % self._shards.count for shard in range(self._shards.count)]
        waits_at: set[int] = set()
        while True:
            left = end - time.monotonic()
            lease, alarm_s = self._ask(worker, ask, count, slots, max(0.0, left), held, waits_at)
            if lease.batches or lease.halted is not None or lease.drained or left <= 0 or bell is None:
                for shard in waits_at:  # what these have for one who waits is for another one now
                    self._shards.run(shard, "wait_no_more", worker.id, LETTERS[worker.kind])
                return lease
            rung = self._wait(worker, bell, min(alarm_s, left))
            bell = self._bell(worker)
            if rung is not None:
                ask.sort(key=lambda shard: shard != rung)

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
        """What these shards have for the worker, and when to ask again if that is nothing; it *waits_at* some then."""
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
                *_worker(worker),
                count,
                max(0, slots - others),
                wait,
                *_pairs(held, shard),
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
            found = [self._batch(shard, batch) for batch in leased]
            batches += found
            count -= sum(len(batch.tasks) for batch in found)
            if count <= 0:
                break
        self._used[worker.id] = used
        drained = not batches and self._shards.seems_drained() and self._shards.drained()
        cookies, seen = self._cookie_news(worker)
        return (
            Lease(batches=tuple(batches), drained=drained, halted=halted, cookies=cookies, cookies_seen=seen),
            alarm_s,
        )

    def _batch(self, shard: int, found: Sequence[Any]) -> Batch:
        try:
            return _batch(shard, found)
        except (*FLAWS, ValueError, LookupError) as exc:
            raise self._shards.damaged(shard, f"q:*:{utf8(found[0])}", exc) from exc

    def _wait(self, worker: WorkerState, bell: WakeupChannel, for_s: float) -> int | None:
        """Until the bell rings, or for so long; returns the shard that rang, if one did."""
        end = time.monotonic() + for_s
        abandoned = self._shards.engine.patience.stop
        while (left := end - time.monotonic()) > 0 and not abandoned.is_set():
            try:
                said = bell.wait(min(left, _RING_S))
            except WakeupLost:
                self._bells.pop(worker.id, None)
                abandoned.wait(min(left, 0.1))
                return None
            if said is not None:
                return int(said)
        return None

    def _bell(self, worker: WorkerState) -> WakeupChannel:
        """Hung up before the queue is asked, so that no ring is missed."""
        bell = self._bells.get(worker.id)
        if bell is None:
            bell = self._shards.engine.bell(self._shards.bell_prefix + worker.id)
            self._bells[worker.id] = bell
        return bell

    def _cookie_news(self, worker: WorkerState) -> tuple[tuple[Cookie, ...], int]:
        if self._shards.count == 1 and self._cookie == worker.cookies_seen:
            return (), worker.cookies_seen
        news, seen = self._shards.bare(0, "cookie_news", worker.cookies_seen)
        cookies = []
        for blob, deleted, left_s in news:
            try:
                cookie = _COOKIE(blob)
            except FLAWS:  # of no use to anybody
                continue
            if left_s:
                cookie = msgspec.structs.replace(
                    cookie,
                    expires_in_s=max(0.0, float(left_s)),
                    deleted=bool(deleted) or float(left_s) <= 0,
                )
            cookies.append(cookie)
        return tuple(cookies), int(seen)

    def heartbeat(self, worker: WorkerState, *, held: Sequence[Token]) -> Heartbeat:
        lost: list[Token] = []
        alone: list[str] = []
        paused, halted = False, None
        for shard in range(self._shards.count):
            mine = [token for token in held if local_id(token.id)[0] == shard]
            gone, left_alone, is_paused, why = self._shards.run(
                shard, "heartbeat", *_worker(worker), *_pairs(mine, shard)
            )
            lost += [mine[at] for at in gone]
            alone += map(utf8, left_alone)
            paused, halted = paused or bool(is_paused), halted or utf8(why) or None
        return Heartbeat(lost=tuple(lost), left_alone=tuple(alone), paused=paused, halted=halted)

    def release(self, worker: WorkerState, tokens: Sequence[Token]) -> None:
        for shard in sorted({local_id(token.id)[0] for token in tokens}):
            if shard < self._shards.count:
                self._shards.run(shard, "release", *_worker(worker), *_pairs(tokens, shard))

    def leave(self, worker_id: str, *, charged: bool) -> None:
        self._shards.all("leave", worker_id, int(charged))
        self._used.pop(worker_id, None)

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        shard = self._shard_of(host)
        if is_guest:
            self._shards.tell_domains((host,))
        return float(self._shards.run(shard, "turn", task, host, int(is_guest)))

    def receive(self, *, count: int) -> float:
        rate = self._plan.config.fetch.limit_rate_bytes_s
        if not rate:
            return 0.0
        return float(
            self._shards.run(0, "receive", count, rate, repr(policy.BURST_S), repr(policy.HORIZON_S))
        )

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        self._shards.run(self._shard_of(host), "turn_taken", host, repr(ago_s))

    def turn_over(self, *, task: int, host: str) -> None:
        shard, (of, number) = self._shard_of(host), local_id(task)
        self._shards.run(shard, "turn_over", task, host, number if of == shard else "")

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
        shard = self._shard_of(host)
        blob, seconds = self._shards.run(shard, "host_file", worker_id, host, name, policy.CLAIM_S)
        if not blob:
            return FileAnswer(is_yours=not float(seconds), again_s=float(seconds))
        try:
            file = unpacked_file(blob)
        except FLAWS as exc:
            raise self._shards.damaged(shard, "files", exc) from exc
        return FileAnswer(file=msgspec.structs.replace(file, kept_s=float(seconds)))

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
        self._shard_of(host)
        keep_file(self._shards, host, file, worker_id=worker_id)

    def template(self, *, host: str, name: str, task: int | None = None) -> TemplateAnswer:
        shard = self._shard_of(host)
        while True:
            read = self._read_template(shard, host, name)
            known, answer = asked(read.known, task, read.now_s)
            if self._keep_template(shard, host, read, known):
                has_renderer = self._plan.browser or read.has_renderer
                return msgspec.structs.replace(answer, has_renderer=has_renderer)

    def tell_template(self, *, host: str, name: str, outcome: RenderOutcome) -> None:
        shard = self._shard_of(host)
        while True:
            read = self._read_template(shard, host, name)
            if self._keep_template(shard, host, read, told(read.known, outcome)):
                return

    def _read_template(self, shard: int, host: str, name: str) -> _Read:
        names = [one for of in (name, OVERFLOW) for one in (of, family_of(of))]
        states, kept, now_s, has_renderer = self._shards.run(shard, "template", host, len(names), *names)
        by_name = {one: state for one, state in zip(names, states, strict=True) if state}
        name = kept_as(name, is_known=name in by_name, kept=kept)
        known = known_of(name, by_name.get(name), by_name.get(family_of(name)))
        return _Read(known, by_name, float(now_s), bool(has_renderer))

    def _keep_template(self, shard: int, host: str, read: _Read, known: KnownTemplates) -> bool:
        """Whether it could be kept: nobody else has changed it since it was read. One of those who try always can."""
        if not (states := changes(read.known, known)):
            return True
        words = [word for name, state in states.items() for word in (name, read.states.get(name, b""), state)]
        return bool(self._shards.run(shard, "keep_template", host, len(states), *words))

    def _shard_of(self, host: str) -> int:
        if not is_host(host):
            raise ValueError(f"{quoted(host[:200])} is no host")
        return shard_of(host, self._shards.count)

    def retry(self, *, kind: TaskKind, reason: str | None = None) -> int:
        """Of what has not been collected; the rest is for ``image-crawler retry``, in the crawl's folder."""
        count = 0
        for shard in range(self._shards.count):
            after = "-"
            while found := entries(self._shards.run(shard, "records", after, _AT_ONCE)):
                after = f"({found[-1].name}"
                wanted = [entry for entry in found if _is_wanted(entry, kind, reason)]
                if wanted:
                    count += self._shards.run(
                        shard, "requeue", len(wanted), *(word for entry in wanted for word in _again(entry))
                    )
        return count

    def halt(self, reason: str) -> None:
        self._shards.all("control", "halt", reason)

    def stop(self, reason: str) -> None:
        self._shards.all("control", "stop", reason)

    def pause(self, by: str = "") -> None:
        self._shards.all("control", "pause", by)

    def resume(self, by: str = "") -> None:  # noqa: ARG002 - the same
        self._shards.all("control", "resume", "")

    def stats(self) -> Stats:
        return Stats(**facts(self._shards.all("stats", 0), self._shards))

    def status(self) -> Status:
        answers = self._shards.all("stats", 1)
        hosts = [host_status(host) for answer in answers for host in answer[9]]
        hosts.sort(key=lambda host: -(host.pages + host.images + host.renders + host.in_flight))
        rates: dict[str, Any] = {
            f"{start}{name}_per_s": sum(float(answer[12][first + at]) for answer in answers)
            for first, start in ((0, ""), (4, "mean_"))
            for at, name in enumerate(("pages", "images", "renders", "saved_bytes"))
        }
        return Status(
            **facts(answers, self._shards),
            hosts=tuple(hosts),
            host_count=sum(answer[10] for answer in answers),
            **rates,
        )

    def close(self) -> None:
        """Take the bells down."""
        for bell in self._bells.values():
            bell.close()
        self._bells.clear()


def sorted_out(
    tasks: Iterable[NewTask], shards: int
) -> tuple[dict[int, list[tuple[Packed, str]]], Counter[str]]:
    """Tasks by their shard, each URL once, with what keeps it out; and how many only differed in a session id or can't
    be right.
    """
    fresh, repeats, malformed = each_once(tasks)
    by_shard: dict[int, list[tuple[Packed, str]]] = {}
    ones = [(packed(task, key=key), task) for key, task in fresh.items()]
    for one, task in sorted(
        ones, key=lambda pair: pair[0].mark != b""
    ):  # sizes behind the originals they came with
        by_shard.setdefault(shard_of(one.host, shards), []).append((one, task.kept_out_by))
    return by_shard, +Counter({policy.SESSION_ID: len(repeats), MALFORMED: malformed})


def put_packed(
    shards: Shards, shard: int, tasks: Sequence[tuple[Packed, str]], drops: Counter[str] | None = None
) -> int:
    """Add *tasks* to their shard, TASKS_AT_ONCE at a time; returns how many were new."""
    shards.tell_domains({one.host for one, _ in tasks})
    new = 0
    for start in range(0, max(1, len(tasks)), TASKS_AT_ONCE):
        part = tasks[start : start + TASKS_AT_ONCE]
        counts = counted(drops or Counter())
        new += shards.run(shard, "put", *shards.elsewhere(shard), *counts, len(part), *arguments(part))
        drops = None
    return new


def keep_file(shards: Shards, host: str, file: HostFile, *, worker_id: str = "") -> None:
    """*worker_id* is who tells; without one it is the catalogue."""
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


def _worker(worker: WorkerState) -> tuple[Argument, ...]:
    return (worker.id, LETTERS[worker.kind], _ENCODE(worker), worker.done)


def _pairs(tokens: Sequence[Token], shard: int) -> list[Argument]:
    """Those of *tokens* that are the shard's, as the scripts read them."""
    words: list[Argument] = []
    for token in tokens:
        of, number = local_id(token.id)
        if of == shard:
            words += (number, token.serial)
    return [len(words) // 2, *words]


def _batch(shard: int, found: Sequence[Any]) -> Batch:
    name, slots, delay_s, leased = found
    host = utf8(name)
    tasks = []
    for number, serial, attempt, depth, kind, text in leased:
        what = unpacked(host, text)
        if not is_url(what.url, KINDS[utf8(kind)]):
            raise ValueError(f"{quoted(what.url[:200])} is no URL")
        tasks.append(
            Task(
                id=global_id(shard, number),
                serial=serial,
                kind=KINDS[utf8(kind)],
                url=what.url,
                depth=depth,
                attempt=attempt,
                origin=what.origin,
                host_delay_s=float(delay_s),
                known=what.known,
            )
        )
    return Batch(host=host, slots=slots, tasks=tuple(tasks))


def _is_wanted(entry: StreamEntry, kind: TaskKind, reason: str | None) -> bool:
    record = entry.record
    if entry.kind is not kind:
        return False
    if reason is None:
        return record.status in {"failed", "dead"}
    return record.reason == reason


def _again(entry: StreamEntry) -> tuple[Argument, ...]:
    """As requeue.lua reads it."""
    record = entry.record
    origin = origin_of(record, entry.kind)
    one = packed(NewTask(kind=entry.kind, url=record.url, depth=entry.depth, origin=origin))
    down = HostDown.reason in {record.reason, record.revisit_reason}
    return (entry.name, entry.number, entry.serial, *one.facts, int(down))


def old_tally(record: Record | None) -> bytes:
    """What the last record of a task counts for, until there is a newer one; as keep() in settling.lua has it."""
    if record is None:
        return b""
    letter = LETTERS[KIND_OF[type(record)]]
    words: list[str | int] = [f"{letter}:status:{record.status}", 1]
    if record.reason:
        words += [f"{letter}:reason:{record.reason}", 1]
    if record.status == "saved" and record.size_bytes:
        words += ["bytes", record.size_bytes]
    return _ENCODE(words)

"""What the shards tell those who watch, put together: in figures for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from crawler.crawlfile.totals import UNSETTLED
from crawler.models import Counts, Failure, HostStatus, Retry, Stats, TaskKind, WorkerStatus
from crawler.monitoring.rate import MOST_PER_S
from crawler.queues import policy
from crawler.queues.redis.codec import KINDS, flat, host_report, utf8
from crawler.queues.redis.shards import Shards
from crawler.queues.status import as_held, in_trouble
from crawler.queues.validation import FLAWS

_WORKER = msgspec.msgpack.Decoder(WorkerStatus).decode
_TOTALS = msgspec.msgpack.Decoder(Stats).decode


def figures(answers: Sequence[Any], shards: Shards) -> dict[str, Any]:
    """The fields of Stats from the answers of all shards: what crawl.db has, and what is not collected yet."""
    states = [sum(numbers) for numbers in zip(*(answer[0] for answer in answers), strict=True)]
    counts: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    totals = Stats()
    for answer in answers:
        counts.update(flat(answer[1]))
        dropped.update(flat(answer[3]))
        if answer[2]:
            with suppress(*FLAWS):  # somebody else has written there
                totals = _TOTALS(answer[2])
    by_kind: dict[str, Any] = {}
    for at, (letter, kind) in enumerate(KINDS.items()):
        settled: Counts = getattr(totals, f"{kind}s")
        by_kind[f"{kind}s"] = Counts(
            **{state.value: states[3 * at + n] for n, state in enumerate(UNSETTLED)},
            done=settled.done + counts[f"{letter}:done"],
            dead=settled.dead + counts[f"{letter}:dead"],
        )
        for name, what in ((f"{kind}_status", "status"), (f"{kind}_reasons", "reason")):
            start, of_kind = f"{letter}:{what}:", Counter(getattr(totals, name))
            of_kind.update({key[len(start) :]: n for key, n in counts.items() if key.startswith(start)})
            by_kind[name] = dict(+of_kind)
    workers = workers_of(answers)
    waiting = [host_status(host) for answer in answers for host in answer[14]]
    waiting.sort(key=lambda host: -host.at_hand)
    retries = sorted((_retry(one) for answer in answers for one in answer[15]), key=lambda one: one.due_s)
    last = answers[0]
    is_paused = any(answer[6] for answer in answers)
    is_backlogged = sum(answer[17] for answer in answers) >= max(1, last[18])
    return {
        **by_kind,
        "dropped": dict(dropped),
        "saved_bytes": totals.saved_bytes + counts["bytes"],
        "workers": workers,
        "worker_count": max(len(workers), *(answer[5] for answer in answers)),
        "drained": not any(states) and (shards.count == 1 or shards.drained()),
        "up_s": max(float(answer[11]) for answer in answers),
        "waiting": tuple(waiting[: policy.SHOWN_WAITING]),
        "retries": tuple(retries[: policy.SHOWN_RETRIES]),
        "failures": _failures(answers),
        "held_images": sum(answer[16] for answer in answers),
        "backlogged": is_backlogged,
        "due": {
            kind.value: 0
            if is_paused or (is_backlogged and kind is not TaskKind.IMAGE)
            else sum(answer[21][at] for answer in answers)
            for at, kind in enumerate(KINDS.values())
        },
        "troubled": dict(sum((Counter(flat(answer[23])) for answer in answers), Counter())),
        "leases_lost": sum(answer[22] for answer in answers),
        "paused": is_paused,
        "paused_by": next((utf8(answer[19]) for answer in answers if answer[19]), ""),
        "halted": next((utf8(answer[7]) for answer in answers if answer[7]), None),
        "stopped": bool(last[8]),
    }


def workers_of(answers: Sequence[Any]) -> tuple[WorkerStatus, ...]:
    """Each worker as the shard knows it that it spoke to last, with what it holds in all of them.

    Its rate is of the last shard that has one: a shard to which it spoke a single time may be the last, and has none.
    """
    told: defaultdict[str, list[tuple[WorkerStatus, bool]]] = defaultdict(list)
    for blob, held, seen_s, done_per_s in (one for answer in answers for one in answer[4]):
        with suppress(*FLAWS):  # somebody else has written there
            per_s = min(float(done_per_s or 0), MOST_PER_S)
            state = msgspec.structs.replace(_WORKER(blob), held=held, seen_s=float(seen_s), done_per_s=per_s)
            told[state.id].append((state, done_per_s is not None))
    workers = []
    for of_shards in told.values():
        of_shards.sort(key=lambda one: one[0].seen_s)
        per_s = next((one.done_per_s for one, has_rate in of_shards if has_rate), 0.0)
        held = sum(one.held for one, _ in of_shards)
        workers.append(as_held(msgspec.structs.replace(of_shards[0][0], done_per_s=per_s, held=held), held))
    return tuple(workers)


def host_status(found: Sequence[Any]) -> HostStatus:
    name, pages, images, renders, in_flight, due_s, delay_s, condition, crawl_delay_s = found
    status = HostStatus(
        name=utf8(name),
        pages=pages,
        images=images,
        renders=renders,
        in_flight=in_flight,
        due_s=float(due_s),
        delay_s=float(delay_s),
        crawl_delay_s=float(crawl_delay_s),
    )
    return in_trouble(status, host_report(condition)[1]) if condition else status


def _failures(answers: Sequence[Any]) -> tuple[Failure, ...]:
    """The latest of each kind and reason, of all shards."""
    latest: dict[str, Failure] = {}
    for name, ago_s, url in (one for answer in answers for one in answer[20]):
        letter, _, reason = utf8(name).partition(":")
        with suppress(*FLAWS):  # somebody else has written there
            said = {"kind": KINDS.get(letter), "reason": reason, "url": utf8(url), "ago_s": float(ago_s)}
            one = msgspec.convert(said, Failure)
            before = latest.get(utf8(name))
            latest[utf8(name)] = one if before is None or one.ago_s < before.ago_s else before
    return tuple(sorted(latest.values(), key=lambda one: one.ago_s)[: policy.SHOWN_FAILURES])


def _retry(found: Sequence[Any]) -> Retry:
    name, kind, due_s, tries_left, reason, http_status = found
    return Retry(
        host=utf8(name),
        kind=KINDS[utf8(kind)],
        due_s=float(due_s),
        tries_left=tries_left,
        reason=utf8(reason),
        http_status=http_status,
    )

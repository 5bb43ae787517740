"""Records as they lie in a shard's stream, until they are collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from crawler.errors import HostDown, LeaseExpired
from crawler.fallback import with_next_size
from crawler.models import RECORDS, STATUSES, ImageRecord, NewTask, PageRecord, TaskKind, TaskState
from crawler.queues.health import HOW_TO_RETRY
from crawler.queues.redis.packing import KINDS, origin_facts, sound, unpacked, utf8
from crawler.queues.redis.shards import told_of

_RECORD = msgspec.msgpack.Decoder(ImageRecord | PageRecord).decode
_WHY = msgspec.msgpack.Decoder(list[Any]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One settled task, in its shard's words."""

    name: str
    """Of the entry; later ones have greater numbers before the ``-``."""
    number: str
    """The task's, in its shard."""
    serial: int
    attempts: int
    kind: TaskKind
    depth: int
    state: TaskState
    record: ImageRecord | PageRecord
    next_size: NewTask | None = None
    """What nobody has put so far, and is to be put in its place."""

    @property
    def cursor(self) -> int:
        return int(self.name.partition("-")[0])


def entries(found: Sequence[Any]) -> list[Entry]:
    """What XRANGE has found. Raises LedgerCorrupt for what nobody of us has written."""
    with sound("a settled task"):
        return [_entry(utf8(name), dict(zip(words[::2], words[1::2], strict=True))) for name, words in found]


def _entry(name: str, words: dict[bytes, bytes]) -> Entry:
    kind, state = KINDS[utf8(words[b"c"])], TaskState(utf8(words[b"s"]))
    attempts, depth = int(words[b"a"]), int(words[b"d"])
    record = _RECORD(words[b"r"]) if b"r" in words else _unvisited(name, words, kind, attempts, depth)
    next_size = None
    if b"o" in words:
        record, next_size = with_next_size(record)
    elif b"z" in words:
        record = msgspec.structs.replace(record, replaced_by=utf8(words[b"z"]))
    return Entry(
        name=name,
        number=utf8(words[b"i"]),
        serial=int(words[b"n"]),
        attempts=attempts,
        kind=kind,
        depth=depth,
        state=state,
        record=record,
        next_size=next_size,
    )


def _unvisited(
    name: str, words: dict[bytes, bytes], kind: TaskKind, attempts: int, depth: int
) -> ImageRecord | PageRecord:
    """The record of a task that no worker has come back with; the same each time that it is read."""
    task = unpacked(utf8(words[b"h"]), words[b"b"])
    what, *told = _WHY(words[b"w"])
    if what == "dead":
        status, reason = "dead", LeaseExpired.reason
        detail = f"no worker came back with it in {told[0]} attempts"
    else:
        status, reason = "failed", HostDown.reason
        detail = f"{told_of(told)}; {HOW_TO_RETRY[kind]}"
        if kind is TaskKind.PAGE and depth == 0 and task.origin is None:  # a seed says what is wrong
            reason, detail = str(told[4]), str(told[5])
    moment = datetime.fromtimestamp(int(name.partition("-")[0]) / 1e6, UTC)
    return RECORDS[kind](
        url=task.url,
        status=STATUSES[kind](status),  # type: ignore[arg-type] # of the record's own kind
        reason=reason,
        detail=detail,
        depth=depth,
        attempts=attempts,
        finished_at=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **origin_facts(kind, task.origin),
    )

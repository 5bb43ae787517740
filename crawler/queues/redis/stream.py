"""Records as they lie in a shard's stream, until they are collected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from crawler.errors import HostDown, InternalError, LeaseExpired
from crawler.models import (
    MAX_COUNT,
    MAX_DEPTH,
    RECORDS,
    STATUSES,
    NewTask,
    Record,
    TaskKind,
    TaskState,
    Url,
)
from crawler.queues.fallback import with_next_size
from crawler.queues.host_health import HOW_TO_RETRY
from crawler.queues.redis.codec import KINDS, origin_facts, unpacked, utf8
from crawler.queues.redis.shards import told_of
from crawler.queues.validation import FLAWS, flaw, is_url, printable, told_of_refused
from crawler.text.plain_errors import plain, quoted
from crawler.urls import task_key


class _About(msgspec.Struct, frozen=True):
    """All that has to be legible of a record."""

    url: Url


_RECORD = msgspec.msgpack.Decoder(Record).decode
_ABOUT = msgspec.msgpack.Decoder(_About).decode
_WHY = msgspec.msgpack.Decoder(list[Any]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
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
    record: Record
    next_size: NewTask | None = None
    """What nobody has put so far, and is to be put in its place."""

    @property
    def cursor(self) -> int:
        return int(self.name.partition("-")[0])


def entries(found: Sequence[Any]) -> list[StreamEntry]:
    """What XRANGE has found, but for what somebody else has put there."""
    return told_apart(found)[0]


def told_apart(found: Sequence[Any]) -> tuple[list[StreamEntry], list[str]]:
    """What XRANGE has found, and the names of those that no script of ours has made."""
    ours, foreign = [], []
    for name, words in found:
        try:
            ours.append(_entry(utf8(name), dict(zip(words[::2], words[1::2], strict=True))))
        except (*FLAWS, LookupError, TypeError, ValueError, OverflowError, OSError):
            foreign.append(utf8(name))
    return ours, foreign


def _number(words: dict[bytes, bytes], name: bytes, most: int) -> int:
    number = int(words[name])
    if not 0 <= number <= most:
        raise ValueError(f"{number} is not between 0 and {most}")
    return number


def _entry(name: str, words: dict[bytes, bytes]) -> StreamEntry:
    kind, state = KINDS[utf8(words[b"c"])], TaskState(utf8(words[b"s"]))
    attempts, depth = _number(words, b"a", MAX_COUNT), _number(words, b"d", MAX_DEPTH)
    _number(words, b"i", MAX_COUNT)
    visited = b"r" in words
    record = _visited(words, kind) if visited else _unvisited(name, words, kind, attempts, depth)
    if not is_url(record.url, kind) or (visited and task_key(kind, record.url) != words[b"k"]):
        raise ValueError(f"{quoted(record.url)} is not the task's")
    next_size = None
    if b"o" in words:
        record, next_size = with_next_size(record)
    elif b"z" in words and is_url(utf8(words[b"z"])):
        record = msgspec.structs.replace(record, replaced_by=utf8(words[b"z"]))
    return StreamEntry(
        name=name,
        number=utf8(words[b"i"]),
        serial=_number(words, b"n", MAX_COUNT),
        attempts=attempts,
        kind=kind,
        depth=depth,
        state=state,
        record=record,
        next_size=next_size,
    )


def _visited(words: dict[bytes, bytes], kind: TaskKind) -> Record:
    """What a worker has made of it; who writes to Redis may have left out the checks of results.py."""
    blob = words[b"r"]
    try:
        record: Record = _RECORD(blob)
        why = flaw(record) if isinstance(record, RECORDS[kind]) else f"it is no record of a {kind}"
    except FLAWS as exc:
        why = plain(exc)
    return refused(kind, _ABOUT(blob).url, why) if why else record


def refused(kind: TaskKind, url: str, why: str) -> Record:
    """The record of a task, of which a worker has said what can't be right."""
    return RECORDS[kind](
        url=url,
        status=STATUSES[kind]("failed"),  # type: ignore[arg-type] # of the record's own kind
        reason=InternalError.reason,
        detail=told_of_refused(printable(why)),
    )


def _unvisited(name: str, words: dict[bytes, bytes], kind: TaskKind, attempts: int, depth: int) -> Record:
    """The record of a task that no worker has come back with; the same each time that it is read."""
    task = unpacked(utf8(words[b"h"]), words[b"b"])
    what, *told = _WHY(words[b"w"])
    if what == "dead":
        status, reason = "dead", LeaseExpired.reason
        detail = f"no worker came back with it in {told[0]} attempts"
    elif what == "refused":
        status, reason = "failed", InternalError.reason
        detail = told_of_refused(str(told[0]))
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

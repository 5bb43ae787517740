"""How tasks and records are encoded in Redis: in few bytes, as there are very many of them.

A waiting task is one entry of its host's list: ``N``, its key (16 bytes), its depth (3), its flags (1) and its text.
A URL with the mark of a size has its picture's key (16) and its size in hundredths of a pixel (3) in front of the text.
Only workers read the text: MessagePack of the URL and its origin, without the host, without empty values at the end.

A known URL is its key and a note, which is empty or a small number for nearly all: what tells the URL from others of
the same key, then the bits of its words (``image_words``), and whether it has a mark, or what became of it (bits of
lua/shared/tasks.lua).

A settled task is an entry of its shard's stream, until it is collected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import msgspec

from crawler.errors import InternalError, LeaseExpired
from crawler.models import (
    MAX_COUNT,
    MAX_DEPTH,
    RECORDS,
    Alternative,
    NewTask,
    Origin,
    Record,
    TaskKind,
    TaskState,
    Url,
    Value,
)
from crawler.models.image_words import ALL, bits_of_task
from crawler.queues import policy
from crawler.queues.fallback import with_next_size
from crawler.queues.host_report import HostReport
from crawler.queues.mentions import Named
from crawler.queues.picture_sizes import marked, picture_key
from crawler.queues.refresh import unvisited
from crawler.queues.validation import FLAWS, flaw, is_url, printable, told_of_refused
from crawler.scope import domain_of
from crawler.text.plain_errors import plain, quoted
from crawler.urls import host_key, identity, task_key

_T = TypeVar("_T")
KINDS = {"p": TaskKind.PAGE, "i": TaskKind.IMAGE, "b": TaskKind.RENDER}
LETTERS = {kind: letter for letter, kind in KINDS.items()}
_MOST_DEPTH = 2**24 - 1
_SHARDS = 10  # bits of a task's id
_BITS = [b"", *(b"%d" % bits for bits in range(1, policy.NOTE_MARKED + ALL + 1))]
_MOST_CENTIPX = 2**24 - 1
_ENCODE = msgspec.msgpack.Encoder().encode


class _Text(msgspec.Struct, array_like=True, frozen=True):
    path: str
    page_url: str = ""
    found_in: str = ""
    alt: str = ""
    title: str = ""
    caption: str = ""
    heading: str = ""
    page_title: str = ""
    instead_of: str = ""
    alternatives: tuple[Alternative, ...] = ()
    content: bytes = b""
    template: str = ""
    signs: str = ""
    known: Record | None = None


_DECODE = msgspec.msgpack.Decoder(_Text).decode
_EMPTY = _Text.__struct_defaults__  # of all but the path
_FOUND = tuple(name for name in Origin.__struct_fields__ if name != "page_url")


@dataclass(frozen=True, slots=True)
class Packed:
    """A task on its way into a shard."""

    kind: str
    key: bytes
    host: str
    note: bytes
    """What tells its URL from others that are known by the same key, as they differ in a session id (mostly empty), and
    which words it has, in decimal digits if it has any; as read_note() in lua/shared/tasks.lua reads it.
    """
    depth: int
    flags: int
    text: bytes
    mark: bytes = b""
    """The bytes of a size, in front of the text."""

    @property
    def facts(self) -> tuple[str, bytes, str, int, int, bytes]:
        """As the scripts read a task that has an id already."""
        return (self.kind, self.key, self.host, self.depth, self.flags, self.mark + self.text)

    @property
    def entry(self) -> bytes:
        return b"N" + self.key + self.depth.to_bytes(3, "big") + bytes((self.flags,)) + self.mark + self.text


def packed(task: NewTask, *, key: bytes = b"", known: Record | None = None) -> Packed:
    """*key* is the task's ``task_key``, if the caller has it. *known* is the record of an earlier visit that saved
    something. Raises ValueError for a task without a URL.
    """
    origin = task.origin
    host = host_key(task.url)
    is_seed = task.kind is TaskKind.PAGE and task.depth == 0 and origin is None
    size, mark = marked(task), b""
    if size is not None:
        mark = picture_key(size) + min(round(size.px * 100), _MOST_CENTIPX).to_bytes(3, "big")
    return Packed(
        kind=LETTERS[task.kind],
        key=key or task_key(task.kind, task.url),
        host=host,
        note=note_of(task.url, bits_of_task(task) | policy.NOTE_MARKED * (size is not None)),
        depth=min(max(task.depth, 0), _MOST_DEPTH),
        flags=policy.FLAG_SEED * is_seed
        | policy.FLAG_KEPT * (known is not None)
        | _flags_of_size(origin)
        | policy.FLAG_SIZED * (size is not None),
        text=_text(task.url[len(host) :], host, origin, known),
        mark=mark,
    )


def _flags_of_size(origin: Origin | None) -> int:
    if origin is None:
        return 0
    return policy.FLAG_NEXT_SIZE * bool(origin.instead_of) | policy.FLAG_HAS_NEXT * bool(origin.alternatives)


def note_of(url: str, bits: int) -> bytes:
    of_url = b"" if identity(url) == url else hashlib.blake2b(url.encode(), digest_size=4).digest()
    return of_url + _BITS[bits]


def _text(path: str, host: str, origin: Origin | None, known: Record | None) -> bytes:
    values: list[Any] = [path]
    if origin is not None:
        page = origin.page_url
        values.append(page.removeprefix(host) if page.startswith(f"{host}/") else page)
        values += [getattr(origin, name) for name in _FOUND]
    if known is not None:
        values += [*_EMPTY[len(values) - 1 : -1], known]
    while not values[-1] and len(values) > 1:
        values.pop()
    return _ENCODE(values)


@dataclass(frozen=True, slots=True)
class Unpacked:
    url: str
    origin: Origin | None
    known: Record | None


def unpacked(host: str, text: bytes) -> Unpacked:
    """Raises validation.FLAWS for what is no task's text."""
    found = _DECODE(text)
    origin = None
    facts = {name: getattr(found, name) for name in _FOUND}
    if found.page_url or any(facts.values()):
        page = found.page_url
        origin = Origin(page_url=host + page if page.startswith("/") else page, **facts)
    return Unpacked(host + found.path, origin, found.known)


def shard_of(host: str, shards: int) -> int:
    """The shard of *host*: the same for all hosts of its registrable domain, whose politeness is in one place."""
    if shards == 1:
        return 0
    host = domain_of(host)
    return int.from_bytes(hashlib.blake2b(host.encode(), digest_size=8).digest(), "big") % shards


def grouped(values: Iterable[_T], shard: Callable[[_T], int]) -> dict[int, list[_T]]:
    """*values* by their *shard*."""
    groups: dict[int, list[_T]] = {}
    for value in values:
        groups.setdefault(shard(value), []).append(value)
    return groups


def global_id(shard: int, number: bytes) -> int:
    """The id of a task that its shard knows by *number*."""
    return int(number) << _SHARDS | shard


def local_id(task_id: int) -> tuple[int, str]:
    """The shard of a task, and the task's number there."""
    return task_id & (1 << _SHARDS) - 1, str(task_id >> _SHARDS)


def utf8(text: object) -> str:
    """The text of a reply: bytes, or what a script has packed as text."""
    return text if isinstance(text, str) else cast("bytes", text).decode("utf-8", "replace")


def flat(words: Sequence[bytes]) -> dict[str, int]:
    """The counters of a hash, of which *words* are fields and values in turn."""
    return {
        utf8(name): int(value)
        for name, value in zip(words[::2], words[1::2], strict=True)
        if value.removeprefix(b"-").isdigit()  # another program has written the rest
    }


# --- records in a shard's stream, until they are collected ---


class _About(msgspec.Struct, frozen=True):
    """The part of a record that must be legible."""

    url: Url


_RECORD = msgspec.msgpack.Decoder(Record).decode
_ABOUT = msgspec.msgpack.Decoder(_About).decode
_WHY = msgspec.msgpack.Decoder(list[Any]).decode


Mentions = tuple[tuple[Url, bytes], ...]
"""Pages, and the keys of the images that each names, one after the other."""
_MENTIONS = msgspec.msgpack.Decoder(Mentions).decode


def packed_mentions(named: Named) -> bytes:
    """Empty for none."""
    return _ENCODE([(url, b"".join(images)) for url, images in named.items()]) if named else b""


def mentions(blob: bytes) -> Mentions:
    """None of what another program has written."""
    try:
        return _MENTIONS(blob)
    except FLAWS:
        return ()


class Settled(Value):
    """A task that was settled in Redis, with its record, on its way to crawl.db."""

    shard: int
    entry: str
    """The name of its entry in the shard's stream of records."""
    id: int
    """The task's id: 0 < id < 2**63."""
    serial: int
    attempts: int
    kind: TaskKind
    url: str
    """The task's own URL."""
    depth: int
    state: TaskState
    """DONE or DEAD."""
    record: Record
    next_size: NewTask | None = None
    """A size of the picture that takes its place: to be put before this entry is forgotten."""

    mentions: Mentions = ()
    """What its page names."""

    @property
    def cursor(self) -> int:
        """The number that later entries of the shard exceed."""
        return int(self.entry.partition("-")[0])


def entries(
    found: Sequence[Any], decode: Callable[[str, dict[bytes, bytes]], _T]
) -> tuple[list[_T], list[str]]:
    """The values of *found*, a reply of XRANGE, and the names of entries that no script of ours has made."""
    ours, foreign = [], []
    for name, words in found:
        try:
            ours.append(decode(utf8(name), dict(zip(words[::2], words[1::2], strict=True))))
        except (*FLAWS, LookupError, TypeError, ValueError, OverflowError, OSError):
            foreign.append(utf8(name))
    return ours, foreign


def _number(words: dict[bytes, bytes], name: bytes, most: int) -> int:
    number = int(words[name])
    if not 0 <= number <= most:
        raise ValueError(f"{number} is not between 0 and {most}")
    return number


def settled(shard: int, name: str, words: dict[bytes, bytes]) -> Settled:
    """A task of the stream of records. Raises what ``entries`` takes for foreign."""
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
    return Settled(
        shard=shard,
        entry=name,
        id=global_id(shard, words[b"i"]),
        serial=_number(words, b"n", MAX_COUNT),
        attempts=attempts,
        kind=kind,
        url=record.url,
        depth=depth,
        state=state,
        record=record,
        next_size=next_size,
        mentions=mentions(words.get(b"m", b"\x90")),
    )


def _visited(words: dict[bytes, bytes], kind: TaskKind) -> Record:
    """The record that a worker has sent, checked again: whoever writes to Redis may have skipped validation.py."""
    blob = words[b"r"]
    try:
        record: Record = _RECORD(blob)
        why = flaw(record) if isinstance(record, RECORDS[kind]) else f"it is no record of a {kind}"
    except FLAWS as exc:
        why = plain(exc)
    return refused(kind, _ABOUT(blob).url, why) if why else record


def refused(kind: TaskKind, url: str, why: str) -> Record:
    """The record of a task whose result can't be right."""
    detail = told_of_refused(printable(why))
    return unvisited(kind, url, status="failed", reason=InternalError.reason, detail=detail)


def _unvisited(name: str, words: dict[bytes, bytes], kind: TaskKind, attempts: int, depth: int) -> Record:
    """The record of a task that no worker came back with; the same each time that the entry is read."""
    task = unpacked(utf8(words[b"h"]), words[b"b"])
    what, *told = _WHY(words[b"w"])
    if what == "dead":
        status, reason = "dead", LeaseExpired.reason
        detail = f"no worker came back with it in {told[0]} attempts"
    elif what == "refused":
        status, reason = "failed", InternalError.reason
        detail = told_of_refused(str(told[0]))
    else:
        host, report = host_report(told)
        is_seed = kind is TaskKind.PAGE and depth == 0 and task.origin is None
        status, (reason, detail) = "failed", report.reason_and_detail(host, kind, is_seed=is_seed)
    moment = datetime.fromtimestamp(int(name.partition("-")[0]) / 1e6, UTC)
    return unvisited(
        kind,
        task.url,
        status=status,
        reason=reason,
        detail=detail,
        origin=task.origin,
        depth=depth,
        attempts=attempts,
        finished_at=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def host_report(words: Sequence[Any]) -> tuple[str, HostReport]:
    """The name of a host that is given up, and its report; *words* as condition() in host_health.lua has them."""
    name, trouble, failures, tries, reason, detail, lasts_s, due_s, reached = words
    return utf8(name), HostReport(
        trouble=policy.Trouble(utf8(trouble)),
        failures=int(failures),
        tries=int(tries),
        reason=utf8(reason),
        detail=utf8(detail),
        lasts_s=float(lasts_s),
        due_s=float(due_s),
        reached=bool(int(reached)),
    )

"""Validation of results and new tasks from workers, for every engine.

The models have types and bounds, which hold once a value is decoded. Here values are checked against each other. One
that can't be right is refused by itself, never with what came with it: a worker can only spoil its own records.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from crawler.crawlfile.columns import UNREADABLE
from crawler.crawlfile.image_paths import FORMAT_OF, extension_of, is_image_path, plain_suffix
from crawler.crawlfile.keepers import UNTOLD
from crawler.errors import LEFT_OUT, REASONS, InternalError
from crawler.logs.events import Event, tell
from crawler.models import (
    KIND_OF,
    RENDERINGS,
    SIGNS,
    ImageRecord,
    ImageStatus,
    NewTask,
    Record,
    RenderRecord,
    Result,
    TaskKind,
    Token,
)
from crawler.queues import policy
from crawler.queues.forms import are_alternatives, are_rules, is_origin, is_reference, record_flaw
from crawler.text.plain_errors import plain, quoted
from crawler.urls import DATA_HOST, MAX_URL_CHARS, canonical, host_key

MALFORMED = "malformed"
"""The slug of new tasks that can't be right."""
FLAWS = UNREADABLE
"""The exceptions of decoding."""
_URL = re.compile(r'(?:https?://[^/\\?#@\x00-\x20]+/|data:image/)[!"$-~]*')
"""The characters of canonical URLs; each host is checked once, by ``_is_host``."""
_ROUTE = re.compile(r"[/!][!-~]{0,999}")
"""The route behind ``#`` of a page to be rendered, by which its script knows what to show (``#/about``)."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"[0-9TZ:.+-]*")
_PLAINLY_KEPT = frozenset({ImageStatus.SAVED, ImageStatus.DUPLICATE})
_SHOWN_CHARS = 200
_TOLD_FIRST, _TOLD_OF = 20, 1000


# --- new tasks ---


def is_url(url: str, kind: TaskKind = TaskKind.IMAGE) -> bool:
    """Whether *url* may be the URL of a task of that *kind*: http(s) with a canonical host; data: for an image; with a
    route behind ``#`` for a page to be rendered.
    """
    if kind is TaskKind.RENDER:
        page, mark, route = url.partition("#")
        return (
            len(url) <= MAX_URL_CHARS
            and (not mark or _ROUTE.fullmatch(route) is not None)
            and is_url(page, TaskKind.PAGE)
        )
    if kind is TaskKind.PAGE and url.startswith(DATA_HOST):
        return False
    if len(url) > MAX_URL_CHARS or _URL.fullmatch(url) is None:
        return False
    name = host_key(url)
    return name == DATA_HOST or _is_host(name)


def is_host(name: str) -> bool:
    """Whether *name* is ``scheme://host[:port]``."""
    url = f"{name}/"
    return is_url(url) and not name.startswith(DATA_HOST) and host_key(url) == name


@lru_cache(maxsize=8192)
def _is_host(name: str) -> bool:
    return canonical(f"{name}/") == f"{name}/"


def is_malformed(task: NewTask) -> bool:
    """Whether no page can have led to *task*."""
    if not is_url(task.url, task.kind) or (task.kept_out_by and task.kept_out_by not in LEFT_OUT):
        return True
    origin = task.origin
    if origin is None:
        return False
    if not is_origin(origin):
        return True
    if origin.alternatives and not all(is_url(other.url) for other in origin.alternatives):
        return True
    return not _are_signs(origin.signs)


def _are_signs(signs: str) -> bool:
    return not signs or SIGNS.keys() >= set(signs.split(","))


# --- results ---


def refusal(result: Result, *, kind: TaskKind, url: str, by_workers: bool = True) -> str:
    """Why *result* can't belong to the task; empty if it can. *by_workers*: workers may keep files themselves."""
    record = result.record
    if (
        type(record) is ImageRecord
        and record.url == url
        and kind is TaskKind.IMAGE
        and _is_plainly_saved(record)
    ):
        return ""  # nearly all of them
    if not record.url:  # see unreadable()
        return record.detail or "its record has no URL"
    if KIND_OF[type(record)] is not kind:
        return f"it is the record of a {KIND_OF[type(record)]}, and the task is a {kind}"
    if record.url != url:
        return f"it is about {record.url[:_SHOWN_CHARS]}, and the task is {url[:_SHOWN_CHARS]}"
    return _flaw_of(result) or ("" if by_workers else keeper_flaw(record))


def _is_plainly_saved(record: ImageRecord) -> bool:
    """Whether *record* is that of a saved file, and has nothing that would have to be looked at more closely: what
    ``flaw`` and ``keeper_flaw`` say of it is nothing.
    """
    return (
        not (record.reason or record.revisit_reason or record.kept_by)
        and not (record.alternatives or record.replaced_by or record.instead_of or record.opt_outs)
        and record.status in _PLAINLY_KEPT
        and _is_moment(record.finished_at)
        and _SHA256.fullmatch(record.sha256) is not None
        and (suffix := plain_suffix(record.path)) is not None
        and _suits(record.format, suffix)
        and is_reference(record.page_url)
        and are_rules(record.found_in)
        and (record.final_url == record.url or is_reference(record.final_url))
    )


@lru_cache(maxsize=1024)
def _is_moment(text: str) -> bool:
    """Cached, as many visits end in one second."""
    return _MOMENT.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _suits(image_format: str, suffix: str) -> bool:
    """Whether a file of that format may have that suffix."""
    return not image_format or image_format == suffix or FORMAT_OF.get(image_format) == FORMAT_OF[suffix]


def _flaw_of(result: Result) -> str:
    """The record of an untouched task is not kept, and not checked."""
    return "" if result.untouched else flaw(result.record)


def flaw(record: Record) -> str:
    """Why *record* can't be right by itself; empty if it can."""
    if told := _reasons_flaw(record) or record_flaw(record):
        return told
    if not _is_moment(record.finished_at):
        return f"finished_at {quoted(record.finished_at)} is no moment"
    if isinstance(record, ImageRecord):
        return _file_flaw(record) or _sizes_flaw(record)
    if unknown := record.left_out.keys() - LEFT_OUT.keys():
        return f"{quoted(min(unknown))} is nothing that is left out"
    if isinstance(record, RenderRecord):
        return "" if _are_signs(record.signs) else f"{quoted(record.signs)} are no signs"
    return "" if record.render in RENDERINGS else f"{quoted(record.render)} says nothing of a browser"


def keeper_flaw(record: Record) -> str:
    """Why *record* can't be right where no worker keeps files itself: a file said to be elsewhere would be missing."""
    is_object_store = isinstance(record, ImageRecord) and record.kept_by
    return "it says that a worker keeps its file, and in this crawl none does" if is_object_store else ""


def told_of_refused(why: str) -> str:
    """The detail of a task that failed as all its results were refused, the last one because of *why*."""
    return f"what workers said of it was refused, at last as {why}"


def _reasons_flaw(record: Record) -> str:
    for reason in (record.reason, record.revisit_reason):
        if reason and reason not in REASONS:
            return f"there is no reason {quoted(reason)}"
    if (record.status in policy.WORTH_KEEPING) == bool(record.reason):
        return f"it is {record.status}, and its reason is {quoted(record.reason)}"
    return ""


def _file_flaw(record: ImageRecord) -> str:
    if record.status not in policy.WORTH_KEEPING:
        what = (
            f"names the file {quoted(record.path[:_SHOWN_CHARS])}"
            if record.path
            else "says who keeps its file"
        )
        return f"it is {record.status}, and {what}" if record.path or record.kept_by else ""
    if record.kept_by == UNTOLD:
        return "it does not tell who keeps its file"
    if not is_image_path(record.path):
        return f"the path {quoted(record.path[:_SHOWN_CHARS])} is none that an image is given"
    if not _SHA256.fullmatch(record.sha256):
        return f"it is {record.status}, and its sha256 is {quoted(record.sha256)}"
    if (
        record.format
        and not record.path.endswith(record.format)
        and FORMAT_OF.get(record.format) != extension_of(record.path)
    ):
        return f"a {record.format} is not called {quoted(record.path[:_SHOWN_CHARS])}"
    return ""


def _sizes_flaw(record: ImageRecord) -> str:
    if record.alternatives and not all(is_url(other.url) for other in record.alternatives):
        return "one of its alternatives is no URL"
    if record.alternatives and not are_alternatives(record.alternatives):
        return "one of its alternatives is by no rule"
    if record.instead_of and not is_url(record.instead_of):
        return "what it stands in for is no URL"
    if record.replaced_by and not is_url(record.replaced_by):
        return "what has replaced it is no URL"
    return ""


# --- what can't be decoded as a whole ---


class _Address(msgspec.Struct, frozen=True):
    """The part of a result that must be legible."""

    token: Token


class _Found(msgspec.Struct, frozen=True):
    discovered: list[msgspec.Raw] = []


_RESULT = msgspec.msgpack.Decoder(Result).decode
_TASK = msgspec.msgpack.Decoder(NewTask).decode
_ADDRESS = msgspec.msgpack.Decoder(_Address).decode
_FOUND = msgspec.msgpack.Decoder(_Found).decode
_FIELDS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_ENCODE = msgspec.msgpack.Encoder().encode


def results_among(raws: Iterable[msgspec.Raw]) -> list[Result]:
    """Decode results one by one: an illegible one is refused if it names its task, and dropped otherwise."""
    return [result for raw in raws if (result := _result(raw)) is not None]


def checked(result: Result) -> Result:
    """*result* if it can be encoded and is right, or else one that will be refused."""
    try:
        sent = _RESULT(_ENCODE(msgspec.structs.replace(result, discovered=())))
        url = sent.record.url
        why = (
            _flaw_of(sent)
            if not url or is_url(url, KIND_OF[type(sent.record)])
            else f"{quoted(url)} is no URL"
        )
    except (*FLAWS, OverflowError, TypeError, ValueError) as exc:  # of what is no such value at all
        why = plain(exc)
    return Result(token=result.token, record=unreadable(why)) if why else result


def _result(raw: msgspec.Raw) -> Result | None:
    try:
        return _RESULT(raw)
    except FLAWS as exc:
        why = exc
    try:
        token = _ADDRESS(raw).token
    except FLAWS:
        return None
    try:  # are some of many links to blame?
        fields = _FIELDS(raw)
        found = tasks_among(_FOUND(raw).discovered)
        result = _RESULT(_ENCODE({**fields, "discovered": ()}))
        return msgspec.structs.replace(result, discovered=tuple(found))
    except FLAWS:
        return Result(token=token, record=unreadable(plain(why)))


def tasks_among(raws: Sequence[msgspec.Raw]) -> list[NewTask]:
    """Decode tasks one by one: an illegible one counts as malformed."""
    return [_task(raw) for raw in raws]


def _task(raw: msgspec.Raw) -> NewTask:
    try:
        return _TASK(raw)
    except FLAWS:
        return NewTask(kind=TaskKind.IMAGE, url="")


def unreadable(why: str) -> ImageRecord:
    """A record in place of an illegible one: without a URL, it is refused for any task."""
    return ImageRecord(
        url="", status=ImageStatus.FAILED, reason=InternalError.reason, detail=why[:_SHOWN_CHARS]
    )


class ValidationLog:
    """Logs complaints about others to *log*: the first ones, then a few of very many. Not thread-safe."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told = 0

    def tell(self, event: Event, **facts: str) -> None:
        """Log *event*; *facts* come from others, and are cut and made printable."""
        self._told += 1
        if self._told <= _TOLD_FIRST or self._told % _TOLD_OF == 0:
            shown: dict[str, Any] = {key: printable(value) for key, value in facts.items()}
            tell(self._log, event, **shown)


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:_SHOWN_CHARS])

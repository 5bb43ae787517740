"""What pages say of an image: the first page that names it decides, and later ones fill what is empty.

Heading and page title go together, for they are of one page. What was first found in a sitemap, a feed or a style sheet
has neither: the first page that has any gives both.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from crawler.models import ImageRecord, NewTask, Origin, Record, TaskKind, Value

NAMES: Final = ("alt", "title", "caption", "heading", "page_title")
ALT, TITLE, CAPTION, PLACE = 1, 2, 4, 8
"""Bits of what :func:`bits_of` tells; PLACE is heading and page title together."""
ALL: Final = ALT | TITLE | CAPTION | PLACE

MAX_TEXT_CHARS = 500


class Words(Value, array_like=True):
    """As of an Origin."""

    alt: str = ""
    title: str = ""
    caption: str = ""
    heading: str = ""
    page_title: str = ""


_Told = TypeVar("_Told", Words, Origin, ImageRecord)


def bits_of(told: Words | Origin | ImageRecord | None) -> int:
    """Which words it has; 0 for None."""
    if told is None:
        return 0
    bits = ALT if told.alt else 0
    if told.title:
        bits |= TITLE
    if told.caption:
        bits |= CAPTION
    if told.page_title or told.heading:
        bits |= PLACE
    return bits


def lacking(bits: int, task: NewTask) -> int:
    """Which words *task* brings to a URL that has those of *bits*; what is kept out, or is no image, brings none."""
    missing = bits_of(task.origin) & ~bits
    if missing and (task.kept_out_by or task.kind is not TaskKind.IMAGE):
        return 0
    return missing


def bits_of_task(task: NewTask) -> int:
    """Which words *task* brings to a URL that has none."""
    return lacking(0, task)


def filled(told: _Told, more: Words | Origin | ImageRecord) -> _Told:
    """*told* with words of *more* where it has none; itself if that changes nothing."""
    lacks = bits_of(more) & ~bits_of(told)
    if not lacks:
        return told
    names = [name for bit, name in ((ALT, "alt"), (TITLE, "title"), (CAPTION, "caption")) if lacks & bit]
    names += ["heading", "page_title"] if lacks & PLACE else []
    return msgspec.structs.replace(told, **{name: getattr(more, name) for name in names})


def filled_record(record: Record, more: Words | Origin | Record | None) -> Record:
    """The same for a record of any kind; but for an image's it is as it was."""
    if isinstance(record, ImageRecord) and isinstance(more, Words | Origin | ImageRecord):
        return filled(record, more)
    return record


def joined(first: NewTask, again: NewTask) -> NewTask:
    """*first* with what the same URL, found once more, is told of."""
    if again.origin is None or not lacking(bits_of(first.origin), again):
        return first
    return msgspec.structs.replace(first, origin=filled(first.origin or NOWHERE, again.origin))


NOWHERE: Final = Origin(page_url="", found_in="")
"""Of an image that no page has led to."""


def trimmed(text: str) -> str:
    """On one line, without white space around, of MAX_TEXT_CHARS at most."""
    return " ".join(text[: 8 * MAX_TEXT_CHARS].split())[:MAX_TEXT_CHARS] if text else ""

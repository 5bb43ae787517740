"""The words of pages about an image: the first page that names it decides, later ones fill what is empty.

Heading and page title come from one page. An image that was first found in a sitemap, a feed or a style sheet has
neither: the first page that has one gives both.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from crawler.models import ImageRecord, NewTask, Origin, Record, TaskKind, Value

NAMES: Final = ("alt", "title", "caption", "heading", "page_title")
ALT, TITLE, CAPTION, PLACE = 1, 2, 4, 8
"""The bits of :func:`bits_of`; PLACE is heading and page title together."""
ALL: Final = ALT | TITLE | CAPTION | PLACE

MAX_TEXT_CHARS = 500


class Words(Value, array_like=True):
    """The words of an Origin, for the queue."""

    alt: str = ""
    title: str = ""
    caption: str = ""
    heading: str = ""
    page_title: str = ""


_Words = TypeVar("_Words", Words, Origin, ImageRecord)


def bits_of(words: Words | Origin | ImageRecord | None) -> int:
    """A bit for each kind of words that is there; 0 for None."""
    if words is None:
        return 0
    bits = ALT if words.alt else 0
    if words.title:
        bits |= TITLE
    if words.caption:
        bits |= CAPTION
    if words.page_title or words.heading:
        bits |= PLACE
    return bits


def lacking(bits: int, task: NewTask) -> int:
    """The bits that *task* adds to a URL that has *bits*; 0 if it is kept out, or no image."""
    missing = bits_of(task.origin) & ~bits
    if missing and (task.kept_out_by or task.kind is not TaskKind.IMAGE):
        return 0
    return missing


def bits_of_task(task: NewTask) -> int:
    """The bits that *task* brings to a URL without words."""
    return lacking(0, task)


def filled(words: _Words, more: Words | Origin | ImageRecord) -> _Words:
    """*words* with words of *more* where it has none; itself if that changes nothing."""
    lacks = bits_of(more) & ~bits_of(words)
    if not lacks:
        return words
    names = [name for bit, name in ((ALT, "alt"), (TITLE, "title"), (CAPTION, "caption")) if lacks & bit]
    names += ["heading", "page_title"] if lacks & PLACE else []
    return msgspec.structs.replace(words, **{name: getattr(more, name) for name in names})


def filled_record(record: Record, more: Words | Origin | Record | None) -> Record:
    """As ``filled``, for any record; only those of images change."""
    if isinstance(record, ImageRecord) and isinstance(more, Words | Origin | ImageRecord):
        return filled(record, more)
    return record


def joined(first: NewTask, again: NewTask) -> NewTask:
    """*first* with the words of *again*, which is the same URL found once more."""
    if again.origin is None or not lacking(bits_of(first.origin), again):
        return first
    return msgspec.structs.replace(first, origin=filled(first.origin or NOWHERE, again.origin))


NOWHERE: Final = Origin(page_url="", found_in="")
"""The origin of an image that no page has led to."""


def trimmed(text: str) -> str:
    """*text* on one line, without white space around, cut to MAX_TEXT_CHARS."""
    return " ".join(text[: 8 * MAX_TEXT_CHARS].split())[:MAX_TEXT_CHARS] if text else ""

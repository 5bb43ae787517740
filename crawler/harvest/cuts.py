"""Counts what a limit leaves out of a document, so that no cut is silent.

A function that stops at a limit yields a :class:`Cut` for what it leaves out. The reader of the document filters these
out and counts them (:func:`without_cuts`); the counts are stored in the page's record and in the crawl's totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class Cut(NamedTuple):
    """*amount* things of a document were not taken; *slug* is one of :data:`crawler.errors.LEFT_OUT`."""

    slug: str
    amount: int = 1


def at_most(limit: int, items: Iterable[T], *, slug: str) -> Iterator[T | Cut]:
    """The first *limit* of *items*, then, if there are more, a Cut with their number. Consumes all of them."""
    over = 0
    for number, item in enumerate(items):
        if number < limit:
            yield item
        else:
            over += 1
    if over:
        yield Cut(slug, over)


def without_cuts(found: Iterable[T | Cut], left_out: Counter[str]) -> Iterator[T]:
    """*found* without its Cuts, which are counted in *left_out*."""
    for item in found:
        if isinstance(item, Cut):
            left_out[item.slug] += item.amount
        else:
            yield item

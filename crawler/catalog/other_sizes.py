"""Which sizes of a picture were taken in place of another one, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

import msgspec

from crawler.catalog.database import Catalog
from crawler.crawlfile.schema import origin_in
from crawler.models import Alternative, ImageRecord, TaskKind
from crawler.sizes import size_of
from crawler.urls import task_key


def taken_instead(catalog: Catalog, url: str) -> Iterator[tuple[str, str]]:
    """The URLs that were preferred to *url*, another size of their picture, and why: by what their pages say, or by the
    marks of sizes in URLs.
    """
    quoted = msgspec.json.encode(url).decode()
    for record in catalog.where(ImageRecord, "alternatives != '' AND instr(alternatives, ?) > 0", quoted):
        yield from _preferred(record.url, record.alternatives, url)
    packed = (
        "SELECT url, origin FROM tasks WHERE kind = 'image' AND origin IS NOT NULL AND instr(origin, ?) > 0"
    )
    for taken, origin in catalog.rows(packed, (url.encode(),)):
        if (found := origin_in(origin)) is not None:
            yield from _preferred(taken, found.alternatives, url)
    yield from ((taken, "smaller") for taken in _larger_by_url(catalog, url))


def _larger_by_url(catalog: Catalog, url: str) -> list[str]:
    """Known sizes of the picture of *url* that are as large by the marks in their URLs, saved ones first."""
    size = size_of(url)
    if size.px == inf:
        return []
    picture = task_key(TaskKind.IMAGE, size.picture)
    found = catalog.rows(
        "SELECT t.url FROM tasks t LEFT JOIN images i ON i.task_id = t.id"
        " WHERE (t.picture = ?1 OR t.key = ?1) AND coalesce(t.px, ?2) >= ?3"
        " ORDER BY coalesce(i.path, '') = '', coalesce(t.px, ?2) DESC",
        (picture, inf, size.px),
    )
    return [taken for (taken,) in found]


def _preferred(taken: str, others: Iterable[Alternative], url: str) -> Iterator[tuple[str, str]]:
    return ((taken, other.rule) for other in others if other.url == url)


def until_one_was_there(catalog: Catalog, url: str) -> Iterator[str]:
    """*url*, then the size that was tried in its place, and so on."""
    seen: set[str] = set()
    while url and url not in seen:
        seen.add(url)
        yield url
        url = next((record.replaced_by for record in catalog.where(ImageRecord, "url = ?", url)), "")

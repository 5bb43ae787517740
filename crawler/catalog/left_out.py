"""What was left out, by URL and by slug."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import left_out_items, sane_size, total
from crawler.errors import LEFT_OUT
from crawler.models import TaskKind, Value
from crawler.urls import left_out_mark

SMALLER_SIZE = "smaller-size"
_COLUMNS = (
    "CAST(url AS TEXT), slug, CASE WHEN kind IN ('image', 'render') THEN kind ELSE 'page' END, CAST(page_url AS TEXT),"
    f" {sane_size('times')}"
)
_COUNTS = f"SELECT reason, {sane_size('count')} FROM dropped"  # noqa: S608 - our own names
_PAGES = {"pages": TaskKind.PAGE, "renders": TaskKind.RENDER}
"""Tables of records that name what was left out of a page."""


class KeptOut(Value):
    """A URL that was kept out of the queue."""

    url: str
    slug: str
    """What kept it out: a key of :data:`crawler.errors.LEFT_OUT`."""
    kind: TaskKind
    page_url: str = ""
    """The first page on which it was found; empty if that is not known."""
    times: int = 1
    """Number of times that it was kept out."""


class CutPage(Value):
    """A document of which something was not read or not taken, or a rendered page that did not get everything."""

    url: str
    times: int
    kind: TaskKind = TaskKind.PAGE


class LeftOut(Value):
    """Everything that was left out by one slug."""

    slug: str
    count: int
    """Number of times that it left something out."""
    urls: tuple[KeptOut, ...] = ()
    pages: tuple[CutPage, ...] = ()
    unlisted: int = 0
    """The part of *count* that neither *urls* nor *pages* name: a crawl records a limited number."""


def of_url(catalog: Catalog, url: str) -> tuple[KeptOut, ...]:
    """What kept *url* out, as a page, as an image and as a page to be rendered."""
    marks = [left_out_mark(slug, kind, url) for slug in LEFT_OUT for kind in TaskKind]
    rows = catalog.rows(
        f"SELECT {_COLUMNS} FROM left_out WHERE mark IN ({', '.join('?' * len(marks))})"  # noqa: S608 - our own names
        " ORDER BY times DESC, slug",
        marks,
    )
    return tuple(_kept_out(row) for row in rows)


def of_slug(catalog: Catalog, slug: str) -> LeftOut:
    """What *slug* left out of the crawl; the count is 0 if that is nothing."""
    with catalog.snapshot():
        counts = dict(catalog.rows(f"{_COUNTS} WHERE reason = ?", (slug,)))
        urls = tuple(_kept_out(row) for row in _rows(catalog, slug))
        pages = tuple(_cut_pages(catalog, slug))
    count = counts.get(slug, 0)
    listed = sum(one.times for one in urls) + sum(one.times for one in pages)
    return LeftOut(slug=slug, count=count, urls=urls, pages=pages, unlisted=max(0, count - listed))


def unlisted(catalog: Catalog) -> dict[str, int]:
    """The part of each count that neither a URL nor a page is known for, where there is any."""
    left: Counter[str] = Counter(dict(catalog.rows(_COUNTS)))
    for sql in (
        f"SELECT slug, {total('times')} FROM left_out GROUP BY slug",  # noqa: S608 - our own names
        f"SELECT '{SMALLER_SIZE}', count(*) FROM sizes WHERE left_out",  # noqa: S608 - our own name
        *(
            f"SELECT cut.key, {total('cut.value')} FROM {table}, {left_out_items(table)} cut GROUP BY cut.key"  # noqa: S608 - our own names
            for table in _PAGES
            if table not in catalog.missing_tables
        ),
    ):
        left.subtract({slug: times for slug, times in catalog.rows(sql) if slug in left})
    return dict(+left)


def _rows(catalog: Catalog, slug: str) -> Iterator[tuple]:  # type: ignore[type-arg]
    yield from catalog.rows(
        f"SELECT {_COLUMNS} FROM left_out WHERE slug = ? ORDER BY seq",  # noqa: S608 - our own names
        (slug,),
    )
    if slug == SMALLER_SIZE:  # a ledger knows them all, for they may be needed yet
        yield from catalog.rows(
            "SELECT url, ?, 'image', '', 1 FROM sizes WHERE left_out ORDER BY url", (SMALLER_SIZE,)
        )


def _cut_pages(catalog: Catalog, slug: str) -> Iterator[CutPage]:
    for table, kind in _PAGES.items():
        if table not in catalog.missing_tables:
            for url, times in catalog.rows(
                f"SELECT url, {sane_size('cut.value')} FROM {table}, {left_out_items(table)} cut"  # noqa: S608 - our own names
                " WHERE cut.key = ? ORDER BY seq",
                (slug,),
            ):
                yield CutPage(url=url, times=times, kind=kind)


def _kept_out(row: tuple) -> KeptOut:  # type: ignore[type-arg]
    url, slug, kind, page_url, times = row
    return KeptOut(url=url, slug=slug, kind=TaskKind(kind), page_url=page_url, times=times)

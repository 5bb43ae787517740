"""What a crawl has and what it lacks, for people: what is missing and what to do, sizes, largest files, coverage.

SQL sums up: the table of images is gone through a few times, and no record becomes an object.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import msgspec

from crawler.catalog.database import Catalog
from crawler.catalog.elsewhere import gone
from crawler.catalog.summary import Summary, recorded, with_files
from crawler.crawlfile.columns import known_reason, sane_size, total
from crawler.crawlfile.schema import TABLES
from crawler.errors import ADVICE
from crawler.models import MAX_SIZE_BYTES, STATUSES, WORTH_KEEPING, TaskKind, Value

TOP_FILES = 5
BYTE_STEPS = tuple(4**power for power in range(4, 16))
"""From 256 bytes to 1 GiB."""
PIXEL_STEPS = tuple(4**power * 100 for power in range(12))
"""From 10 x 10 to 20,000 x 20,000."""


class Missing(Value):
    """What was not had, for one reason."""

    kind: TaskKind
    reason: str
    count: int
    url: str
    """The first one of them."""
    page_url: str
    """Where it was found; empty for a seed."""
    detail: str
    advice: str
    """What to do about it, in a sentence without its full stop; empty for an unknown reason."""


class FoundIn(Value):
    """What one rule has found."""

    name: str
    images: int
    """Image URLs with a record."""
    saved: int
    """Of these, with a file: their own or that of the same bytes."""


class Spread(Value):
    """How large files are: in bytes, or in pixels of width times height."""

    least: int
    median: int
    most: int
    steps: tuple[tuple[int, int], ...]
    """Pairs: how many are of at most so much, and more than the step before; the last step has no end, and is 0."""


class LargeFile(Value):
    path: str
    url: str
    size_bytes: int
    width_px: int
    height_px: int


class Inspection(Summary, kw_only=True):
    """A Summary, and what answers: is it all there, what is missing, what is to be done?"""

    missing: tuple[Missing, ...]
    """Images first, then pages and renders; of each the most frequent reason first."""
    found_in: tuple[FoundIn, ...]
    """By the rule that found an image, the most frequent first."""
    pages_without_images: int
    """Pages that were read and name no image, those of other pages included."""
    duplicate_bytes: int
    """Bytes that were saved already, and are not kept twice."""
    sizes: Spread | None
    """In bytes; None without saved images."""
    pixels: Spread | None
    """None without saved images whose size in pixels is known."""
    largest: tuple[LargeFile, ...]
    """The TOP_FILES largest files."""
    gone: int = 0
    """Files that were saved in the crawl's folder and are not there any more; 0 for a crawl with an object store."""
    gone_path: str = ""
    """The path of the first of these."""


def inspection(catalog: Catalog) -> Inspection:
    """All figures of one moment."""
    with catalog.snapshot():
        summary = recorded(catalog)
        sizes, pixels = _spreads(catalog)
        inspected = Inspection(
            **{name: getattr(summary, name) for name in summary.__struct_fields__},
            missing=tuple(_missing(catalog)),
            found_in=_found_in(catalog),
            pages_without_images=catalog.value(
                "SELECT count(*) FROM pages WHERE status = 'harvested' AND images = 0"
            ),
            duplicate_bytes=catalog.value(
                f"SELECT {total('size_bytes')} FROM images WHERE status = 'duplicate'"  # noqa: S608
            ),
            sizes=sizes,
            pixels=pixels,
            largest=_largest(catalog),
        )
        if not catalog.config().storage.url:
            count, path = gone(catalog)
            inspected = msgspec.structs.replace(inspected, gone=count, gone_path=path)
    return with_files(inspected)


def _missing(catalog: Catalog) -> Iterator[Missing]:
    for kind in (TaskKind.IMAGE, TaskKind.PAGE, TaskKind.RENDER):
        table = TABLES[kind]
        if table in catalog.missing_tables:
            continue
        wanted = ", ".join(f"'{status}'" for status in STATUSES[kind] if status not in WORTH_KEEPING)
        groups: dict[str, tuple[int, int]] = {}
        for reason, count, first in catalog.rows(
            f"SELECT reason, count(*), min(seq) FROM {table} WHERE status IN ({wanted}) GROUP BY reason"  # noqa: S608
        ):
            slug = known_reason(reason)
            before = groups.get(slug, (0, first))
            groups[slug] = (before[0] + count, min(before[1], first))
        for reason, (count, seq) in sorted(groups.items(), key=lambda item: (-item[1][0], item[0])):
            sql = f"SELECT url, page_url, detail FROM {table} WHERE seq = ?"  # noqa: S608 - our own names
            url, page_url, detail = map(str, next(catalog.rows(sql, (seq,))))
            yield Missing(
                kind=kind,
                reason=reason,
                count=count,
                url=url,
                page_url=page_url,
                detail=detail,
                advice=ADVICE.get(reason, ""),
            )


def _found_in(catalog: Catalog) -> tuple[FoundIn, ...]:
    rows = catalog.rows(
        "SELECT found_in, count(*), total(status IN ('saved', 'duplicate')) FROM images"
        " GROUP BY found_in ORDER BY 2 DESC, 1"
    )
    return tuple(FoundIn(name=str(name), images=count, saved=int(kept)) for name, count, kept in rows)


def _spreads(catalog: Catalog) -> tuple[Spread | None, Spread | None]:
    """How large saved images are, in bytes and in pixels; the table is gone through once for both."""
    rows = catalog.rows("SELECT size_bytes, width_px * height_px FROM images WHERE status = 'saved'")
    sizes: Counter[Any] = Counter()
    pixels: Counter[Any] = Counter()
    for size_bytes, size_px in rows:
        sizes[size_bytes] += 1
        pixels[size_px] += 1
    return _spread(sizes, BYTE_STEPS), _spread(pixels, PIXEL_STEPS)


def _spread(counts: Counter[Any], steps: tuple[int, ...]) -> Spread | None:
    sizes = sorted(size for size in counts if isinstance(size, int) and 0 < size <= MAX_SIZE_BYTES)
    if not sizes:
        return None
    by_step = [0] * (len(steps) + 1)
    for size in sizes:
        by_step[bisect_left(steps, size)] += counts[size]
    before = accumulate(counts[size] for size in sizes)
    half = sum(by_step) // 2
    return Spread(
        least=sizes[0],
        median=next(size for size, so_far in zip(sizes, before, strict=True) if so_far > half),
        most=sizes[-1],
        steps=tuple(zip((*steps, 0), by_step, strict=True)),
    )


def _largest(catalog: Catalog) -> tuple[LargeFile, ...]:
    rows = catalog.rows(
        f"SELECT path, url, {sane_size('size_bytes')} AS size, width_px, height_px FROM images"  # noqa: S608
        " WHERE status = 'saved' ORDER BY size DESC, seq LIMIT ?",
        (TOP_FILES,),
    )
    fields = LargeFile.__struct_fields__
    return tuple(msgspec.convert(dict(zip(fields, row, strict=True)), LargeFile) for row in rows)

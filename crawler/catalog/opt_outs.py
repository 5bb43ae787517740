"""What owners say about the use of their images, counted by signal and host."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import sane_size
from crawler.errors import REASONS, OptedOut, RobotsDisallowed
from crawler.models import Purpose, Value
from crawler.opt_outs.purposes import ALL, SIGNALS
from crawler.urls import canonical, host_key

_REFUSALS = tuple(slug for slug, error in REASONS.items() if issubclass(error, (OptedOut, RobotsDisallowed)))
_OF_PAGES = tuple(
    name for name, signal in SIGNALS.items() if any(forbidden == ALL for forbidden in signal.words.values())
)
"""Signals by which a page forbids all images on it."""
_SLUGS = ", ".join(f"'{slug}'" for slug in _REFUSALS)
_SAID = """
    SELECT coalesce(json_extract(one.value, '$.signal'), '') AS signal, images.seq, images.task_id, images.url,
           images.status, images.reason, json_extract(one.value, '$.place') AS place,
           json_extract(one.value, '$.text') AS text, coalesce(json_extract(one.value, '$.forbids'), '') AS forbids
    FROM images, json_each(CASE WHEN json_valid(CAST(images.opt_outs AS TEXT))
                           THEN CAST(images.opt_outs AS TEXT) ELSE '[]' END) one
    WHERE images.opt_outs != '' AND one.type = 'object'
    UNION ALL
"""
_REFUSED = f"""
    SELECT reason, seq, task_id, url, status, reason, '', detail, '["archive","search","train"]'
    FROM images WHERE reason IN ({_SLUGS})
"""  # noqa: S608 - our own names
_HERE = " AND instr(CAST(opt_outs AS TEXT), '\"' || reason || '\"') = 0"
_FORBIDS = ", ".join(
    f"count(DISTINCT CASE WHEN instr(forbids, '\"{purpose}\"') THEN seq END)" for purpose in Purpose
)


class SignalSum(Value):
    """What one host says by one signal."""

    signal: str
    """A key of :data:`crawler.opt_outs.purposes.SIGNALS`, or ``robots-disallowed``."""
    host: str
    """``scheme://host[:port]`` of the images; empty for images whose URLs were not recorded."""
    images: int = 0
    """Number of queued images with the signal."""
    refused: int = 0
    """Number of these that were refused for it: it was obeyed."""
    saved: int = 0
    """Number of these that were saved all the same: it was only recorded."""
    forbids: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each value
    """Numbers of images for which it forbids a purpose."""
    left_out: int = 0
    """Number of times that an image was not queued as its page has the signal."""
    url: str = ""
    """The URL of an example."""
    place: str = ""
    text: str = ""


def opt_outs(catalog: Catalog) -> Iterator[SignalSum]:
    """The sums by signal, hosts with the most images first. Reads the records once."""
    with catalog.snapshot():
        yield from _of_records(catalog)
        yield from _of_pages(catalog)


def beyond(catalog: Catalog) -> int:
    """Number of opt-outs for which records have no room."""
    if not catalog.has("more_opt_outs"):
        return 0
    with catalog.snapshot():
        return int(catalog.value(f"SELECT total({sane_size('more_opt_outs')}) FROM images"))  # noqa: S608 - our own name


def _of_records(catalog: Catalog) -> Iterator[SignalSum]:
    said = f"{_SAID}{_REFUSED}{_HERE}" if catalog.has("opt_outs") else _REFUSED
    columns = "(signal, seq, task_id, url, status, reason, place, text, forbids)"
    rows = catalog.rows(
        f"WITH said{columns} AS ({said})"  # noqa: S608 - our own names
        " SELECT CAST(signal AS TEXT), coalesce(CAST(hosts.name AS TEXT), ''), count(DISTINCT seq),"
        " count(DISTINCT CASE WHEN reason = signal THEN seq END),"
        f" count(DISTINCT CASE WHEN status IN ('saved', 'duplicate') THEN seq END), {_FORBIDS},"
        " CAST(said.url AS TEXT), coalesce(CAST(place AS TEXT), ''), coalesce(CAST(text AS TEXT), ''), min(seq)"
        " FROM said LEFT JOIN tasks ON tasks.id = said.task_id LEFT JOIN hosts ON hosts.id = tasks.host_id"
        " GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
    )
    for signal, host, images, refused, saved, *rest in rows:
        counts = dict(zip(map(str, Purpose), rest, strict=False))
        url, place, text, _ = rest[len(Purpose) :]
        yield SignalSum(
            signal=signal,
            host=host,
            images=images,
            refused=refused,
            saved=saved,
            forbids={purpose: count for purpose, count in counts.items() if count},
            url=url,
            place=place,
            text=text,
        )


def _of_pages(catalog: Catalog) -> Iterator[SignalSum]:
    """Images that were not queued as their page forbids it; more may have been counted than are recorded."""
    totals = dict(catalog.rows(f"SELECT reason, {sane_size('count')} FROM dropped"))  # noqa: S608 - our own name
    for signal in _OF_PAGES:
        by_host: dict[str, SignalSum] = {}
        listed = 0
        rows = catalog.rows(
            f"SELECT CAST(url AS TEXT), CAST(page_url AS TEXT), {sane_size('times')} FROM left_out"  # noqa: S608
            " WHERE slug = ? AND kind = 'image' ORDER BY seq",
            (signal,),
        )
        for url, page_url, times in rows:
            host = host_key(url) if canonical(url) else ""
            one = by_host.get(host) or SignalSum(signal=signal, host=host, url=url, place=f"page {page_url}")
            by_host[host] = msgspec.structs.replace(one, left_out=one.left_out + times)
            listed += times
        yield from sorted(by_host.values(), key=lambda one: (-one.left_out, one.host))
        if (unlisted := totals.get(signal, 0) - listed) > 0:
            yield SignalSum(signal=signal, host="", left_out=unlisted)

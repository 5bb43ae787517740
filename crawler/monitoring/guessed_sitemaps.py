"""Sitemaps that were only looked for, and are not there, are left out of what people are shown of a crawl. Pure.

Most sites have none: it is no failure, and no page. The books keep their records, and programs are told of them (JSON,
metrics, export).
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from crawler.errors import NoSitemap
from crawler.models import PageStatus, Stats

EXPECTED = NoSitemap.reason
_Stats = TypeVar("_Stats", bound=Stats)


def without_guessed(stats: _Stats) -> _Stats:
    """*stats* without those sitemaps, in all figures of pages and in the latest failures; all others as they are."""
    guessed = stats.page_reasons.get(EXPECTED, 0)
    failures = tuple(failure for failure in stats.failures if failure.reason != EXPECTED)
    if not guessed:
        return (
            stats
            if len(failures) == len(stats.failures)
            else msgspec.structs.replace(stats, failures=failures)
        )
    refused = max(0, stats.page_status.get(PageStatus.REJECTED, 0) - guessed)
    status = {key: count for key, count in stats.page_status.items() if key != PageStatus.REJECTED}
    return msgspec.structs.replace(
        stats,
        pages=msgspec.structs.replace(stats.pages, done=max(0, stats.pages.done - guessed)),
        page_status=status | ({PageStatus.REJECTED: refused} if refused else {}),
        page_reasons={reason: count for reason, count in stats.page_reasons.items() if reason != EXPECTED},
        failures=failures,
    )

"""What a crawl says at its end: the books, and where to look."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from rich.text import Text

from crawler.catalog.summary import Summary
from crawler.cli import tables
from crawler.cli.output import clean, write_json
from crawler.cli.whereabouts import kept_where
from crawler.errors import NoBrowser
from crawler.models import ImageStatus, PageStatus, RenderStatus
from crawler.renderers import INSTALL, pages


def print_summary(summary: Summary, *, as_json: bool) -> None:
    """The summary of a crawl on stdout."""
    if as_json:
        write_json(summary)
        return
    stats = summary.stats
    out = tables.console()
    out.print()
    visited = ", ".join(
        f"{stats.page_status[status]:,} {status}" for status in PageStatus if stats.page_status.get(status)
    )
    if stats.page_reasons:
        visited += f" ({_reasons(stats.page_reasons)})"
    rows: dict[str, str | Text] = {
        "pages": f"{stats.pages.discovered:,}: {visited or 'none visited'}",
        **rendered(summary),
        "images": _books(summary),
    }
    if stats.image_reasons:
        rows["not saved"] = _reasons(stats.image_reasons)
    rows |= wants_a_browser(summary)
    if stats.dropped:
        which = f"which: image-crawler explain {shlex.quote(clean(summary.folder))} SLUG"
        rows["left out"] = f"{tables.left_out_lines(stats.dropped)}\n{which}"
    rows |= revisits(summary)
    rows["saved"] = kept_where(summary) or f"{tables.size(stats.saved_bytes)} in {clean(summary.folder)}"
    rows["state"] = tables.state(stats, stopped=summary.stopped)
    tables.show(out, tables.facts(rows))


def rendered(summary: Summary) -> dict[str, str]:
    """What came of the pages that wanted a browser, as a row of facts; none where no page did."""
    stats = summary.stats
    if not stats.renders.discovered:
        return {}
    counts = ", ".join(
        f"{stats.render_status[status]:,} {status}"
        for status in RenderStatus
        if stats.render_status.get(status)
    )
    reasons = f" ({_reasons(stats.render_reasons)})" if stats.render_reasons else ""
    return {"renders": f"{stats.renders.discovered:,}: {counts or 'none yet'}{reasons}"}


def wants_a_browser(summary: Summary) -> dict[str, str]:
    """How the pages come to be seen for which there was no browser, as a row of facts; none where there are none."""
    count = summary.stats.render_reasons.get(NoBrowser.reason, 0)
    if not count:
        return {}
    again = f"image-crawler retry {shlex.quote(clean(summary.folder))} --renders"
    return {"no browser": f"{pages(count)} to show their pictures: {INSTALL}, then {again}"}


def revisits(summary: Summary) -> dict[str, str]:
    """What a refresh has found, as a row of facts; none when there was no refresh."""
    if not summary.revisits:
        return {}
    found = ", ".join(f"{count:,} {clean(outcome)}" for outcome, count in summary.revisits.items())
    return {"refreshed": found}


def _reasons(counts: Mapping[str, int]) -> str:
    """The most frequent first."""
    return ", ".join(
        f"{count:,} {clean(reason)}" for reason, count in sorted(counts.items(), key=lambda item: -item[1])
    )


def _books(summary: Summary) -> Text:
    """Discovered = saved + duplicate + rejected + failed + dead (+ what is still to be done)."""
    stats = summary.stats
    text = Text.assemble((f"{stats.images.discovered:,}", "bold"), " discovered = ")
    parts = [
        Text.assemble((f"{stats.image_status.get(status, 0):,} ", "bold"), tables.label(status))
        for status in ImageStatus
    ]
    without_record = stats.images.discovered - sum(stats.image_status.values())
    if without_record > 0:
        parts.append(Text.assemble((f"{without_record:,} ", "bold"), "to be done"))
    text.append(Text(" + ").join(parts))
    once_more = stats.images.unsettled - max(0, without_record)
    return text.append(f", of which {once_more:,} are to be visited once more") if once_more > 0 else text

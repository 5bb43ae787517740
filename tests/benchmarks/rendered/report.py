"""What was measured, for people to read."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.benchmarks.rendered.measure import Crawled
from tests.benchmarks.rendered.site import Site

HEAD = (
    f"{'site':24} {'kind':11} {'wanted':>6} {'never':>5} {'auto':>5} {'always':>6} {'recall':>7}"
    f" {'pages':>5} {'rendered':>8} {'wall':>6} {'CPU':>6} {'static':>6} {'PSS':>5} {'twice':>5}"
)
"""Below the ways stands how many pictures each found. What comes after that is of auto where that was measured, else
of the last way: times in seconds, PSS in MiB. ``static`` is the CPU of never; ``twice`` counts image URLs that were
asked for more than once, in any way.
"""


def line(site: Site, crawls: dict[str, Crawled]) -> str:
    shown = crawls.get("auto") or next(reversed(crawls.values()))

    def found(way: str) -> str:
        return str(len(crawls[way].found & site.wants)) if way in crawls else "-"

    recall = len(shown.found & site.wants) / len(site.wants)
    never = f"{crawls['never'].cpu_s:.1f}" if "never" in crawls else "-"
    return (
        f"{site.name:24} {site.kind:11} {len(site.wants):6} {found('never'):>5} {found('auto'):>5} {found('always'):>6}"
        f" {recall:7.1%} {shown.pages:5} {shown.rendered:8} {shown.wall_s:6.1f} {shown.cpu_s:6.1f} {never:>6}"
        f" {shown.browser_mib:5.0f} {sum(len(one.twice) for one in crawls.values()):5}"
    )


def remarks(site: Site, crawls: dict[str, Crawled]) -> list[str]:
    """What a table has no room for: what went wrong."""
    told = []
    for way, one in crawls.items():
        missing = sorted(site.wants - one.found)
        if missing and way != "never":
            only = f", of {sorted(one.smaller)} there is a smaller one" if one.smaller else ""
            told.append(f"{way}: missing {missing}{only}")
        told += [f"{way}: {target} asked for {times} times" for target, times in one.twice.items()]
        if one.not_rendered:
            told.append(f"{way}: not rendered {one.not_rendered}")
        if one.left:
            told.append(f"{way}: {one.left} processes were left behind")
        if one.status:
            told.append(f"{way}: exit status {one.status}{os.linesep}{one.output}")
    return told


def totals(measured: dict[Site, dict[str, Crawled]], ways: Sequence[str]) -> list[str]:
    wanted = sum(len(site.wants) for site in measured)
    told = []
    for way in ways:
        crawls = [(site, ones[way]) for site, ones in measured.items() if way in ones]
        found = sum(len(one.found & site.wants) for site, one in crawls)
        told.append(
            f"{way:6} {found:,} of {wanted:,} pictures ({found / wanted:.1%}),"
            f" {sum(one.pages for _, one in crawls):,} pages, {sum(one.rendered for _, one in crawls):,} rendered,"
            f" {sum(one.requests for _, one in crawls):,} requests,"
            f" {sum(len(one.twice) for _, one in crawls):,} images asked for more than once,"
            f" {sum(one.wall_s for _, one in crawls):,.0f} s wall, {sum(one.cpu_s for _, one in crawls):,.0f} s CPU"
            f" ({sum(one.browser_cpu_s for _, one in crawls):,.0f} s of it the browser's),"
            f" browser at most {max(one.browser_mib for _, one in crawls):,.0f} MiB"
        )
    return told

"""Does a crawl render the pages that need it, and only those? Of two sites with 1,000 pages of five templates each.

``auto`` is compared with three others:

- ``never``: what reading alone finds, and takes.
- ``always``: all pages are rendered.
- ``oracle``: somebody knew beforehand which 400 pages need scripts. There is no such crawl, so it is put together of
  two: ``never`` of the whole site, and ``--render always --max-depth 0`` with those 400 pages as its seeds. Its CPU is
  that of both, which is somewhat too much: 400 pages are read twice, and a crawl is started twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.benchmarks.rendered.build import build
from tests.benchmarks.rendered.kinds import templates
from tests.benchmarks.rendered.measure import Crawled, Program, crawl, crawl_from, rendered_urls
from tests.benchmarks.rendered.server import Cache, serving
from tests.benchmarks.rendered.site import Site

ORACLE = "oracle"


class Chosen(NamedTuple):
    """One crawl, and what it rendered, by template."""

    way: str
    found: int
    rendered: dict[str, int]
    cpu_s: float
    wall_s: float

    @property
    def needless(self) -> int:
        """Pages whose scripts make no pictures."""
        return sum(count for name, count in self.rendered.items() if name not in templates.NEED_SCRIPTS)

    @property
    def needed(self) -> int:
        return sum(count for name, count in self.rendered.items() if name in templates.NEED_SCRIPTS)


def choose(
    folder: Path, made: Program, ways: Sequence[str], count: int, names: set[str], *, as_json: bool
) -> int:
    """Measures and tells of sites with *count* pages; 1 if auto found less than always."""
    cache, lost = Cache(folder), False
    sites = templates.sites(count)
    build(sites, folder)
    with serving(sites, folder) as served:
        for site in sites:
            if names and site.name not in names:
                continue
            by_path = {it.path: it.template for it in templates.pages(count, one_path=site is sites[1])}
            crawls = {way: crawl(site, way, served, made, cache) for way in made.ways(ways)}
            if "never" in crawls and "always" in crawls:
                begin = served.urls[site.name].rstrip("/")
                seeds = [begin + path for path, name in by_path.items() if name in templates.NEED_SCRIPTS]
                knowing = crawl_from(
                    seeds, site, "always", served, made, cache, "--max-depth", "0", name=ORACLE
                )
                crawls[ORACLE] = _both(crawls["never"], knowing)
            told = {way: _chosen(site, one, by_path, cache) for way, one in crawls.items()}
            tell(site, told, as_json=as_json)
            if told.keys() >= {"auto", "always"}:
                lost = lost or told["auto"].found < told["always"].found
    return int(lost)


def _both(never: Crawled, knowing: Crawled) -> Crawled:
    return knowing._replace(
        way=ORACLE,
        found=never.found | knowing.found,
        cpu_s=never.cpu_s + knowing.cpu_s,
        wall_s=never.wall_s + knowing.wall_s,
    )


def _chosen(site: Site, one: Crawled, by_path: dict[str, str], cache: Cache) -> Chosen:
    paths = (urlsplit(url).path for url in rendered_urls(site, one.way, cache))
    rendered = Counter(by_path.get(path, "lists") for path in paths)
    return Chosen(one.way, len(one.found), dict(rendered), one.cpu_s, one.wall_s)


def tell(site: Site, told: dict[str, Chosen], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"site": site.name, **{way: it._asdict() for way, it in told.items()}}), flush=True)
        return
    print(f"{site.name}: {len(site.wants):,} pictures; {', '.join(templates.NEED_SCRIPTS)} need scripts")
    print(f"{'':8} {'found':>6} {'needed':>7} {'needless':>9} {'CPU':>8} {'wall':>8}  rendered")
    for way, it in told.items():
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(it.rendered.items()))
        print(
            f"{way:8} {it.found:6,} {it.needed:7} {it.needless:9} {it.cpu_s:6.0f} s {it.wall_s:6.0f} s  {kinds}",
            flush=True,
        )
    if told.keys() >= {"auto", ORACLE}:
        auto, oracle = told["auto"], told[ORACLE]
        print(
            f"auto found {auto.found / max(told['always'].found, 1):.1%} of what always finds,"
            f" for {auto.cpu_s / oracle.cpu_s:.2f} times the CPU of the oracle"
            f" and {auto.cpu_s / told['always'].cpu_s:.2f} of that of always"
        )

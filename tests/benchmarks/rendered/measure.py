"""What crawls find of the sites, and what that costs."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.rendered import usage
from tests.benchmarks.rendered.pictures import corner, nearest
from tests.benchmarks.rendered.server import Asked, Cache, Served
from tests.benchmarks.rendered.site import Site

WAYS = ("never", "auto", "always")
TIMEOUT_S = 3600.0
"""A thousand pages in a browser take some ten minutes."""
KEPT_OUTPUT = 2000


class Crawled(NamedTuple):
    """A crawl of one site in one of WAYS."""

    way: str
    found: frozenset[int]
    """Numbers of the pictures whose bytes were saved, in whatever width."""
    smaller: frozenset[int]
    """Those of them that were not saved in the largest width."""
    pages: int
    rendered: int
    not_rendered: dict[str, int]
    """Pages that were to be rendered and were not, by reason."""
    twice: dict[str, int]
    """Image URLs that were asked for more than once, and how often."""
    requests: int
    wall_s: float
    cpu_s: float
    browser_mib: float
    left: int
    status: int
    output: str
    """Its end, of a crawl that failed."""


class Program(NamedTuple):
    """How image-crawler is called."""

    command: tuple[str, ...]
    flags: tuple[str, ...]
    renders: bool
    """Whether it knows ``--render``."""

    def ways(self, wanted: Sequence[str]) -> list[str]:
        return [way for way in wanted if self.renders or way == "never"]


def program(command: Sequence[str], flags: Sequence[str], folder: Path) -> Program:
    shown = usage.run([*command, "crawl", "--help"], folder, timeout_s=60).output
    if "--render" not in shown:
        print("this image-crawler does not know --render: only static crawls are measured", file=sys.stderr)
    return Program(tuple(command), tuple(flags), "--render" in shown)


def crawl(site: Site, way: str, served: Served, made: Program, cache: Cache) -> Crawled:
    """The site's crawl goes to a folder of the cache, and lies there until the next."""
    return crawl_from([served.urls[site.name]], site, way, served, made, cache)


def crawl_from(
    seeds: Sequence[str],
    site: Site,
    way: str,
    served: Served,
    made: Program,
    cache: Cache,
    *flags: str,
    name: str = "",
) -> Crawled:
    """The same from other *seeds*, with further *flags*; *name* instead of the way for the folder."""
    folder = cache.folder / "crawls" / f"{site.name}-{name or way}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    served.log.drain()
    told = ("--render", way) if made.renders else ()
    command = [*made.command, "crawl", *seeds, "-o", str(folder), "--quiet", *told, *made.flags, *flags]
    used = usage.run(command, cache.folder, timeout_s=TIMEOUT_S)
    asked = [one for one in served.log.drain() if one.site == site.name]
    saved = _saved(folder)
    widths = _widths(site, saved, cache)
    return Crawled(
        way=way,
        found=frozenset(widths),
        smaller=frozenset(n for n, width in widths.items() if width and width < site.pictures.widths[-1]),
        pages=_count(folder, "SELECT count(*) FROM pages WHERE status = 'harvested'"),
        rendered=_count(folder, "SELECT count(*) FROM renders WHERE status = 'rendered'"),
        not_rendered=dict(
            _rows(folder, "SELECT reason, count(*) FROM renders WHERE status != 'rendered' GROUP BY 1")
        ),
        twice=more_than_once(asked),
        requests=len(asked),
        wall_s=used.wall_s,
        cpu_s=used.cpu_s,
        browser_mib=used.browser_mib,
        left=used.left,
        status=used.status,
        output=used.output[-KEPT_OUTPUT:] if used.status else "",
    )


def more_than_once(asked: Iterable[Asked]) -> dict[str, int]:
    """Images that the server has sent more than once: a crawl wants each only once, whoever found it."""
    sent = Counter(("elsewhere:" if one.elsewhere else "") + one.target for one in asked if one.is_image)
    return {target: count for target, count in sent.items() if count > 1}


def _saved(folder: Path) -> dict[str, Path]:
    """The files of a crawl by the digest of their bytes."""
    rows = _rows(
        folder, "SELECT sha256, path FROM images WHERE status IN ('saved', 'duplicate') AND path != ''"
    )
    return {digest: folder / path for digest, path in rows}


def _widths(site: Site, saved: dict[str, Path], cache: Cache) -> dict[int, int]:
    """By number, the largest width that was saved of a picture; 0 for one that a script has drawn."""
    widths: dict[int, int] = {}
    for n in site.pictures.numbers:
        for w in site.pictures.widths:
            digest = hashlib.sha256(cache.picture(site, n, w).read_bytes()).hexdigest()
            if digest in saved and saved.pop(digest):
                widths[n] = max(w, widths.get(n, 0))
    drawn = frozenset(range(site.pictures.count + 1, site.pictures.count + site.drawn + 1))
    for path in saved.values() if drawn else ():
        try:
            n = nearest(corner(path.read_bytes()), drawn)
        except OSError:
            continue
        if n is not None:
            widths[n] = 0
    return widths


def _rows(folder: Path, sql: str) -> list[Any]:
    """Of crawl.db; none where there is no such table, as in crawls without a browser, or no crawl at all."""
    if not (folder / "crawl.db").is_file():
        return []
    with closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
        try:
            return db.execute(sql).fetchall()
        except sqlite3.OperationalError as exc:
            if "no such table" not in str(exc):
                raise
            return []


def _count(folder: Path, sql: str) -> int:
    rows = _rows(folder, sql)
    return rows[0][0] if rows else 0


def rendered_urls(site: Site, way: str, cache: Cache) -> list[str]:
    """Of the latest crawl of it in that way."""
    folder = cache.folder / "crawls" / f"{site.name}-{way}"
    return [url for (url,) in _rows(folder, "SELECT url FROM renders WHERE status = 'rendered'")]


HEAD = (
    f"{'site':24} {'kind':11} {'wanted':>6} {'never':>5} {'auto':>5} {'always':>6} {'recall':>7}"
    f" {'pages':>5} {'rendered':>8} {'wall':>6} {'CPU':>6} {'static':>6} {'PSS':>5} {'twice':>5}"
)
"""``recall``, ``pages``, ``rendered``, ``wall``, ``CPU`` (s) and ``PSS`` (MiB) are of the dearest way up to auto that
was measured; ``static`` is the CPU of never; ``twice`` counts image URLs asked for more than once in any way."""


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
            told.append(f"{way}: missing {missing}")
        if one.smaller:
            told.append(f"{way}: not in the largest width {sorted(one.smaller)}")
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
            f" {sum(one.wall_s for _, one in crawls):,.0f} s wall, {sum(one.cpu_s for _, one in crawls):,.0f} s CPU,"
            f" browser at most {max(one.browser_mib for _, one in crawls):,.0f} MiB"
        )
    return told

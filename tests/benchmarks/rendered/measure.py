"""What crawls find of the sites, and what that costs."""

from __future__ import annotations

import hashlib
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
    """Numbers of the pictures whose bytes were saved, in the largest width that there is."""
    smaller: frozenset[int]
    """Those of which only a smaller one was saved, such as the thumbnail of what a light box opens."""
    pages: int
    rendered: int
    not_rendered: dict[str, int]
    """Pages that were to be rendered and were not, by reason."""
    twice: dict[str, int]
    """Image URLs that were asked for more than once, and how often."""
    requests: int
    wall_s: float
    cpu_s: float
    browser_cpu_s: float
    """Of that, Chromium's."""
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
    smaller = frozenset(n for n, width in widths.items() if 0 < width < site.pictures.widths[-1])
    return Crawled(
        way=way,
        found=frozenset(widths) - smaller,
        smaller=smaller,
        pages=_count(folder, "SELECT count(*) FROM pages WHERE status = 'harvested'"),
        rendered=_count(folder, "SELECT count(*) FROM renders WHERE status = 'rendered'"),
        not_rendered=dict(
            _rows(folder, "SELECT reason, count(*) FROM renders WHERE status != 'rendered' GROUP BY 1")
        ),
        twice=more_than_once(asked),
        requests=len(asked),
        wall_s=used.wall_s,
        cpu_s=used.cpu_s,
        browser_cpu_s=used.browser_cpu_s,
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

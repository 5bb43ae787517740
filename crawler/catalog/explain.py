"""Everything that is known about one URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from crawler.catalog import left_out
from crawler.catalog.changes import Version, version
from crawler.catalog.database import Catalog
from crawler.catalog.elsewhere import Expected
from crawler.catalog.left_out import KeptOut
from crawler.catalog.other_sizes import taken_instead, until_one_was_there
from crawler.catalog.owner import RobotsTxt, robots_txt
from crawler.catalog.similar_urls import similar_urls
from crawler.catalog.summary import queue_elsewhere
from crawler.crawlfile.image_paths import from_disk, on_disk
from crawler.crawlfile.keepers import keeper_of
from crawler.crawlfile.schema import origin_in, origin_of
from crawler.models import ImageRecord, Origin, PageRecord, Record, RenderRecord, TaskKind, Value
from crawler.urls import canonical, resolve, task_key

MAX_CHAIN = 1000
MAX_ALIASES = 20


class FoundVia(Value):
    """A page on the way from the seed."""

    url: str
    found_in: str = ""
    """How the page before it refers to it; empty for the seed."""


class UrlReport(Value):
    """One task. A URL can be several: a page, the same in a browser, and an image."""

    url: str
    kind: TaskKind
    state: str
    depth: int
    attempts: int
    """Leases so far that count."""
    found_in: str = ""
    chain: tuple[FoundVia, ...] = ()
    """The pages from the seed to the one that it was found on; empty for a seed."""
    origin: Origin | None = None
    """None for a seed."""
    image: ImageRecord | None = None
    page: PageRecord | None = None
    render: RenderRecord | None = None
    file_exists: bool = False
    """In the crawl's folder."""
    kept_in: str = ""
    """``MACHINE:FOLDER`` of the worker that keeps the file, when it was never to be in the crawl's folder."""
    earlier: tuple[Version, ...] = ()
    """What an image gave before it changed, the latest first."""
    same_bytes: tuple[str, ...] = ()
    """Other URLs with the same bytes, MAX_ALIASES at most."""
    same_bytes_count: int = 0


class Explanation(Value):
    asked: str
    url: str
    """What *asked* was taken for: a canonical URL, or what was asked when it is none."""
    how: str
    """``url``, ``session`` (the same URL with another session id was visited), ``file`` (the path of a saved file),
    ``redirect`` (where another URL led to), or ``size`` (another size of the same picture was taken in its stead).
    """
    rule: str = ""
    """Of a size that was not taken why it was not: a key of :data:`crawler.models.ALTERNATIVE_RULES`."""
    entries: tuple[UrlReport, ...] = ()
    """Empty when the crawl never took it on."""
    kept_out: tuple[KeptOut, ...] = ()
    """By what it was kept out, if it was; once it may have been, and another time not."""
    chain: tuple[FoundVia, ...] = ()
    """The pages from the seed to the one that it was kept out on first."""
    similar: tuple[str, ...] = ()
    """Known URLs that look like it, when it is not known."""
    dropped: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each value
    """What was left out of this crawl, and how much of it, when it was not taken on."""
    unlisted: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each value
    """Of that, what no URL and no page is kept of: it may be one of these. Nothing where all is known."""
    robots_txt: RobotsTxt | None = None
    """What the host of ``url`` says of it; None when it has not been asked."""
    queue: str = ""
    """Where a queue lies that may know it, when it is not known here: what waits there is in no file."""

    @property
    def known(self) -> bool:
        return bool(self.entries)


def explain(catalog: Catalog, asked: str, *, agent: str = "image-crawler") -> Explanation:
    """What became of *asked*: a URL in any spelling, a path on the seed's host, or a path of a saved file. *agent* is
    the product token that the crawl has said.
    """
    with catalog.snapshot():
        found = _explained(catalog, asked)
        if canonical(found.url) is None:
            return found
        return msgspec.structs.replace(found, robots_txt=robots_txt(catalog, found.url, agent=agent))


def _explained(catalog: Catalog, asked: str) -> Explanation:
    seeds = catalog.seeds()
    url = canonical(asked)
    if url is None:
        source = _source(catalog, _path_within(catalog.folder, asked))
        if source is not None:
            entries = list(_entries(catalog, source))
            return Explanation(asked=asked, url=source, how="file", entries=tuple(entries))
        url = next((found for seed in seeds if (found := resolve(asked, seed))), asked)
    kept_out = left_out.of_url(catalog, url)
    dropped = dict(catalog.rows("SELECT reason, count FROM dropped"))
    route = _route(asked, url)
    entries = list(_renders(catalog, route)) if route else []
    url = route if entries else url
    entries = entries or list(_entries(catalog, url))
    if entries:
        how = "url" if any(entry.url == url for entry in entries) else "session"
        return Explanation(asked=asked, url=url, how=how, entries=tuple(entries), kept_out=kept_out)
    if kept_out:
        chain = _chain(catalog, kept_out[0].page_url)
        return Explanation(asked=asked, url=url, how="url", kept_out=kept_out, chain=chain, dropped=dropped)
    sources = dict.fromkeys(
        record.url
        for records in (
            catalog.where(ImageRecord, "final_url = ?", url),
            catalog.where(PageRecord, "final_url = ?", url),
        )
        for record in records
    )
    entries = [entry for source in list(sources)[:MAX_ALIASES] for entry in _entries(catalog, source)]
    if entries:
        return Explanation(asked=asked, url=url, how="redirect", entries=tuple(entries))
    for taken, rule in taken_instead(catalog, url):
        entries = [entry for each in until_one_was_there(catalog, taken) for entry in _images(catalog, each)]
        return Explanation(asked=asked, url=url, how="size", rule=rule, entries=tuple(entries))
    return Explanation(
        asked=asked,
        url=url,
        how="url",
        similar=similar_urls(catalog, url),
        queue=queue_elsewhere(catalog),
        dropped=dropped,
        unlisted=left_out.unlisted(catalog),
    )


def _source(catalog: Catalog, path: str) -> str | None:
    """The URL that gave the file at *path*, or once gave it; None for one that no record names."""
    for record in catalog.where(ImageRecord, "path = ?", path):
        return record.url
    for (url,) in catalog.rows("SELECT url FROM image_history WHERE path = ? ORDER BY seq DESC", (path,)):
        return str(url)
    return None


def _route(asked: str, url: str) -> str:
    """*url* with what stands behind a ``#`` in *asked*, where that may be the route of a script; else nothing."""
    fragment = asked.partition("#")[2]
    return f"{url}#{fragment}" if fragment.startswith(("/", "!")) else ""


def _entries(catalog: Catalog, url: str) -> Iterator[UrlReport]:
    for kind in (TaskKind.IMAGE, TaskKind.PAGE, TaskKind.RENDER):
        entry = _entry(catalog, kind, url)
        if entry is not None:
            yield entry


def _renders(catalog: Catalog, url: str) -> Iterator[UrlReport]:
    return (entry for entry in _entries(catalog, url) if entry.kind is TaskKind.RENDER)


def _images(catalog: Catalog, url: str) -> Iterator[UrlReport]:
    return (entry for entry in _entries(catalog, url) if entry.kind is TaskKind.IMAGE)


def _entry(catalog: Catalog, kind: TaskKind, url: str) -> UrlReport | None:
    row = next(
        catalog.rows(
            "SELECT id, url, state, depth, attempts, origin FROM tasks WHERE key = ?", (task_key(kind, url),)
        ),
        None,
    )
    if row is None:
        return None
    task_id, url, state, depth, attempts, packed = row  # the URL may have had another session id
    image = next(catalog.where(ImageRecord, "task_id = ?", task_id), None)
    page = next(catalog.where(PageRecord, "task_id = ?", task_id), None)
    render = next(catalog.where(RenderRecord, "task_id = ?", task_id), None)
    origin = _origin(kind, packed, image or page or render)
    entry = UrlReport(
        url=url,
        kind=kind,
        state=state,
        depth=depth,
        attempts=attempts,
        found_in=origin.found_in if origin else "",
        origin=origin,
        chain=_chain(catalog, origin.page_url) if origin else (),
        image=image,
        page=page,
        render=render,
    )
    if image is None or not image.path:
        return entry
    others, count = _same_bytes(catalog, image)
    return msgspec.structs.replace(
        entry,
        earlier=tuple(version(before) for before in catalog.history(image.url)),
        file_exists=_is_file(catalog.folder / on_disk(image.path)),
        kept_in=_kept_in(catalog, image),
        same_bytes=others,
        same_bytes_count=count,
    )


def _origin(kind: TaskKind, packed: bytes | None, record: Record | None) -> Origin | None:
    """Of a task: kept with it until it is settled, in its record from then on."""
    if packed is not None:
        origin = origin_in(packed)
        return None if origin is None else msgspec.structs.replace(origin, content=b"")
    if record is None or not (record.page_url or record.found_in):
        return None
    return origin_of(record, kind)


def _kept_in(catalog: Catalog, image: ImageRecord) -> str:
    keeper = keeper_of(image.kept_by, image.worker)
    return "" if Expected(catalog).here(keeper) else f"{keeper.machine}:{keeper.folder}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no disk takes
        return False


def _chain(catalog: Catalog, page_url: str) -> tuple[FoundVia, ...]:
    """The pages from the seed to *page_url*; starts in the middle where a page on the way is not known."""
    steps: list[FoundVia] = []
    seen: set[str] = set()
    while page_url and page_url not in seen and len(steps) < MAX_CHAIN:
        seen.add(page_url)
        origin = _page_origin(catalog, page_url)
        steps.append(FoundVia(url=page_url, found_in=origin.found_in if origin else ""))
        page_url = origin.page_url if origin else ""
    return tuple(reversed(steps))


def _page_origin(catalog: Catalog, url: str) -> Origin | None:
    key = task_key(TaskKind.PAGE, url)
    for task_id, packed in catalog.rows("SELECT id, origin FROM tasks WHERE key = ?", (key,)):
        return _origin(TaskKind.PAGE, packed, next(catalog.where(PageRecord, "task_id = ?", task_id), None))
    if "#" in url and (entry := _entry(catalog, TaskKind.RENDER, url)):  # a route, which only a script knows
        return entry.origin
    # what was found on a page after a redirect names the page by where it ended up
    return _origin(TaskKind.PAGE, None, next(catalog.where(PageRecord, "final_url = ?", url), None))


def _same_bytes(catalog: Catalog, image: ImageRecord) -> tuple[tuple[str, ...], int]:
    urls: list[str] = []
    count = 0
    for (url,) in catalog.rows(
        "SELECT url FROM images WHERE sha256 = ? AND url != ? ORDER BY seq", (image.sha256, image.url)
    ):
        count += 1
        if len(urls) < MAX_ALIASES:
            urls.append(url)
    return tuple(urls), count


def _path_within(folder: Path, asked: str) -> str:
    """*asked* as records write paths; it may be given from here, from the root, or from the folder."""
    path = Path(asked)
    for base in (Path.cwd(), folder.absolute()):
        try:
            inside = (base / path).relative_to(folder.absolute())
        except ValueError:
            continue
        return from_disk(inside.as_posix())
    return asked

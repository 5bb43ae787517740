"""Everything that a crawl knows about one URL."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from crawler.catalog import left_out
from crawler.catalog.by_name import Likeness, Named, by_name
from crawler.catalog.changes import Version, version
from crawler.catalog.database import Catalog
from crawler.catalog.elsewhere import Expected
from crawler.catalog.image_pages import other_pages
from crawler.catalog.left_out import KeptOut
from crawler.catalog.other_urls import similar_urls, taken_instead, until_one_was_there
from crawler.catalog.owner import RobotsTxt, robots_txt
from crawler.catalog.summary import queue_elsewhere
from crawler.crawlfile.image_paths import from_disk, on_disk
from crawler.crawlfile.keepers import keeper_of
from crawler.crawlfile.schema import LEASED, origin_in, origin_of
from crawler.models import ImageRecord, Origin, PageRecord, Record, RenderRecord, TaskKind, TaskState, Value
from crawler.urls import canonical, resolve, task_key

MAX_CHAIN = 1000
MAX_ALIASES = 20


class FoundVia(Value):
    """A page on the way from the seed."""

    url: str
    found_in: str = ""
    """The rule that found it on the page before; empty for the seed."""


class UrlReport(Value):
    """One task of a URL, which can have three: as a page, as a page in a browser, as an image."""

    url: str
    kind: TaskKind
    state: str
    depth: int
    attempts: int
    """Number of leases that count."""
    found_in: str = ""
    chain: tuple[FoundVia, ...] = ()
    """The pages from the seed to the one on which it was found; empty for a seed."""
    origin: Origin | None = None
    """Where it was found; None for a seed."""
    other_pages: tuple[str, ...] = ()
    """Up to MAX_ALIASES further pages on which the image stood, in the order in which they were read."""
    other_pages_count: int = 0
    image: ImageRecord | None = None
    page: PageRecord | None = None
    render: RenderRecord | None = None
    file_exists: bool = False
    """Whether the file is in the crawl's folder."""
    kept_in: str = ""
    """``MACHINE:FOLDER`` of the worker that keeps the file; empty if it belongs into the crawl's folder."""
    earlier: tuple[Version, ...] = ()
    """Earlier versions of the image, the latest first."""
    same_bytes: tuple[str, ...] = ()
    """Up to MAX_ALIASES other URLs with the same bytes."""
    same_bytes_count: int = 0


class Explanation(Value):
    asked: str
    url: str
    """The canonical URL that *asked* was taken for; *asked* itself if it is none."""
    how: str
    """How it was found: ``url``; ``session``, the URL with another session id; ``file``, the path of a saved file;
    ``name``, the name of one or several files, or the last part of their URLs;
    ``redirect``, the end of another URL's redirects; ``size``, another size of the picture was taken in its place.
    """
    rule: str = ""
    """With ``size``, why the other one was taken: a key of :data:`crawler.models.ALTERNATIVE_RULES`. With ``name``, the
    likeness: ``exact``, ``case``, ``beginning`` or ``part``.
    """
    entries: tuple[UrlReport, ...] = ()
    """Its tasks; none if it was never queued."""
    named: tuple[Named, ...] = ()
    """With ``name``, those that are called so if they are several: then ``entries`` is empty."""
    named_count: int = 0
    """How many these are in all."""
    kept_out: tuple[KeptOut, ...] = ()
    """What kept it out, if anything did; another time it may have been queued."""
    chain: tuple[FoundVia, ...] = ()
    """The pages from the seed to the first one on which it was kept out."""
    similar: tuple[str, ...] = ()
    """Known URLs that look like it, if it is not known."""
    dropped: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each value
    """The counts of what the crawl left out, by slug, if it was not queued."""
    unlisted: dict[str, int] = {}  # noqa: RUF012 - msgspec makes one for each value
    """The part of ``dropped`` of which neither URL nor page was recorded: it may be among that."""
    robots_txt: RobotsTxt | None = None
    """What the robots.txt of its host says about it; None if the crawl has not fetched that."""
    queue: str = ""
    """The address of the queue in Redis, if the URL may wait there and crawl.db does not know it."""

    @property
    def known(self) -> bool:
        return bool(self.entries or self.named)


def explain(catalog: Catalog, asked: str, *, agent: str = "image-crawler") -> Explanation:
    """What became of *asked*: a URL, a path on the seed's host or of a saved file. *agent*: our name in robots.txt."""
    with catalog.snapshot():
        explanation = _explained(catalog, asked)
        if canonical(explanation.url) is None:
            return explanation
        return msgspec.structs.replace(
            explanation, robots_txt=robots_txt(catalog, explanation.url, agent=agent)
        )


def _explained(catalog: Catalog, asked: str) -> Explanation:
    seeds = catalog.seeds()
    url = canonical(asked)
    if url is None:
        if (as_file := _as_file(catalog, asked)) is not None:
            return as_file
        url = next((found for seed in seeds if (found := resolve(asked, seed))), asked)
    kept_out = left_out.of_url(catalog, url)
    dropped = dict(catalog.rows("SELECT reason, count FROM dropped"))
    fragment = asked.partition("#")[2]
    route = f"{url}#{fragment}" if fragment.startswith(("/", "!")) else ""  # of a script, maybe
    entries = list(_entries(catalog, route, TaskKind.RENDER)) if route else []
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
        urls = until_one_was_there(catalog, taken)
        entries = [entry for each in urls for entry in _entries(catalog, each, TaskKind.IMAGE)]
        return Explanation(asked=asked, url=url, how="size", rule=rule, entries=tuple(entries))
    by_its_name = _by_name(catalog, asked) if canonical(asked) is None else None
    return by_its_name or Explanation(
        asked=asked,
        url=url,
        how="url",
        similar=similar_urls(catalog, url),
        queue=queue_elsewhere(catalog),
        dropped=dropped,
        unlisted=left_out.unlisted(catalog),
    )


def _as_file(catalog: Catalog, asked: str) -> Explanation | None:
    """The file at the path *asked*, or several of that name: one of these may lie where the seed does."""
    source = _source(catalog, _path_within(catalog.folder, asked))
    if source is not None:
        return Explanation(asked=asked, url=source, how="file", entries=tuple(_entries(catalog, source)))
    named = _by_name(catalog, asked, (Likeness.EXACT,)) if "/" not in asked else None
    return named if named is not None and named.named else None


def _by_name(catalog: Catalog, asked: str, likenesses: Iterable[Likeness] = Likeness) -> Explanation | None:
    """The one that is called *asked*, or those that are; None if nothing is."""
    if (found := by_name(catalog, asked, likenesses)) is None:
        return None
    likeness, named, count = found
    urls = list(dict.fromkeys(one.url for one in named))
    if len(urls) > 1:
        return Explanation(asked=asked, url=asked, how="name", rule=likeness, named=named, named_count=count)
    entries = tuple(entry for url in urls for entry in _entries(catalog, url))
    return Explanation(asked=asked, url=urls[0], how="name", rule=likeness, entries=entries)


def _source(catalog: Catalog, path: str) -> str | None:
    """The URL from which the file at *path* was saved; None if no record names it."""
    for record in catalog.where(ImageRecord, "path = ?", path):
        return record.url
    for (url,) in catalog.rows("SELECT url FROM image_history WHERE path = ? ORDER BY seq DESC", (path,)):
        return str(url)
    return None


def _entries(catalog: Catalog, url: str, *kinds: TaskKind) -> Iterator[UrlReport]:
    """The tasks of *url*, of these *kinds* or of any."""
    for kind in kinds or (TaskKind.IMAGE, TaskKind.PAGE, TaskKind.RENDER):
        if (entry := _entry(catalog, kind, url)) is not None:
            yield entry


def _is_leased(catalog: Catalog, task_id: int) -> bool:
    if "leases" in catalog.missing_tables:  # the row of the task says so itself
        return False
    return bool(catalog.value(f"SELECT EXISTS (SELECT 1 FROM {LEASED} WHERE tasks.id = ?)", (task_id,)))  # noqa: S608


def _entry(catalog: Catalog, kind: TaskKind, url: str) -> UrlReport | None:
    key = task_key(kind, url)
    row = next(
        catalog.rows("SELECT id, url, state, depth, attempts, origin FROM tasks WHERE key = ?", (key,)), None
    )
    if row is None:
        return None
    task_id, url, state, depth, attempts, packed = row  # the URL may have had another session id
    if _is_leased(catalog, task_id):
        state, attempts = TaskState.LEASED, attempts + 1
    image = next(catalog.where(ImageRecord, catalog.of_task, task_id), None)
    page = next(catalog.where(PageRecord, catalog.of_task, task_id), None)
    render = next(catalog.where(RenderRecord, catalog.of_task, task_id), None)
    origin = _origin(kind, packed, image or page or render)
    others: tuple[str, ...] = ()
    others_count = 0
    if kind is TaskKind.IMAGE:
        first = origin.page_url if origin else ""
        others, others_count = other_pages(catalog, key, first, most=MAX_ALIASES)
    entry = UrlReport(
        url=url,
        kind=kind,
        state=state,
        depth=depth,
        attempts=attempts,
        found_in=origin.found_in if origin else "",
        origin=origin,
        chain=_chain(catalog, origin.page_url) if origin else (),
        other_pages=others,
        other_pages_count=others_count,
        image=image,
        page=page,
        render=render,
    )
    if image is None or not image.path:
        return entry
    same_bytes, count = _same_bytes(catalog, image)
    return msgspec.structs.replace(
        entry,
        earlier=tuple(version(before) for before in catalog.history(image.url)),
        file_exists=os.path.isfile(catalog.folder / on_disk(image.path)),  # noqa: PTH113 - of any name
        kept_in=_kept_in(catalog, image),
        same_bytes=same_bytes,
        same_bytes_count=count,
    )


def _origin(kind: TaskKind, packed: bytes | None, record: Record | None) -> Origin | None:
    """The origin of a task: in its row until it is settled, in its record from then on."""
    if packed is not None:
        origin = origin_in(packed)
        return None if origin is None else msgspec.structs.replace(origin, content=b"")
    if record is None or not (record.page_url or record.found_in):
        return None
    return origin_of(record, kind)


def _kept_in(catalog: Catalog, image: ImageRecord) -> str:
    keeper = keeper_of(image.kept_by, image.worker)
    return "" if Expected(catalog).here(keeper) else f"{keeper.machine}:{keeper.folder}"


def _chain(catalog: Catalog, page_url: str) -> tuple[FoundVia, ...]:
    """The pages from the seed to *page_url*; it begins later if a page on the way is not known."""
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
        return _origin(TaskKind.PAGE, packed, next(catalog.where(PageRecord, catalog.of_task, task_id), None))
    if "#" in url and (entry := _entry(catalog, TaskKind.RENDER, url)):  # a route, which only a script knows
        return entry.origin
    # what was found on a page after a redirect names the page by where it ended up
    return _origin(TaskKind.PAGE, None, next(catalog.where(PageRecord, "final_url = ?", url), None))


def _same_bytes(catalog: Catalog, image: ImageRecord) -> tuple[tuple[str, ...], int]:
    condition = "FROM images WHERE sha256 = ? AND url != ?"
    values = (image.sha256, image.url)
    urls = catalog.rows(f"SELECT url {condition} ORDER BY seq LIMIT {MAX_ALIASES}", values)
    return tuple(url for (url,) in urls), catalog.value(f"SELECT count(*) {condition}", values)


def _path_within(folder: Path, asked: str) -> str:
    """*asked* as a path in records; it may be relative to the working directory or the folder, or absolute."""
    if "\0" in asked:
        return asked
    for plain in (os.path.normpath, os.path.realpath):  # a folder may be a link, and ".." stand in either
        root = plain(folder.absolute())
        for base in (Path.cwd(), folder.absolute()):
            try:
                inside = Path(plain(base / asked)).relative_to(root)
            except ValueError:
                continue
            return from_disk(inside.as_posix())
    return asked

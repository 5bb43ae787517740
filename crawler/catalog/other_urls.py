"""For a URL that was not taken: the sizes of its picture that were, and why; and known URLs that look like it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from heapq import nlargest
from math import inf
from urllib.parse import unquote, urlsplit

import msgspec

from crawler.catalog.database import Catalog
from crawler.crawlfile.schema import origin_in
from crawler.models import Alternative, ImageRecord, TaskKind
from crawler.sizes import size_of
from crawler.urls import canonical, host_key, task_key

MAX_SUGGESTIONS = 5
_MAX_CANDIDATES = 2000


def taken_instead(catalog: Catalog, url: str) -> Iterator[tuple[str, str]]:
    """The URLs that were preferred to *url*, another size of the picture; and why, by their pages or marks in URLs."""
    quoted = msgspec.json.encode(url).decode()
    for record in catalog.where(ImageRecord, "alternatives != '' AND instr(alternatives, ?) > 0", quoted):
        yield from _preferred(record.url, record.alternatives, url)
    packed = (
        "SELECT url, origin FROM tasks WHERE kind = 'image' AND origin IS NOT NULL AND instr(origin, ?) > 0"
    )
    for taken, origin in catalog.rows(packed, (url.encode(),)):
        if (found := origin_in(origin)) is not None:
            yield from _preferred(taken, found.alternatives, url)
    yield from ((taken, "smaller") for taken in _larger_by_url(catalog, url))


def _larger_by_url(catalog: Catalog, url: str) -> list[str]:
    """Known sizes of the picture of *url* that are as large by the marks in their URLs, saved ones first."""
    size = size_of(url)
    if size.px == inf:
        return []
    picture = task_key(TaskKind.IMAGE, size.picture)
    found = catalog.rows(
        f"SELECT t.url FROM tasks t LEFT JOIN images i ON {catalog.joined('i', 't')}"  # noqa: S608 - our own names
        " WHERE (t.picture = ?1 OR t.key = ?1) AND coalesce(t.px, ?2) >= ?3"
        " ORDER BY coalesce(i.path, '') = '', coalesce(t.px, ?2) DESC",
        (picture, inf, size.px),
    )
    return [taken for (taken,) in found]


def _preferred(taken: str, others: Iterable[Alternative], url: str) -> Iterator[tuple[str, str]]:
    return ((taken, other.rule) for other in others if other.url == url)


def until_one_was_there(catalog: Catalog, url: str) -> Iterator[str]:
    """*url*, then the size that was tried in its place, and so on."""
    seen: set[str] = set()
    while url and url not in seen:
        seen.add(url)
        yield url
        url = next((record.replaced_by for record in catalog.where(ImageRecord, "url = ?", url)), "")


def similar_urls(catalog: Catalog, url: str) -> tuple[str, ...]:
    """Up to MAX_SUGGESTIONS known URLs, the most alike first; the names of files count as well."""
    parts = urlsplit(url)
    name = parts.path.rstrip("/").rpartition("/")[2] or parts.path
    stem = name.rpartition(".")[0] or name
    needles = [needle for needle in dict.fromkeys((name, unquote(name), stem)) if len(needle) > 1]
    candidates: dict[str, None] = {}
    for needle in needles:
        _add_urls(catalog, candidates, "instr(lower(url), lower(?)) > 0", needle)
    if canonical(url) is not None:
        _add_urls(catalog, candidates, "substr(url, 1, ?1) = ?2", len(host_key(url)), host_key(url))
    # the name of a file, which may be another than its URL has
    files: dict[str, None] = {}
    condition = "lower(substr(path, -length(?1) - 1)) = '/' || lower(?1)"
    _add_urls(catalog, files, condition, unquote(name), table="images")
    candidates.update(files)
    matcher = SequenceMatcher(b=url, autojunk=False)
    wanted = unquote(name).lower()

    def likeness(candidate: str) -> float:
        if wanted and (candidate in files or wanted == _name(candidate)):
            return 1.0  # a file of just that name: more than any likeness
        matcher.set_seq1(candidate)
        return matcher.ratio() if matcher.quick_ratio() > 0.5 else 0.0  # noqa: PLR2004 - half of it is alike

    best = nlargest(MAX_SUGGESTIONS, ((likeness(candidate), candidate) for candidate in candidates))
    return tuple(candidate for ratio, candidate in best if ratio > 0.5)  # noqa: PLR2004


def _name(url: str) -> str:
    """The last part of its path."""
    return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]).lower()


def _add_urls(
    catalog: Catalog, candidates: dict[str, None], condition: str, *values: object, table: str = "tasks"
) -> None:
    sql = f"SELECT DISTINCT url FROM {table} WHERE {condition} LIMIT {_MAX_CANDIDATES}"  # noqa: S608
    candidates.update((url, None) for (url,) in catalog.rows(sql, values))

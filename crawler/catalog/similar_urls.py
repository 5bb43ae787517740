"""Known URLs that look like one that is not known."""

from __future__ import annotations

from difflib import SequenceMatcher
from heapq import nlargest
from urllib.parse import unquote, urlsplit

from crawler.catalog.database import Catalog
from crawler.urls import canonical, host_key

MAX_SUGGESTIONS = 5
_MAX_CANDIDATES = 2000


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

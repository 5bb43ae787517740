"""Images and pages by the name of a file, or the last part of a URL: as people see it in a folder or an address bar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from urllib.parse import quote

from crawler.catalog.database import Catalog
from crawler.crawlfile.columns import sane_size
from crawler.models import TaskKind, Value

MAX_NAMED = 100
_LEAST_PART = 3
"""Characters that have to be the same where not all are."""
_MOST_CHARS = 1000


class Likeness(StrEnum):
    """How the name that was asked for agrees with one that there is."""

    EXACT = "exact"
    CASE = "case"
    """But for capital letters."""
    BEGINNING = "beginning"
    """It begins so: the ending was left out, or what tells two files of one name apart."""
    PART = "part"
    """It has that in it."""


class Named(Value):
    """One that has the name, with what tells it from others."""

    url: str
    kind: TaskKind
    status: str
    """Of its record; empty for one that is still to be done."""
    reason: str = ""
    path: str = ""
    size_bytes: int = 0
    width_px: int = 0
    height_px: int = 0
    page_url: str = ""


def by_name(
    catalog: Catalog, name: str, likenesses: Iterable[Likeness] = Likeness
) -> tuple[Likeness, tuple[Named, ...], int] | None:
    """Up to MAX_NAMED that have *name*, or a path or URL that ends with it, saved ones first, and how many there are.

    By the first of *likenesses* by which there is one; None if there is none.
    """
    name = name.strip().removeprefix("./").lstrip("/")
    if not name or len(name) > _MOST_CHARS or "\0" in name:
        return None
    encoded = quote(name, safe="/%:=&~!$'()*+,;@")
    for likeness in likenesses:
        tasks = dict.fromkeys(
            [*_of_files(catalog, name, likeness), *_of_urls(catalog, {name, encoded}, likeness)]
        )
        if tasks:
            found = sorted(
                (one for task in list(tasks)[:MAX_NAMED] for one in _named(catalog, task)),
                key=lambda one: (not one.path, one.path, one.url),
            )
            return likeness, tuple(found), len(tasks)
    return None


def _of_files(catalog: Catalog, name: str, likeness: Likeness) -> Iterator[int]:
    """The tasks of files that are called so."""
    for table in ("images", "image_history"):
        if table not in catalog.missing_tables:
            condition, values = _condition("path", name, likeness)
            sql = f"SELECT task_id, path FROM {table} WHERE path != '' AND {condition} ORDER BY seq"  # noqa: S608
            for task, path in catalog.rows(sql, values):
                if _is_called(str(path), name, likeness):
                    yield task


def _of_urls(catalog: Catalog, names: set[str], likeness: Likeness) -> Iterator[int]:
    """The tasks of URLs of which that is the last part, whatever their query is."""
    without_query = "CASE instr(url, '?') WHEN 0 THEN url ELSE substr(url, 1, instr(url, '?') - 1) END"
    for name in sorted(names):
        conditions, values = zip(
            *(_condition(column, name, likeness) for column in ("url", f"({without_query})")), strict=True
        )
        sql = (
            f"SELECT id, url FROM tasks WHERE substr(url, 1, 5) != 'data:' AND ({' OR '.join(conditions)})"  # noqa: S608
            " ORDER BY id"
        )
        for task, url in catalog.rows(sql, [value for each in values for value in each]):
            whole = str(url)
            if any(_is_called(text, name, likeness) for text in (whole, whole.partition("?")[0])):
                yield task


def _condition(column: str, name: str, likeness: Likeness) -> tuple[str, tuple[str | int, ...]]:
    """An SQL condition that holds for every *column* that is called *name*, and maybe for others; and its values."""
    if likeness is Likeness.EXACT:
        return f"substr({column}, -?) = ?", (len(name) + 1, f"/{name}")
    if likeness is Likeness.CASE:
        return f"lower(substr({column}, -?)) = lower(?)", (len(name) + 1, f"/{name}")
    if len(name.rpartition("/")[2]) < _LEAST_PART:
        return "FALSE", ()
    return f"instr(lower({column}), lower(?)) > 0", (f"/{name}" if likeness is Likeness.BEGINNING else name,)


def _is_called(text: str, name: str, likeness: Likeness) -> bool:
    """Whether the last part of *text*, a path or URL, is like *name*; that may have folders before it."""
    if likeness in {Likeness.EXACT, Likeness.CASE}:  # which SQL has decided
        return True
    folders = "/".join(["", *text.split("/")[-1 - name.count("/") :]]).lower()
    return f"/{name.lower()}" in folders if likeness is Likeness.BEGINNING else name.lower() in folders[1:]


def _named(catalog: Catalog, task: int) -> Iterator[Named]:
    row = next(catalog.rows("SELECT url, kind FROM tasks WHERE id = ?", (task,)), None)
    if row is None:
        return
    url, kind = str(row[0]), TaskKind(row[1])
    if kind is not TaskKind.IMAGE:
        table = f"{kind}s"
        record = None
        if table not in catalog.missing_tables:
            sql = f"SELECT status, reason, page_url FROM {table} WHERE {catalog.of_task}"  # noqa: S608 - our own names
            record = next(catalog.rows(sql, (task,)), None)
        status, reason, page_url = map(str, record or ("", "", ""))
        yield Named(url=url, kind=kind, status=status, reason=reason, page_url=page_url)
        return
    sql = (
        f"SELECT status, reason, page_url, path, {sane_size('size_bytes')}, width_px, height_px FROM images"  # noqa: S608
        f" WHERE {catalog.of_task}"
    )
    record = next(catalog.rows(sql, (task,)), None)
    if record is None:
        yield Named(url=url, kind=kind, status="")
        return
    status, reason, page_url, path, size_bytes, width_px, height_px = record
    yield Named(
        url=url,
        kind=kind,
        status=str(status),
        reason=str(reason),
        page_url=str(page_url),
        path=str(path),
        size_bytes=size_bytes,
        width_px=width_px,
        height_px=height_px,
    )

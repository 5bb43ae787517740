"""Lists before a crawl starts: checked, spooled to files if they come by a pipe, and their pages made seeds."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crawler.errors import ListError, SeedError, UsageError
from crawler.lists import USUAL, Bad, Columns, ListFile, PagesRead, Row
from crawler.lists.rows import entries
from crawler.logs.events import LIST_LINE, LIST_LINES, tell
from crawler.seeds import Seed, seed_of
from crawler.text.plain_errors import plain

log = logging.getLogger(__name__)

STANDARD_INPUT = "-"
MAX_PAGES = 10_000
MAX_PAGES_CHARS = 2**20
"""Characters of all seeds together: every worker gets them in one message."""
_LOOKED_AT = 10_000
_NAMED = 20
"""Bad lines that are logged one by one; of the others every thousandth is."""
_NAMED_EACH = 1000
_KEPT = 1000

Images = Iterable[str | Mapping[str, str]]
"""URLs, or mappings as a line of JSON has them: ``{"url": …, "caption": …, "page_url": …}``."""


class ListComplaints:
    """Logs some of a list's bad entries with their places, and how many there are."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._entries = self.lines = 0
        self.places: list[str] = []
        """Some of the bad entries, as ``FILE, line 3: why``."""

    def tell(self, bad: Bad) -> None:
        self._entries += 1
        self.lines += bad.lines
        if len(self.places) < _KEPT:
            self.places.append(f"{self._name}, line {bad.line}: {bad.why}")
        if self._entries <= _NAMED or self._entries % _NAMED_EACH == 0:
            tell(log, LIST_LINE, list=self._name, line=bad.line, why=bad.why)

    def tell_all(self) -> None:
        if self._entries > _NAMED:
            tell(log, LIST_LINES, list=self._name, lines=self.lines)


def check(found: ListFile) -> None:
    """Raise ListError unless one of the first entries may be good, and the columns are there."""
    first: Bad | None = None
    with opened(found) as rows:
        for count, row in enumerate(rows):
            if isinstance(row, Row) or count >= _LOOKED_AT:
                return
            first = first or row
    name = shown(found)
    raise ListError(
        f"the list {name} names no URL" + (f": line {first.line}: {first.why}" if first is not None else "")
    )


@contextmanager
def opened(found: ListFile) -> Iterator[Iterator[Row | Bad]]:
    """The entries of a list. Raises ListError for a file that can't be opened."""
    try:
        stream = found.path.open("rb")
    except OSError as exc:
        raise ListError(f"can't read the list {shown(found)}: {plain(exc)}") from exc
    with stream:
        yield entries(stream, name=shown(found), columns=found.columns)


def shown(found: ListFile) -> str:
    return "on standard input" if found.name == STANDARD_INPUT else found.path.name


def mark(found: ListFile, *decides: object) -> str:
    """A digest of the list's state and of what *decides* over its entries; empty for a list from a pipe."""
    if found.name == STANDARD_INPUT:
        return ""
    there = found.path.stat()
    told = repr((there.st_size, there.st_mtime_ns, found.columns, *decides))
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


def pages_of(found: ListFile) -> tuple[list[Seed], PagesRead]:
    """The pages that a list names, as seeds. Raises ListError if there are none, or too many."""
    seeds: dict[Seed, None] = {}
    complaints, chars = ListComplaints(shown(found)), 0
    with opened(found) as rows:
        for row in rows:
            if isinstance(row, Bad):
                complaints.tell(row)
                continue
            try:
                seed = seed_of(row.url)
            except SeedError as exc:
                complaints.tell(Bad(line=row.line, why=str(exc)))
                continue
            chars += len(seed.urls[0]) * (seed not in seeds)
            seeds[seed] = None
            if len(seeds) > MAX_PAGES or chars > MAX_PAGES_CHARS:
                raise ListError(
                    f"the list {shown(found)} names more than {MAX_PAGES:,} pages, or longer URLs than one crawl"
                    " begins with: split it into several crawls; if they are images, say --image-list"
                )
    complaints.tell_all()
    if not seeds:
        raise ListError(f"the list {shown(found)} names no page")
    return list(seeds), PagesRead(
        name=found.name, mark=mark(found, "pages"), bad_lines=complaints.lines, bad=tuple(complaints.places)
    )


@dataclass(frozen=True, kw_only=True)
class ListRequest:
    """The lists that a user or a program names. The path ``-`` is standard input."""

    pages: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    columns: Columns = USUAL
    listed: Images | None = None
    """Images that a program names."""

    def __bool__(self) -> bool:
        return bool(self.pages or self.images or self.listed is not None)


@dataclass(frozen=True, kw_only=True)
class Files:
    """The lists of a ListRequest, as files."""

    pages: tuple[ListFile, ...] = ()
    images: tuple[ListFile, ...] = ()


NO_FILES = Files()


@contextmanager
def gathered(asked: ListRequest) -> Iterator[Files]:
    """The lists of a request as files; those from a pipe or a program are spooled, until the context is left.

    Raises ListError for files that can't be read, or whose first lines name no URL; UsageError.
    """
    if [*asked.pages, *asked.images].count(Path(STANDARD_INPUT)) > 1:
        raise UsageError("standard input can be one list, and '-' is given several times")
    with ExitStack() as stack:

        def file(path: Path) -> ListFile:
            if str(path) == STANDARD_INPUT or _is_pipe(path):  # a pipe can be read once
                return stack.enter_context(spooled(path, columns=asked.columns))
            return ListFile(path=path, name=str(path.absolute()), columns=asked.columns)

        pages = tuple(map(file, dict.fromkeys(asked.pages)))
        images = [file(path) for path in dict.fromkeys(asked.images)]
        if asked.listed is not None:
            images.append(stack.enter_context(spooled(asked.listed, columns=asked.columns)))
        for found in (*pages, *images):
            check(found)
        yield Files(pages=pages, images=tuple(images))


def _is_pipe(path: Path) -> bool:
    """Whether *path* exists, and is neither a file nor a folder: <(zcat list.gz), /dev/stdin, a FIFO."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def spooled(source: Images | Path, *, columns: Columns) -> Iterator[ListFile]:
    """A list from a pipe (``-`` is standard input), or from a program, as a temporary file.

    Raises ListError for a pipe that can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="image-crawler-") as folder:
        path = Path(folder, "list")
        with path.open("wb") as file:
            if source == Path(STANDARD_INPUT):
                shutil.copyfileobj(sys.stdin.buffer, file)
            elif isinstance(source, Path):
                try:
                    with source.open("rb") as pipe:
                        shutil.copyfileobj(pipe, file)
                except OSError as exc:
                    raise ListError(f"can't read the list {source}: {plain(exc)}") from exc
            else:
                for item in source:
                    row = {"url": item} if isinstance(item, str) else dict(item)
                    file.write(msgspec.json.encode(row) + b"\n")
        yield ListFile(path=path, name=STANDARD_INPUT, columns=columns)

"""Lists of URLs that somebody has: files, as text, CSV or JSON lines, of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

FOUND_IN = "list"
"""Of images that a list names, as ``found_in`` of their records."""


Report = Callable[[str], None]
"""Is told how far a list is read."""


def nobody(text: str) -> None:
    """Who does not want to know."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table are called, or their numbers from 1 on; an empty one is guessed by usual names."""

    url: str = ""
    caption: str = ""
    page: str = ""


USUAL = Columns()


@dataclass(frozen=True, kw_only=True)
class ListFile:
    """A list to be read."""

    path: Path
    name: str
    """As people know it; the same list is the same name."""
    columns: Columns = USUAL


@dataclass(frozen=True, kw_only=True)
class PagesRead:
    """A list whose pages are among the seeds."""

    name: str
    mark: str
    """Of what it was like, with what decides over it; empty if it is to be read each time."""
    bad_lines: int = 0
    bad: tuple[str, ...] = ()
    """Some of them: where, and why."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a run of a crawl is given beside its seeds."""

    images: tuple[ListFile, ...] = ()
    """Lists of images, to be taken on."""
    pages: tuple[PagesRead, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Each list's, once."""
        lists: Iterable[ListFile | PagesRead] = (*self.pages, *self.images)
        return tuple(dict.fromkeys(each.name for each in lists))

    def __bool__(self) -> bool:
        return bool(self.images or self.pages)


NOTHING = Given()


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What one entry of a list says."""

    line: int
    """Where it begins, from 1 on."""
    url: str
    """As it is written."""
    caption: str = ""
    page: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bad:
    """An entry that says nothing."""

    line: int
    why: str
    lines: int = 1
    """So many are lost by it."""

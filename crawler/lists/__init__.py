"""Lists of URLs that a crawl is given: files of text, CSV or JSON lines, of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

FOUND_IN = "list"
"""``found_in`` in the records of images that a list names."""
Report = Callable[[str], None]
"""A function that is told how far a list has been read."""


def nobody(text: str) -> None:
    """A Report that is ignored."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names, or numbers from 1 on, of the columns of a table; an empty one is guessed by its usual names."""

    url: str = ""
    caption: str = ""
    page: str = ""


USUAL = Columns()


@dataclass(frozen=True, kw_only=True)
class ListFile:
    """A list to be read."""

    path: Path
    name: str
    """The list's name for people; the same list has the same name in each run."""
    columns: Columns = USUAL


@dataclass(frozen=True, kw_only=True)
class PagesRead:
    """A list whose pages are among the seeds."""

    name: str
    mark: str
    """A digest of the file's state and of the settings that matter; empty if the list is to be read each time."""
    bad_lines: int = 0
    bad: tuple[str, ...] = ()
    """Some of the bad lines: where, and why."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The lists that a run of a crawl is given beside its seeds."""

    images: tuple[ListFile, ...] = ()
    """Lists of images to download."""
    pages: tuple[PagesRead, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all lists, each once."""
        lists: Iterable[ListFile | PagesRead] = (*self.pages, *self.images)
        return tuple(dict.fromkeys(each.name for each in lists))

    def __bool__(self) -> bool:
        return bool(self.images or self.pages)


NOTHING = Given()


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A good entry of a list."""

    line: int
    """The line that the entry begins on, from 1 on."""
    url: str
    """The URL as it is written there."""
    caption: str = ""
    page: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bad:
    """A bad entry of a list."""

    line: int
    why: str
    lines: int = 1
    """How many lines are lost by it."""

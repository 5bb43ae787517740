"""Lists of URLs that somebody has: files, as text, CSV or JSON lines, of any length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOUND_IN = "list"
"""Of images that a list names, as ``found_in`` of their records."""


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

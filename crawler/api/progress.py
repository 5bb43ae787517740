"""A crawl's progress for programs: in the output of a notebook's cell, or on stderr."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import Any

from crawler.models import ImageStatus, Stats
from crawler.text.display import size

_LINE_EVERY_S = 10.0


class Progress:
    """Shows a crawl's progress, in a notebook in one cell's output, else on stderr; called with each Stats."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._said = float("-inf")
        self._width = 0
        """Width of the line that the next one replaces, in characters."""
        self._cell: Any = None

    def __call__(self, stats: Stats) -> None:
        """Show the line: each time where it replaces the one before, else every 10 s, and at the end."""
        text = self.line(stats)
        if (display := _display()) is not None:
            told = _Told(text)
            if self._cell is None:
                self._cell = display(told, display_id=True)
            else:
                self._cell.update(told)
        elif sys.stderr is not None and sys.stderr.isatty():
            sys.stderr.write(f"\r{text:<{self._width}}" + ("\n" if stats.drained else ""))
            sys.stderr.flush()
            self._width = len(text)
        elif sys.stderr is not None and (stats.drained or time.monotonic() - self._said >= _LINE_EVERY_S):
            self._said = time.monotonic()
            sys.stderr.write(text + "\n")

    def line(self, stats: Stats) -> str:
        """``17 of 115 images (16 saved), 12 of 30 pages, 3.2 MiB in 9 s``."""
        settled = stats.images.done + stats.images.dead
        saved = stats.image_status.get(ImageStatus.SAVED, 0)
        pages = stats.pages.done + stats.pages.dead
        return (
            f"{settled:,} of {stats.images.discovered:,} images ({saved:,} saved),"
            f" {pages:,} of {stats.pages.discovered:,} pages, {size(stats.saved_bytes)}"
            f" in {time.monotonic() - self._begun:.0f} s"
        )


class _Told:
    """One line, as text and as HTML."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._text)}</p>"


def _display() -> Any:
    """IPython's display function in a notebook, which has imported it; None elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return sys.modules["IPython.display"].display

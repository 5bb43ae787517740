"""What goes to stdout for machines, and the consoles that people look at.

Whatever is written to a terminal is cleaned on its way, by the stream (:mod:`crawler.shown`) or by the console: no
command has to think of it. Lines are another matter: a text that must not bring lines of its own goes through
:func:`one_line`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import IO, Any

import click
import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from crawler import shown
from crawler.readable import plain
from crawler.shown import one_line as clean

_PIPED_WIDTH = 10_000

__all__ = ["Screen", "clean", "is_terminal", "live", "write_json"]


def write_json(value: object) -> None:
    """*value* as one line of JSON, with every field of the structs in it, also those at their defaults.

    What could drive a terminal is escaped, wherever it goes: often it is shown in the end.
    """
    click.echo(shown.escaped(msgspec.json.encode(plain(value))))


def is_terminal() -> bool:
    """Whether a person reads stdout, rather than a file or a program."""
    return sys.stdout.isatty()


class Screen(Console):
    """For *file*. In a pipe nothing is wrapped or cut off.

    The only kind of console that there may be: what is text is cleaned before it is laid out, and again when it is
    drawn; no text is markup; and there are no links, whose targets are not to be seen. So all that a terminal is told
    to do comes from our own styles.
    """

    def __init__(self, file: IO[str]) -> None:
        below = shown.below(file)
        width = None if below.isatty() else _PIPED_WIDTH
        super().__init__(file=below, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown.clean(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything that is printed comes by here, but for what moves the cursor."""
        if isinstance(renderable, Text) and not shown.is_clean(renderable.plain):
            renderable = renderable.copy()
            renderable.plain = shown.clean(renderable.plain)
        for segment in super().render(renderable, options):
            yield segment if segment.control else _clean_segment(segment)


def _clean_segment(segment: Segment) -> Segment:
    style = segment.style
    if style is not None and style.link:
        style = style.update_link(None)
    elif shown.is_clean(segment.text):
        return segment
    return Segment(shown.clean(segment.text), style)


@contextmanager
def live(console: Console) -> Iterator[Live]:
    """A picture that is drawn again and again; what is said on stderr meanwhile, of the same terminal, is above it."""

    def above(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    # not rich's own redirection: it has colours and links of whoever writes to stderr
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as picture:
        if not sys.stderr.isatty():
            yield picture
            return
        lines = shown.Lines(above)
        with redirect_stderr(lines):
            try:
                yield picture
            finally:
                lines.finish()

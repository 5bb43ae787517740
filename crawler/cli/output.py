"""JSON on stdout for machines, and consoles for people.

Text to a terminal is cleaned by the stream (:mod:`crawler.text.display`) or by the console: commands need not do it.
A text that must not contain line breaks goes through :func:`one_line`.
"""

from __future__ import annotations

import math
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from pathlib import Path
from typing import IO, Any

import click
import msgspec
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.style import Style
from rich.text import Text

from crawler.cli.exit_signals import uninterrupted
from crawler.cli.terminal import Terminal
from crawler.models.readable import plain
from crawler.text import display
from crawler.text.display import one_line as clean

_PIPED_WIDTH = 10_000
_GATHERED_S = 0.1
_WITHOUT_LINKS = frozenset({"", "dumb", "linux", "vt100", "vt220"})
_HOST_NAME = re.compile(r"[A-Za-z0-9.-]{1,255}")

__all__ = ["Screen", "clean", "is_one_terminal", "is_terminal", "link_to", "live", "write_json"]


def write_json(value: object) -> None:
    """Write *value* as one line of JSON, with all fields of its structs, also those at their defaults.

    Control characters are always escaped: the line often ends up in a terminal.
    """
    said = plain(value)
    try:
        data = msgspec.json.encode(said)
    except UnicodeEncodeError:  # names of files that are no text to Python: without a locale, any but ASCII
        data = msgspec.json.encode(_as_text(said))
    click.echo(display.escaped(data))


def _as_text(value: Any) -> Any:
    """*value* with bytes of file names (PEP 383) decoded as UTF-8, which they nearly always are."""
    if isinstance(value, str):
        try:
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        except UnicodeEncodeError:  # a half of a character, which stands for no byte
            return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_as_text(key): _as_text(one) for key, one in value.items()}
    return [_as_text(one) for one in value] if isinstance(value, list | tuple) else value


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()


def is_one_terminal() -> bool:
    """Whether stdout and stderr are the same terminal: what one says need not be said by the other."""
    try:
        return is_terminal() and sys.stderr.isatty() and _device(sys.stdout) == _device(sys.stderr)
    except (OSError, ValueError):  # of a program that has put something else in their place
        return False


def _device(stream: IO[str]) -> int:
    return os.fstat(stream.fileno()).st_rdev


class Screen(Console):
    """The console for *file*. In a pipe nothing is wrapped or cut off.

    It is the only kind of console here. Text is cleaned before it is laid out, and again when it is drawn. No text is
    markup. Links have invisible targets: only ``link_to`` makes them, to files of this machine. So all control
    sequences come from our own styles.
    """

    def __init__(self, file: IO[str]) -> None:
        below = display.below(file)
        width = None if below.isatty() else _PIPED_WIDTH
        super().__init__(file=below, width=width, highlight=False, markup=False, emoji=False)
        self.own_links: set[str] = set()

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(display.clean(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All output passes here, except cursor movements."""
        if isinstance(renderable, Text) and not display.is_clean(renderable.plain):
            renderable = renderable.copy()
            renderable.plain = display.clean(renderable.plain)
        for segment in super().render(renderable, options):
            yield segment if segment.control else _clean_segment(segment, self.own_links)


def link_to(out: Console, path: Path) -> Text:
    """*path* as a link where the terminal knows links (OSC 8)."""
    text = Text(clean(str(path)))
    if not isinstance(out, Screen) or not out.is_terminal or os.environ.get("TERM", "") in _WITHOUT_LINKS:
        return text
    # with the host's name: by it a terminal knows that a path is another machine's, as in ssh
    host = platform.node() if _HOST_NAME.fullmatch(platform.node()) else ""
    uri = path.absolute().as_uri().replace("file://", f"file://{host}", 1)
    out.own_links.add(uri)
    text.stylize(Style(link=uri))
    return text


def _clean_segment(segment: Segment, own_links: Container[str]) -> Segment:
    style = segment.style
    if style is not None and style.link and style.link not in own_links:
        style = style.update_link(None)
    elif display.is_clean(segment.text):
        return segment
    return Segment(display.clean(segment.text), style)


def _terminal_of(
    console: Console, *, keys: bool, screen: bool, forget: Callable[[], None]
) -> Terminal | None:
    """The terminal that *console* writes to; None if it is none. Its keys come from stdin, if that is the same."""
    try:
        fd = console.file.fileno()
        if not os.isatty(fd):
            return None
        keys = keys and sys.stdin.isatty() and _device(sys.stdin) == os.fstat(fd).st_rdev
    except (OSError, ValueError, AttributeError):
        return None
    return Terminal(fd, keys=keys, screen=screen, forget=forget)


class Picture(Live):
    """A live display that leaves nothing behind when its window changes its size.

    On a narrower one the terminal breaks long rows into several, which rich does not know of and would not remove. Some
    may have scrolled away, out of reach: how many is each terminal's own affair. Many bring them back on a larger
    window, which is therefore cleared.
    """

    _widths: tuple[int, ...] = ()
    _lost_at: tuple[int, int] | None = None
    """Columns and rows of the window when rows may have been lost; None if all were removed."""

    _is_forgotten = False

    def __init__(self, above: _Above, *, keys: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self._above = above
        self.terminal = _terminal_of(self.console, keys=keys, screen=self._screen, forget=self.forget)

    def forget(self) -> None:
        """Draw the next picture below what the terminal shows by now."""
        self._is_forgotten, self._widths, self._lost_at = True, (), None

    @property
    def _is_in_sight(self) -> bool:
        return self.terminal is None or self.terminal.is_ours()

    def update(self, renderable: RenderableType, *, refresh: bool = False) -> None:
        self._above.flush()
        super().update(renderable, refresh=refresh)

    def refresh(self) -> None:
        # Ctrl-C amid a picture of fewer rows than the one before: rich counts those that were never written
        with uninterrupted():
            if self._is_in_sight:
                super().refresh()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        if not self._is_in_sight:
            return renderables
        drawn = super().process_renderables(renderables)
        if self._alt_screen:
            return drawn
        if self._is_forgotten:
            self._is_forgotten, drawn[0] = False, Control()
            return drawn
        width, height = (max(1, side) for side in self.console.size)
        broken = sum((row - 1) // width for row in self._widths if row > width)
        if self._lost_at is not None and (width > self._lost_at[0] or height > self._lost_at[1]):
            self._lost_at = None
            drawn[0] = Control(ControlType.HOME, ControlType.CLEAR)
            return drawn
        if broken or len(self._widths) > height:
            self._lost_at = (width, height)
        up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * broken
        drawn.insert(1, Control(*up))
        return drawn

    def stop(self) -> None:
        # there is nothing to remove, and rich would return the carriage
        if not any(self._widths) or not self._is_in_sight:
            self.transient = False
        super().stop()

    def get_renderable(self) -> RenderableType:
        return _Measured(super().get_renderable(), self._measure, 0 if self._alt_screen else len("^C"))

    def _measure(self, widths: tuple[int, ...]) -> None:
        self._widths = widths


class _Measured:
    """*drawn*, which reports the widths of its rows each time, and leaves so many columns *free*.

    A terminal echoes ^C wherever the cursor is by then, often at the end of a row that is being written: a full row
    would become two, and the first of the panel was left above "stopping:", one time in six on 44 columns.
    """

    def __init__(self, drawn: RenderableType, tell: Callable[[tuple[int, ...]], None], free: int) -> None:
        self._drawn, self._tell, self._free = drawn, tell, free

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = options.update(max_width=max(1, options.max_width - self._free))
        lines = list(map(_without_blank_end, console.render_lines(self._drawn, inner, pad=False)))
        # what does not fit is not drawn
        self._tell(tuple(Segment.get_line_length(line) for line in lines[: options.size.height]))
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line


def _without_blank_end(line: list[Segment]) -> list[Segment]:
    """*line* without blanks at its end: on a narrower window they would be rows of their own."""
    kept = list(line)
    while kept and not kept[-1].text.rstrip(" ") and not (kept[-1].style and kept[-1].style.bgcolor):
        kept.pop()
    return kept


class _Above:
    """Prints lines above the live display, which that redraws: several together, as ``-v`` has hundreds in a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._held: list[str] = []
        self._drawn = -math.inf

    def say(self, line: str) -> None:
        self._held.append(line)
        if time.monotonic() - self._drawn >= _GATHERED_S:
            self.flush()

    def flush(self) -> None:
        held, self._held = self._held, []
        if held:
            with uninterrupted():
                self._console.print(Text("\n".join(held)), soft_wrap=True)
            self._drawn = time.monotonic()


@contextmanager
def live(
    console: Console,
    *,
    transient: bool = False,
    say: Callable[[str], None] | None = None,
    screen: bool = False,
    keys: bool = False,
) -> Iterator[Picture]:
    """A live display on *console*. Messages on stderr, of the same terminal, appear above it, or go to *say*.

    A *transient* display is removed in the end. With *screen* it has the whole terminal, which is restored in the end.
    With *keys* its terminal can be asked for keys.
    """
    # not rich's own redirection: it has colours and links of whoever writes to stderr
    above = _Above(console)
    with (
        Picture(
            above,
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=transient,
            screen=screen,
            keys=keys,
        ) as picture,
        picture.terminal.held() if picture.terminal else nullcontext(),
    ):
        if not sys.stderr.isatty():
            yield picture
            return
        lines = display.CleanLines(say or above.say)
        with redirect_stderr(lines):
            try:
                yield picture
            finally:
                lines.finish()
                above.flush()

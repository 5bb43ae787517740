"""Foreign text for people: nothing in it can control a terminal, or deceive its reader.

Pages, servers, files and machines send any text. ESC starts a control sequence, as do the C1 controls in some
terminals; bidirectional controls reorder what is read. Streams to people therefore let none of these through: see
:class:`CleanStream`. Only the consoles of ``cli.output`` write control sequences, to the stream below.

A stream takes every text: characters that its encoding lacks (cp1252 in a pipe on Windows, ASCII without a locale) are
replaced, see :data:`STAND_INS`.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # bidirectional controls, of UAX #9, and older ones
    "\u2028\u2029"  # ends of lines and paragraphs
    "\ud800-\udfff"  # halves of characters, which no encoding has; so are bytes of file names that are no text
    "]"
)

STAND_INS = {
    "●": "*",
    "…": "~",
    "·": ".",
    "→": ">",
    "\u00d7": "x",  # times
    "≈": "~",
    **dict(zip("▁▂▃▄▅▆▇", "_.:-=+#", strict=True)),  # bars, from low to high
    "\u00a0": " ",
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u201c\u201d", '"'),
    **dict.fromkeys("\u2013\u2014─━╌╍╴╶╸╺═", "-"),  # dashes, and lines of tables
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰╞╡╪╔╗╚╝╠╣╦╩╬", "+"),
}
"""Replacements of our own signs where the encoding lacks them. They have the same width: tables are laid out before."""
_ON_TERMINALS, _IN_FILES = "image-crawler-terminal", "image-crawler-file"
_LEFT_ALONE = frozenset({"ignore", "replace", "xmlcharrefreplace", "namereplace"})
"""Error handlers that the user has chosen (PYTHONIOENCODING); all others are Python's choice."""
_BYTES_OF_NAMES = range(0xDC80, 0xDD00)
"""Bytes of file names that are no text, as Python holds them (PEP 383)."""


def _for_terminal(problem: UnicodeError) -> tuple[str | bytes, int]:
    """A replacement as wide as the character, so that tables keep their shape."""
    assert isinstance(problem, UnicodeEncodeError)
    lacking = problem.object[problem.start : problem.end]
    return "".join(STAND_INS.get(char) or "?" * _columns(char) for char in lacking), problem.end


def _for_file(problem: UnicodeError) -> tuple[str | bytes, int]:
    """A replacement that loses nothing: bytes of file names stay, other characters are written by number."""
    assert isinstance(problem, UnicodeEncodeError)
    char = problem.object[problem.start]
    if ord(char) in _BYTES_OF_NAMES:
        return bytes([ord(char) - 0xDC00]), problem.start + 1
    stand_in = "..." if char == "…" else STAND_INS.get(char)
    return stand_in or char.encode("ascii", "backslashreplace").decode(), problem.start + 1


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


codecs.register_error(_ON_TERMINALS, _for_terminal)
codecs.register_error(_IN_FILES, _for_file)
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def clean(text: str) -> str:
    """*text* with a blank in place of each control character. Its length and its lines stay the same."""
    return _UNSAFE.sub(" ", text)


def is_clean(text: str) -> bool:
    return _UNSAFE.search(text) is None


def one_line(text: str) -> str:
    """*text* on one line, without invisible characters: it can't pass for a line of our own."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def size(size_bytes: int) -> str:
    """``532 bytes``, ``1.4 MiB``."""
    value, unit = float(size_bytes), 0
    while value >= 1023.95 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - what rounds to 1,024.0
        value, unit = value / 1024, unit + 1
    return f"{size_bytes} {_UNITS[0]}" if unit == 0 else f"{value:,.1f} {_UNITS[unit]}"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 image``, ``2,000 images``; *many* where the plural takes more than an s: ``2 pages wait``."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def escaped(json: bytes) -> bytes:
    """The same JSON document, with control characters escaped."""
    if json.isascii() and b"\x7f" not in json:  # JSON has no others as they are
        return json
    return _UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04x}", json.decode()).encode()


class CleanStream(io.TextIOBase):
    """The stream *below* for foreign text: all text and bytes go through :func:`clean`."""

    def __init__(self, below: TextIO) -> None:
        self.below = below
        self.buffer = _CleanBytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.below.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.below.errors

    def write(self, text: str) -> int:
        self.below.write(clean(text))
        return len(text)

    def flush(self) -> None:
        self.below.flush()

    def close(self) -> None:
        """It is not ours."""
        self.flush()

    def isatty(self) -> bool:
        return self.below.isatty()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if sys.platform == "win32" and self.isatty():  # click would write to the console by itself
            raise io.UnsupportedOperation("fileno")
        return self.below.fileno()


class _CleanBytes(io.RawIOBase):
    """The same for bytes, as UTF-8."""

    def __init__(self, above: CleanStream) -> None:
        self._above = above
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._above.write(self._decoder.decode(bytes(data)))
        return len(data)

    def flush(self) -> None:
        self._above.flush()

    def close(self) -> None:
        """It is not ours."""
        self.flush()

    def writable(self) -> bool:
        return True


class CleanLines(io.TextIOBase):
    """A stream that passes each whole line to *show*, cleaned."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._show(clean(line))
        return len(text)

    def finish(self) -> None:
        """Show the last line, if it has no end."""
        if self._begun:
            self.write("\n")

    def writable(self) -> bool:
        return True


def clean_the_streams() -> None:
    """Clean stderr from now on, and stdout if it is a terminal; in files and pipes stdout is data, byte for byte.

    Both then take any text.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and getattr(stream, "errors", None) not in _LEFT_ALONE:
            _set_errors(stream, _ON_TERMINALS if stream.isatty() else _IN_FILES)
    if sys.stderr is not None:  # as it is in a program without a console
        sys.stderr = _cleaned(sys.stderr)
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout = _cleaned(sys.stdout)


@contextmanager
def clean_streams() -> Iterator[None]:
    """As :func:`clean_the_streams`, within the block."""
    before = sys.stdout, sys.stderr
    errors = [getattr(stream, "errors", None) for stream in before]
    clean_the_streams()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream, handler in zip(before, errors, strict=True):
            _set_errors(stream, handler)


def _set_errors(stream: object, errors: str | None) -> None:
    if isinstance(stream, io.TextIOWrapper) and errors and errors != stream.errors:
        stream.reconfigure(errors=errors)


def below(stream: object) -> TextIO:
    """The stream below *stream*, for writing control sequences."""
    return cast("TextIO", stream.below if isinstance(stream, CleanStream) else stream)


def _cleaned(stream: object) -> TextIO:
    clean = isinstance(stream, CleanStream | CleanLines)
    return cast("TextIO", stream if clean else CleanStream(cast("TextIO", stream)))

"""What is shown to people: text of others, from which nothing can drive a terminal, or deceive its reader.

Pages, servers, files and machines say what they like: ESC begins what a terminal obeys, and so does each of C1 in some;
bidirectional controls have a text read otherwise than it is. So streams to people let none of it through, whoever
writes to them: see :class:`CleanStream`. Whoever has sequences of its own to say writes to what lies below, and sees
to the text between them itself; only the consoles of ``cli.output`` do.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
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


_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def clean(text: str) -> str:
    """*text* with a blank for each character that could drive a terminal; of the same length, and with its lines."""
    return _UNSAFE.sub(" ", text)


def is_clean(text: str) -> bool:
    return _UNSAFE.search(text) is None


def one_line(text: str) -> str:
    """*text* on one line, without anything that is not to be seen: nor can it pass for a line of our own."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def size(size_bytes: int) -> str:
    """``532 bytes``, ``1.4 MiB``."""
    value, unit = float(size_bytes), 0
    while value >= 1023.95 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - what rounds to 1,024.0
        value, unit = value / 1024, unit + 1
    return f"{size_bytes} {_UNITS[0]}" if unit == 0 else f"{value:,.1f} {_UNITS[unit]}"


def escaped(json: bytes) -> bytes:
    """The same JSON document, in which what could drive a terminal is written by its number."""
    if json.isascii() and b"\x7f" not in json:  # JSON has no others as they are
        return json
    return _UNSAFE.sub(lambda char: f"\\u{ord(char[0]):04x}", json.decode()).encode()


class CleanStream(io.TextIOBase):
    """What *below* is, for text of anybody: every character goes through :func:`clean`. Bytes, too."""

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
    """For bytes, which are text in UTF-8."""

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


class Lines(io.TextIOBase):
    """A stream that has each whole line shown by *show*, clean."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._begun = ""

    def write(self, text: str) -> int:
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._show(clean(line))
        return len(text)

    def finish(self) -> None:
        """Show what has no end of its own."""
        if self._begun:
            self.write("\n")

    def writable(self) -> bool:
        return True


def clean_the_streams() -> None:
    """From now on, stderr is clean, and stdout where it is a terminal; in files and pipes it is data, byte for byte."""
    if sys.stderr is not None:  # as it is in a program without a console
        sys.stderr = _cleaned(sys.stderr)
    if sys.stdout is not None and sys.stdout.isatty():
        sys.stdout = _cleaned(sys.stdout)


@contextmanager
def clean_streams() -> Iterator[None]:
    """The same, until the block ends."""
    before = sys.stdout, sys.stderr
    clean_the_streams()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def below(stream: object) -> TextIO:
    """Where *stream* leads to, for who has sequences of its own to say."""
    return cast("TextIO", stream.below if isinstance(stream, CleanStream) else stream)


def _cleaned(stream: object) -> TextIO:
    clean = isinstance(stream, CleanStream | Lines)
    return cast("TextIO", stream if clean else CleanStream(cast("TextIO", stream)))

"""From bytes to numbered lines, a few at a time: UTF-8, or UTF-16 with its mark; LF, CRLF or CR; gzip or not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from crawler.errors import ListError

MAX_LINE_CHARS = 2**18
"""Longest line, with its captions and data; a longer one is skipped without being held in memory."""
_STEP_BYTES = 2**16
_HEAD_BYTES = 4
_GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Line = tuple[int, str | None]
"""Number of a line, from 1 on, and its text without the line end; None for a line that is too long."""


def lines(stream: BinaryIO, *, name: str) -> Iterator[Line]:
    """The lines of *stream*; at most two reads and one line are in memory.

    A *stream* in gzip has to be seekable. Bytes that the encoding lacks come as lone surrogates, or as U+FFFD. Raises
    ListError, with *name*, for a stream that can't be read, or unpacked, to its end.
    """
    kept: list[str] = []
    number, length, is_long = 1, 0, False
    for text in _texts(stream, name):
        *whole, rest = text.split("\n")
        for part in whole:
            is_long = is_long or length + len(part) > MAX_LINE_CHARS
            yield number, None if is_long else "".join([*kept, part])
            number, kept, length, is_long = number + 1, [], 0, False
        length += len(rest)
        is_long = is_long or length > MAX_LINE_CHARS
        kept = [] if is_long else [*kept, rest] if rest else kept
    if is_long or kept:
        yield number, None if is_long else "".join(kept)


def _texts(stream: BinaryIO, name: str) -> Iterator[str]:
    """Pieces of the text, with LF for each line end."""
    try:
        head = _read(stream)
        if head.startswith(_GZIP):
            stream.seek(0)
            stream = gzip.GzipFile(fileobj=stream)  # type: ignore[assignment]
            head = _read(stream)
        encoding = next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")
        errors = "replace" if encoding == "utf-16" else "surrogateescape"
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=True)
        while head:
            yield decoder.decode(head)
            head = stream.read(_STEP_BYTES)
        yield decoder.decode(b"", final=True)
    except (OSError, EOFError, zlib.error) as exc:
        told = exc.strerror if isinstance(exc, OSError) and exc.strerror else "it is damaged, or cut off"
        raise ListError(f"can't read the list {name} to its end: {told}") from exc


def _read(stream: BinaryIO) -> bytes:
    """The first bytes, which may come one by one."""
    head = b""
    while len(head) < _HEAD_BYTES and (more := stream.read(_HEAD_BYTES - len(head))):
        head += more
    return head

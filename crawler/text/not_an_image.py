"""Names what came in place of an image, for people: a web page, a PDF, a film. Pure.

Source of the signatures: WHATWG MIME Sniffing, and each format's own paper.
"""

from __future__ import annotations

import re

from crawler.text.plain_errors import quoted

_HEAD_BYTES = 4096
_SAMPLE_BYTES = 512
_SHOWN_CHARS = 60
_WEB_PAGE = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|meta|!--)[\s>/]",
    re.IGNORECASE,
)
_TAG = re.compile(rb"<[a-zA-Z!/?]")
_TITLE = re.compile(rb"<title[^>]{0,100}>([^<]{1,300})", re.IGNORECASE)
_SIGNATURES: tuple[tuple[bytes | tuple[bytes, ...], str], ...] = (
    (b"%PDF-", "a PDF document"),
    (b"{\\rtf", "a text document (RTF)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (b"PK\x03\x04", "a ZIP archive, or a document that is one"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x1a\x45\xdf\xa3", "a film (WebM or Matroska)"),
    (b"FLV\x01", "a film (Flash)"),
    ((b"CWS", b"FWS"), "a Flash animation"),
    ((b"\0\0\x01\xba", b"\0\0\x01\xb3"), "a film (MPEG)"),
    (b"#EXTM3U", "a playlist of a film or of music"),
    (b"OggS", "music or a film (Ogg)"),
    ((b"ID3", b"\xff\xfb", b"\xff\xf3"), "music (MP3)"),
    (b"\xff\xf1", "music (AAC)"),
    (b"fLaC", "music (FLAC)"),
    (b"MThd", "music (MIDI)"),
    (b"SQLite format 3\0", "a database (SQLite)"),
    (b"MZ", "a program for Windows"),
    (b"\x7fELF", "a program for Linux"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"\0asm", "a program (WebAssembly)"),
    (b"-----BEGIN ", "a certificate or a key"),
    (b"data:image/", "a data: URL as text"),
    (b"version https://git-lfs", "the stand-in of a file that is kept by Git LFS"),
)
_RIFF = {b"AVI ": "a film (AVI)", b"WAVE": "sound (WAV)"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_OF_TEXT = frozenset((*b"\t\n\f\r", 27))  # escape: encodings of Japanese have it
_FIRST_PRINTABLE = 0x20
_LEAST_CONTROLS = 20
"""Text has fewer control characters than one in this many."""
_LEAST_TEXT = 0.95
_LEAST_JSON = re.compile(rb'[\[{]\s*(?:["\[{\]}]|-?\d|true|false|null)')


def what_it_is(data: bytes) -> str:
    """A noun with its article for *data*, which is no image. Never raises."""
    head = data[:_HEAD_BYTES].lstrip(b"\xef\xbb\xbf")
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] in {b"ftyp", b"moov", b"mdat", b"wide"}:
        return "a film (MP4)"
    if data[257:262] == b"ustar":
        return "a tar archive"
    if not data.strip(b"\0"):
        return "nothing but zeros"
    return _of_text(head.lstrip()) if _is_text(head) else "of no kind that is known here"


def is_markup(data: bytes) -> bool:
    """Whether *data*, in any encoding, may contain a tag. Binary data may contain one by chance."""
    text = data.replace(b"\0", b"") if data.startswith(_UTF_16) else data
    sample = text[:_SAMPLE_BYTES]
    controls = sum(byte < _FIRST_PRINTABLE and byte not in _OF_TEXT for byte in sample)
    return controls * _LEAST_CONTROLS <= len(sample) and _TAG.search(text) is not None


def _of_text(head: bytes) -> str:
    if not head:
        return "nothing but white space"
    if _WEB_PAGE.match(head) or (head.startswith(b"<") and b"<html" in head.lower()):
        title = _TITLE.search(head)
        said = " ".join(title[1].decode("utf-8", "replace").split()) if title else ""
        return f"a web page, {quoted(said, _SHOWN_CHARS)}" if said else "a web page"
    if head.startswith(b"<?php"):
        return "a program (PHP), which the server should have run"
    if head.startswith(b"<"):
        return "an XML document"
    if _LEAST_JSON.match(head):
        return f"data (JSON): {quoted(head, _SHOWN_CHARS)}"
    return f"a text: {quoted(head, _SHOWN_CHARS)}"


def _is_text(head: bytes) -> bool:
    sample = head[:_SAMPLE_BYTES]
    if b"\0" in sample:
        return False
    try:
        text = sample.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.start < len(sample) - 4:
            return False
        text = sample[: exc.start].decode("utf-8")
    readable = sum(char.isprintable() or char.isspace() for char in text)
    return readable >= _LEAST_TEXT * len(text)

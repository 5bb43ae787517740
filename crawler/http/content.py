"""Reads the content of an answer: decompressed, whole or cut, within a limit of bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from crawler.errors import TooLarge, TruncatedTransfer
from crawler.http.content_encoding import decoder_for

_CHUNK_BYTES = 256 * 1024
_WORTHLESS_IN_PART = re.compile(
    r"\s*(?:video|audio|font)/|\s*application/(?:pdf|zip|octet-stream|[\w.-]*(?:compressed|archive|installer|package))",
    re.IGNORECASE,
)


class Raw(Protocol):
    """The body of an answer as it was sent, without its chunks."""

    def read(self, amt: int, *, decode_content: bool) -> bytes: ...


def is_worthless_in_part(headers: Mapping[str, str]) -> bool:
    """Whether an answer is of a type of which a part is of no use."""
    return _WORTHLESS_IN_PART.match(headers.get("content-type", "")) is not None


def content_of(raw: Raw, headers: Mapping[str, str], max_bytes: int, *, cut: bool) -> tuple[bytes, bool]:
    """The whole content, decompressed, or with *cut* its first *max_bytes*; and whether it was cut.

    Memory is bounded by *max_bytes* and a piece, whatever is sent. Raises TooLarge, TruncatedTransfer, BadResponse, and
    what *raw* raises.
    """
    declared = headers.get("content-length", "").partition(",")[0].strip()
    expected = int(declared) if declared.isascii() and declared.isdigit() else None
    if "transfer-encoding" in headers:
        expected = None
    if expected is not None and expected > max_bytes and not cut:
        raise TooLarge(f"the server announces {expected} bytes; the limit is {max_bytes}")
    decoder = decoder_for(headers.get("content-encoding", ""), max_bytes=max_bytes)
    pieces: list[bytes] = []
    received = size = 0
    while data := raw.read(_CHUNK_BYTES, decode_content=False):
        received += len(data)
        for piece in decoder.decode(data):
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes and cut:
                return b"".join(pieces)[:max_bytes], True
            if size > max_bytes:
                raise TooLarge(f"the content is larger than the limit of {max_bytes} bytes")
        if received > (2 * max_bytes if cut else max_bytes):
            raise TooLarge(f"the compressed content is larger than the limit of {max_bytes} bytes")
    if expected is not None and received < expected:
        raise TruncatedTransfer(f"the connection ended after {received} of {expected} bytes")
    if received:
        decoder.finish()
    return b"".join(pieces), False

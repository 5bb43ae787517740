"""Decompresses files that are gzip files themselves, whatever their transfer encoding: ``sitemap.xml.gz``."""

from __future__ import annotations

import zlib
from collections import Counter

MAGIC = b"\x1f\x8b"
_STEP_BYTES = 4096
_MAX_MEMBERS = 10_000
_MAX_LAYERS = 3
"""Layers of gzip: a compressed file that its server compresses again, and one more."""


def gunzipped(content: bytes, *, max_bytes: int, left_out: Counter[str], what: str) -> bytes:
    """*content* without gzip (RFC 1952), as far as it can be decompressed: several members, one layer in another.

    At most *max_bytes*; a larger file counts ``WHAT-cut`` in *left_out*. A file that ends early or is broken yields all
    before that point, and counts ``WHAT-broken``. Never raises.
    """
    for _ in range(_MAX_LAYERS):
        if not content.startswith(MAGIC):
            break
        content, flaw = _undone(content, max_bytes)
        if flaw:
            left_out[f"{what}-{flaw}"] += 1
    return content


def _undone(content: bytes, max_bytes: int) -> tuple[bytes, str]:
    """The contents of one layer, and its flaw, if any. Bytes after the last member are padding."""
    found = bytearray()
    position = 0
    for _ in range(_MAX_MEMBERS):
        if not content.startswith(MAGIC, position):
            return bytes(found), ""
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not stream.eof:
            step = content[position : position + _STEP_BYTES]
            position += len(step)
            before = stream.copy()
            try:
                found += stream.decompress(step, max_bytes + 1 - len(found))
            except zlib.error:
                return bytes(found + _up_to_the_fault(before, step))[:max_bytes], "broken"
            if len(found) > max_bytes:
                return bytes(found[:max_bytes]), "cut"
            if not step:
                return bytes(found), "broken"
        position -= len(stream.unused_data)
    return bytes(found), "cut"


def _up_to_the_fault(stream: zlib._Decompress, step: bytes) -> bytes:
    """The bytes that zlib makes of *step* before its error: within one call it withholds them."""
    found = bytearray()
    try:
        for byte in step:
            found += stream.decompress(bytes((byte,)))
    except zlib.error:
        pass
    return bytes(found)

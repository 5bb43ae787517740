"""Files that are compressed as such, whatever their transfer says of it: ``sitemap.xml.gz``."""

from __future__ import annotations

import zlib
from collections import Counter

MAGIC = b"\x1f\x8b"
_STEP_BYTES = 4096
_MAX_MEMBERS = 10_000
_MAX_LAYERS = 3
"""A file that was compressed once more by its server; one layer more than has been seen."""


def gunzipped(content: bytes, *, max_bytes: int, left_out: Counter[str], what: str) -> bytes:
    """What gzip made *content* of (RFC 1952), as far as it can be undone: several members, one layer in another.

    Of what is larger than *max_bytes* that much, and ``WHAT-cut`` is counted in *left_out*; of what ends early or is
    broken all before that, and ``WHAT-broken``. Never raises.
    """
    for _ in range(_MAX_LAYERS):
        if not content.startswith(MAGIC):
            break
        content, flaw = _undone(content, max_bytes)
        if flaw:
            left_out[f"{what}-{flaw}"] += 1
    return content


def _undone(content: bytes, max_bytes: int) -> tuple[bytes, str]:
    """One layer, and what was wrong with it, if anything. What follows the last member is padding."""
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
    """What zlib makes of *step* before it gives up: it keeps to itself what it has made of the bytes of one call."""
    found = bytearray()
    try:
        for byte in step:
            found += stream.decompress(bytes((byte,)))
    except zlib.error:
        pass
    return bytes(found)

"""Content-Encoding: what comes out is bounded, the same however it is cut; and packed content comes back."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator

import brotli

from crawler.errors import BadResponse, TooLarge, TruncatedTransfer
from crawler.http.content_encoding import decoder_for
from tests.fuzz.drawn import Drawn

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BYTES = 2**20
_PIECE_BYTES = 2**20
"""What one piece has at most: brotli keeps to its limit but roughly."""
_CODINGS = (
    "gzip",
    "deflate",
    "br",
    "zstd",
    "gzip, br",
    "br, gzip",
    "deflate, zstd",
    "identity",
    "none, gzip",
    "",
)
_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: _deflated(data, 16 + zlib.MAX_WBITS),
    "deflate": lambda data: _deflated(data, -zlib.MAX_WBITS),
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstd.compress,
}


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    header = drawn.one_of(_CODINGS)
    cut = 1 + drawn.byte()
    sent = drawn.rest()
    whole = outcome(header, (sent,))
    pieces = outcome(header, (sent[at : at + cut] for at in range(0, len(sent), cut)))
    if isinstance(whole, bytes):
        assert pieces == whole, "it depends on how the network cuts it"
    else:
        assert not isinstance(pieces, bytes), "what is broken as a whole is broken in pieces"
    try:
        decoder_for(sent[:200].decode("latin-1"), max_bytes=MAX_BYTES)
    except BadResponse as exc:
        assert str(exc)
    content = sent[:2000]
    for coding, pack in _PACKERS.items():
        assert outcome(coding, (pack(content),)) == content


def outcome(header: str, sent: Iterator[bytes] | tuple[bytes, ...]) -> bytes | type[Exception]:
    decoder = decoder_for(header, max_bytes=MAX_BYTES)
    content = bytearray()
    try:
        for data in sent:
            for piece in decoder.decode(data):
                assert len(piece) <= max(_PIECE_BYTES, len(data))
                content += piece
                if len(content) > MAX_BYTES:
                    return TooLarge  # as the session does
        decoder.finish()
    except (BadResponse, TruncatedTransfer, TooLarge) as exc:
        return type(exc)
    return bytes(content)


def _deflated(data: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(1, wbits=wbits)
    return packer.compress(data) + packer.flush()

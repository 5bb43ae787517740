"""Undoing Content-Encoding in bounded steps, so that no bomb is unpacked whole (RFC 9110 section 8.4)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from crawler.errors import BadResponse, TruncatedTransfer

ACCEPT_ENCODING = "gzip, deflate"
_STEP_BYTES = 256 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_REFUSED = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz"})


class Decoder(Protocol):
    def decode(self, data: bytes) -> Iterator[bytes]:
        """What *data* adds to the content, in pieces of bounded size. Raises BadResponse."""
        ...

    def finish(self) -> None:
        """Raises TruncatedTransfer when the encoded data is not at its end."""
        ...


def decoder_for(content_encoding: str) -> Decoder:
    """The decoder for a Content-Encoding header; ``""`` is none.

    Raises BadResponse for codings that exist and were not asked for. Words that are no coding at all
    (``utf-8``, ``none``, ``binary`` are seen) mean nothing, as in browsers.
    """
    codings = [coding for part in content_encoding.lower().split(",") if (coding := part.strip())]
    if refused := _REFUSED.intersection(codings):
        raise BadResponse(
            f"the server sent the content encoding {min(refused)!r}; asked for was {ACCEPT_ENCODING}"
        )
    known = [coding for coding in codings if coding in {"gzip", "x-gzip", "deflate"}]
    if len(known) > 1:
        raise BadResponse(f"the server encoded the content {len(known)} times: {content_encoding!r}")
    if not known:
        return Identity()
    return Inflate(gzip=known[0] != "deflate")


class Identity:
    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class Inflate:
    """gzip (RFC 1952, also of several members), or deflate with its zlib wrapper or, as some servers have it,
    without.
    """

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._started = False
        self._zlib: Any = zlib.decompressobj(16 + zlib.MAX_WBITS if gzip else zlib.MAX_WBITS)

    def decode(self, data: bytes) -> Iterator[bytes]:
        more = bool(data)
        while more:
            piece = self._step(data)
            if piece:
                yield piece
            data = self._zlib.unconsumed_tail
            # zlib may have taken all the input and still hold output back: a full piece means "ask again"
            more = bool(data) or len(piece) == _STEP_BYTES
            if self._zlib.eof:
                data = self._zlib.unused_data
                if not (self._gzip and data.startswith(_GZIP_MAGIC)):
                    return  # what follows the end is padding
                self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
                more = True

    def _step(self, data: bytes) -> bytes:
        try:
            piece: bytes = self._zlib.decompress(data, _STEP_BYTES)
        except zlib.error as exc:
            if self._gzip or self._started:
                raise BadResponse(f"the server's compressed content is broken: {exc}") from exc
            self._started = True
            self._zlib = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._step(data)
        self._started = True
        return piece

    def finish(self) -> None:
        if not self._zlib.eof:
            raise TruncatedTransfer("the compressed content ends early")

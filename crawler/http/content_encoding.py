"""The content of an answer within a limit of bytes, decoded in bounded steps against bombs (RFC 9110, section 8.4)."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import brotli  # type: ignore[import-untyped]

from crawler.errors import BadResponse, TooLarge, TruncatedTransfer
from crawler.text.plain_errors import quoted

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
_STEP_BYTES = 256 * 1024
_REFUSED = frozenset({"compress", "x-compress", "dcb", "dcz"})
_LAYERS = 2
_MAX_MEMBERS = 10_000
"""The most streams in one body. A stream of few bytes costs much time; block gzip of 64 MiB has 1,000 of them."""
_WINDOW_LOG = 23
"""A window of 8 MiB, which every decoder has to support and no encoder may exceed (RFC 9659, section 3)."""
_GZIP_MAGICS: tuple[bytes, ...] = (b"\x1f\x8b",)
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16)))
"""Magic numbers of a frame, and of skippable frames (RFC 8878, section 3.1)."""
_FRAME_HEADER_BYTES = 18
"""The longest frame header of zstd, with its magic number."""
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

    Memory is bounded by *max_bytes* and a piece. Raises TooLarge, TruncatedTransfer, BadResponse, and what *raw* does.
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


class ContentDecoder(Protocol):
    def decode(self, data: bytes) -> Iterator[bytes]:
        """The content that *data* adds, in pieces of bounded size. Raises BadResponse."""
        ...

    def finish(self) -> None:
        """Raise TruncatedTransfer when the encoded data is not at its end."""
        ...


def decoder_for(content_encoding: str, *, max_bytes: int) -> ContentDecoder:
    """The decoder for a Content-Encoding header, which may be empty.

    Words that are no coding (``utf-8``, ``none``, ``binary`` occur) are ignored, as in browsers. *max_bytes* bounds the
    data between two codings; callers bound the content itself. Raises BadResponse for codings that exist and were not
    accepted, and for more than two.
    """
    if not content_encoding:
        return Identity()
    codings = [coding for part in content_encoding.lower().split(",") if (coding := part.strip())]
    if refused := _REFUSED.intersection(codings):
        raise BadResponse(
            f"the server sent the content encoding {min(refused)}; asked for was {ACCEPT_ENCODING}"
        )
    known = [coding for coding in codings if coding in _DECODERS]
    if len(known) > _LAYERS:
        raise BadResponse(
            f"the server encoded the content {len(known)} times: {quoted(content_encoding[:100])}"
        )
    if not known:
        return Identity()
    # they are listed in the order in which they were applied
    decoders = [_DECODERS[coding]() for coding in reversed(known)]
    return decoders[0] if len(decoders) == 1 else Twice(*decoders, max_bytes=max_bytes)


class Identity:
    def decode(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        pass


class Twice:
    """Two codings, one around the other."""

    def __init__(self, outer: ContentDecoder, inner: ContentDecoder, *, max_bytes: int) -> None:
        self._outer = outer
        self._inner = inner
        self._max_bytes = max_bytes
        self._between_bytes = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in self._outer.decode(data):
            self._between_bytes += len(piece)
            if self._between_bytes > self._max_bytes:
                raise TooLarge(f"the compressed content is larger than the limit of {self._max_bytes} bytes")
            yield from self._inner.decode(piece)

    def finish(self) -> None:
        self._outer.finish()
        self._inner.finish()


class _Members:
    """A coding of several streams in a row; bytes after the last one are padding."""

    _magics: tuple[bytes, ...]

    def __init__(self) -> None:
        self._stream: Any = self._new()
        self._members = 1
        self._rest: bytes | None = None
        """The bytes after the end of a stream, while they are too few to tell what they begin; None before an end."""
        self._padding = False

    def _new(self) -> Any:
        raise NotImplementedError

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """The content of *data*, at most to the end of the stream."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Iterator[bytes]:
        while not self._padding and data:
            if self._rest is not None:
                data, self._rest = self._rest + data, None
                if not self._goes_on(data):
                    return
            yield from self._pieces(data)
            if not self._stream.eof:
                return
            data, self._rest = self._stream.unused_data, b""

    def _goes_on(self, data: bytes) -> bool:
        """Start the next stream if *data* begins one; whether it does."""
        if any(data.startswith(magic) for magic in self._magics):
            self._members += 1
            if self._members > _MAX_MEMBERS:
                raise BadResponse(f"the compressed content is in more than {_MAX_MEMBERS} parts")
            self._stream = self._new()
            return True
        if any(magic.startswith(data) for magic in self._magics):
            self._rest = data
        else:
            self._padding = True
        return False

    def finish(self) -> None:
        if not self._stream.eof:
            raise TruncatedTransfer("the compressed content ends early")


class Gzip(_Members):
    """gzip, which may have several members (RFC 1952)."""

    _magics: tuple[bytes, ...] = _GZIP_MAGICS

    def _new(self) -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        more = True
        while more:
            try:
                piece = self._stream.decompress(data, _STEP_BYTES)
            except zlib.error as exc:
                raise _broken() from exc
            if piece:
                yield piece
            data = self._stream.unconsumed_tail
            # zlib may have taken all the input and still hold output back: a full piece means "ask again"
            more = not self._stream.eof and (bool(data) or len(piece) == _STEP_BYTES)


class Deflate(Gzip):
    """deflate with its zlib wrapper or, from some servers, without."""

    _magics = ()

    def __init__(self) -> None:
        super().__init__()
        self._start = b""

    def _new(self) -> Any:
        return zlib.decompressobj()

    def decode(self, data: bytes) -> Iterator[bytes]:
        if len(self._start) < 2:  # noqa: PLR2004 - the wrapper's header (RFC 1950, section 2.2)
            data, self._start = self._start + data, self._start + data[:2]
            if len(self._start) < 2:  # noqa: PLR2004
                return
            method, check = data[0], data[1]
            if method & 0x0F != zlib.DEFLATED or (method * 256 + check) % 31:
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        yield from super().decode(data)


class Zstd(_Members):
    """zstd, which may have several frames (RFC 8878), with windows up to 8 MiB."""

    _magics = _ZSTD_MAGICS

    def _new(self) -> Any:
        self._head = b""
        self._frame_bytes = 0
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if not self._head:
            # the first byte alone: libzstd reads a frame that comes in one go in another way, with other limits
            self._head = data[:1]
            yield from self._made_of(data[:1])
            data = data[1:]
        self._head += data[: _FRAME_HEADER_BYTES - len(self._head)]
        yield from self._made_of(data)
        if self._stream.eof:
            self._check_size()

    def _made_of(self, data: bytes) -> Iterator[bytes]:
        more = True
        while more:
            try:
                piece = self._stream.decompress(data, _STEP_BYTES)
            except zstd.ZstdError as exc:
                raise _broken() from exc
            self._frame_bytes += len(piece)
            if piece:
                yield piece
            data = b""
            more = not (self._stream.eof or self._stream.needs_input)

    def _check_size(self) -> None:
        """Check that a frame has the size it declares: libzstd does not when the last block is empty."""
        if self._head.startswith(_ZSTD_MAGICS[0]):
            told = zstd.get_frame_info(self._head).decompressed_size
            if told is not None and told != self._frame_bytes:
                raise BadResponse(f"a zstd frame has {self._frame_bytes} bytes, and says that it has {told}")


class Brotli:
    """br (RFC 7932): one stream with nothing after it."""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()

    def decode(self, data: bytes) -> Iterator[bytes]:
        more = bool(data)
        while more:
            try:
                piece = self._stream.process(data, output_buffer_limit=_STEP_BYTES)
            except brotli.error as exc:
                raise _broken() from exc
            if piece:
                yield piece
            data = b""
            # the decoder may have taken all input and still hold output back, as zlib does
            more = not self._stream.can_accept_more_data() or len(piece) >= _STEP_BYTES

    def finish(self) -> None:
        if not self._stream.is_finished():
            raise TruncatedTransfer("the compressed content ends early")


def _broken() -> BadResponse:
    return BadResponse("the server's compressed content is broken")


_DECODERS: dict[str, Callable[[], ContentDecoder]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}

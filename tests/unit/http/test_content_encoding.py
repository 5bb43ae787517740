from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import BadResponse, TooLarge, TruncatedTransfer
from crawler.http.content_encoding import ACCEPT_ENCODING, decoder_for
from tests.support.cpu_time import cpu_below

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 2**20


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "": bytes,
    "utf-8": bytes,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data)),
    "zstd, utf-8, deflate": lambda data: zlib.compress(zstd.compress(data)),
}
CODINGS = [coding.strip() for coding in ACCEPT_ENCODING.split(",")]


def decoded(coding: str, *pieces: bytes, max_bytes: int = 100 * MIB) -> bytes:
    decoder = decoder_for(coding, max_bytes=max_bytes)
    content = b"".join(part for piece in pieces for part in decoder.decode(piece))
    decoder.finish()
    return content


@pytest.mark.parametrize("coding", PACKERS)
@given(data=st.binary(max_size=2000), cut=st.integers(2, 50))
def test_what_was_packed_comes_out_however_it_is_cut(coding: str, data: bytes, cut: int) -> None:
    packed = PACKERS[coding](data)
    assert decoded(coding, packed) == data
    assert decoded(coding, *(packed[start : start + cut] for start in range(0, len(packed), cut))) == data


@given(st.binary(max_size=2000))
def test_deflate_without_its_wrapper(data: bytes) -> None:
    assert decoded("deflate", raw_deflate(data)) == data


@given(st.binary(max_size=500), st.integers(1, 9))
def test_deflate_without_its_wrapper_in_pieces(data: bytes, cut: int) -> None:
    packed = raw_deflate(data)
    assert decoded("deflate", *(packed[start : start + cut] for start in range(0, len(packed), cut))) == data


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_streams_in_a_row_with_padding(coding: str, cut: int) -> None:
    pack = PACKERS[coding]
    skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc" if coding == "zstd" else b""
    packed = pack(b"one ") + skippable + pack(b"") + pack(b"two") + bytes(512)
    pieces = [packed[start : start + cut] for start in range(0, len(packed), cut)]
    assert decoded(coding, *pieces) == b"one two"


def test_nothing_may_follow_br() -> None:
    packed = brotli.compress(b"some content")
    for pieces in ([packed + b"\n"], [packed, b"\n"]):
        with pytest.raises(BadResponse, match="broken"):
            decoded("br", *pieces)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_streams_without_end_are_given_up(coding: str) -> None:
    with cpu_below(5), pytest.raises(BadResponse, match="parts"):
        decoded(coding, *[PACKERS[coding](b"") * 1000] * 1000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_padding_costs_nothing(coding: str) -> None:
    with cpu_below(2):
        assert decoded(coding, PACKERS[coding](b"it"), *[bytes(256 * 1024)] * 1000) == b"it"


@pytest.mark.parametrize("size", [256 * 1024, 256 * 1024 + 1, 10**7])
@pytest.mark.parametrize("coding", CODINGS)
def test_pieces_are_bounded_and_complete(coding: str, size: int) -> None:
    decoder = decoder_for(coding, max_bytes=size)
    pieces = [len(piece) for piece in decoder.decode(PACKERS[coding](bytes(size)))]
    decoder.finish()
    assert sum(pieces) == size
    assert max(pieces) <= 512 * 1024


def test_a_bomb_within_a_bomb_ends_at_the_limit() -> None:
    shown = gzip.compress(b"small") + bytes(64 * MIB)
    with pytest.raises(TooLarge, match="1048576"):
        decoded("gzip, zstd", zstd.compress(shown), max_bytes=MIB)


@pytest.mark.parametrize("coding", ["compress", "x-compress", "dcb", "gzip, br, zstd", "gzip, gzip, gzip"])
def test_what_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(BadResponse, match="encod"):
        decoder_for(coding, max_bytes=MIB)


def test_a_window_that_takes_more_memory_than_allowed_is_refused() -> None:
    options: dict[Any, Any] = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(bytes(2**20)) + packer.flush()
    with pytest.raises(BadResponse, match="broken"):
        decoded("zstd", packed)


def test_a_window_of_8_mib_is_taken() -> None:
    options: dict[Any, Any] = {zstd.CompressionParameter.window_log: 23}
    packer = zstd.ZstdCompressor(options=options)
    assert decoded("zstd", packer.compress(bytes(10 * MIB)) + packer.flush()) == bytes(10 * MIB)


@pytest.mark.parametrize("coding", [*CODINGS, "gzip, br", "zstd, utf-8, deflate"])
def test_an_early_end_is_noticed(coding: str) -> None:
    packed = PACKERS[coding](b"some content " * 30)
    for end in range(1, len(packed)):
        with pytest.raises(TruncatedTransfer):
            decoded(coding, packed[:end])


@given(st.sampled_from([*CODINGS, "gzip, br"]), st.binary(min_size=1, max_size=300))
def test_nonsense_raises_nothing_but_our_errors(coding: str, data: bytes) -> None:
    try:
        content = decoded(coding, data)
    except (BadResponse, TruncatedTransfer):
        return
    assert isinstance(content, bytes)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_an_image_that_is_not_packed_at_all_is_a_bad_response(coding: str) -> None:
    with pytest.raises(BadResponse):
        decoded(coding, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import BadResponse, TruncatedTransfer
from crawler.web.decoding import decoder_for


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "": bytes,
    "utf-8": bytes,
}


def decoded(coding: str, *pieces: bytes) -> bytes:
    decoder = decoder_for(coding)
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


def test_gzip_of_several_members_with_padding() -> None:
    assert decoded("gzip", gzip.compress(b"one ") + gzip.compress(b"two") + bytes(512)) == b"one two"


@pytest.mark.parametrize("size", [256 * 1024, 256 * 1024 + 1, 10**7])
def test_pieces_are_bounded_and_complete(size: int) -> None:
    decoder = decoder_for("gzip")
    pieces = [len(piece) for piece in decoder.decode(gzip.compress(bytes(size)))]
    decoder.finish()
    assert sum(pieces) == size
    assert max(pieces) <= 256 * 1024


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "gzip, deflate", "compress"])
def test_what_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(BadResponse, match="encod"):
        decoder_for(coding)


def test_an_early_end_is_noticed() -> None:
    for coding in ("gzip", "deflate"):
        with pytest.raises(TruncatedTransfer):
            decoded(coding, PACKERS[coding](b"some content")[:-1])


@given(st.sampled_from(["gzip", "deflate"]), st.binary(min_size=1, max_size=300))
def test_nonsense_raises_nothing_but_our_errors(coding: str, data: bytes) -> None:
    try:
        content = decoded(coding, data)
    except (BadResponse, TruncatedTransfer):
        return
    assert isinstance(content, bytes)

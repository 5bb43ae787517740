from __future__ import annotations

import gzip
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest.sniffing import gunzipped
from tests.support.cpu_time import cpu_below

TEXT = b"".join(b"https://example.org/%d\n" % n for n in range(20_000))
PACKED = gzip.compress(TEXT)


def undone(content: bytes, *, max_bytes: int = 2**20) -> tuple[bytes, dict[str, int]]:
    left_out: Counter[str] = Counter()
    return gunzipped(content, max_bytes=max_bytes, left_out=left_out, what="sitemap"), dict(left_out)


@pytest.mark.parametrize(
    "content",
    [
        PACKED,
        gzip.compress(PACKED),
        gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:]),
        PACKED + b"\0" * 100,
        TEXT,
    ],
)
def test_layers_members_and_padding(content: bytes) -> None:
    assert undone(content) == (TEXT, {})


def test_of_what_is_cut_all_before_the_cut_is_read() -> None:
    found, left_out = undone(PACKED[: len(PACKED) // 2])

    assert left_out == {"sitemap-broken": 1}
    assert TEXT.startswith(found)
    assert len(found) > len(TEXT) // 3


def test_of_what_is_broken_all_before_the_fault_is_read() -> None:
    middle = len(PACKED) // 2
    found, left_out = undone(PACKED[:middle] + b"\xff" * 64 + PACKED[middle + 64 :])
    assert left_out == {"sitemap-broken": 1}
    assert found.startswith(TEXT[: len(TEXT) // 3])

    wrong_sum = PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]
    assert undone(wrong_sum) == (TEXT, {"sitemap-broken": 1})
    assert undone(b"\x1f\x8bnot gzip") == (b"", {"sitemap-broken": 1})


def test_no_more_than_wanted_is_unpacked() -> None:
    assert undone(PACKED, max_bytes=1000) == (TEXT[:1000], {"sitemap-cut": 1})
    assert undone(PACKED, max_bytes=len(TEXT)) == (TEXT, {})

    with cpu_below(2):
        found, left_out = undone(gzip.compress(b"") * 20_000)
        assert (found, left_out) == (b"", {"sitemap-cut": 1})


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_are_survived(content: bytes, kept: int) -> None:
    undone(b"\x1f\x8b\x08" + content)
    undone(gzip.compress(content)[:kept] + content)

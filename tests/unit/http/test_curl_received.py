"""Where the header of an answer ends, as libcurl hands over its lines: in any portions, after interim answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.http.curl_received import Received
from crawler.http.http1 import MAX_HEADER_BYTES, MAX_HEADER_LINES, MAX_INTERIM

HINTS = [b"HTTP/1.1 103 Early Hints\r\n", b"Link: </a>\r\n", b"\r\n"]
HEAD = [b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", b"\r\n"]


@given(st.integers(0, 3), st.lists(st.integers(1, 4), max_size=12), st.sampled_from([0, 1]))
def test_the_end_is_seen_in_whatever_portions_lines_come(
    hints: int, portions: list[int], trailers: int
) -> None:
    lines = [*HINTS * hints, *HEAD]
    received, left, came = Received(), list(lines), 0
    for count in [*portions, len(lines)]:
        assert received.header_done is (not left)
        portion, left = left[:count], left[count:]
        received.lines.extend(portion)
        came += received.look()
    assert received.header_done
    assert not received.is_flooded
    assert received.lines[received.block :] == HEAD
    assert came == sum(map(len, lines))
    trailer = [b"X-Trailer: 1\r\n", b"\r\n"] * trailers
    received.lines.extend(trailer)
    assert received.look() == sum(map(len, trailer))
    assert received.lines == lines, "what nobody reads is not kept"
    received.clear()
    received.lines.extend([*lines, *trailer])
    assert received.look() == sum(map(len, [*lines, *trailer]))
    assert received.lines == lines


def test_bytes_are_counted_once_and_pieces_are_given_once() -> None:
    received = Received()
    for pieces in ([b"ab", b"c"], [], [b"defg"]):
        received.pieces.extend(pieces)
        assert received.look() == sum(map(len, pieces))
    assert received.taken() == b"abcdefg"
    received.pieces.append(b"h")
    assert received.look() == 1
    assert (received.taken(), received.look()) == (b"h", 0)


@pytest.mark.parametrize(
    "lines",
    [
        [HEAD[0], *[b"X: y\r\n"] * (MAX_HEADER_LINES + 1)],
        [HEAD[0], *[b"X: " + b"y" * 50_000 + b"\r\n"] * (MAX_HEADER_BYTES // 50_000 + 1)],
        HINTS * (MAX_INTERIM + 1),
    ],
)
def test_a_flood_is_noticed(lines: list[bytes]) -> None:
    received = Received()
    received.lines.extend(lines)
    received.look()
    assert received.is_flooded
    assert not received.header_done
    received.clear()
    received.lines.extend(HEAD)
    received.look()
    assert (received.is_flooded, received.header_done) == (False, True)


def test_a_switch_of_protocols_is_no_interim_answer() -> None:
    received = Received()
    received.lines.extend([b"HTTP/1.1 101 Switching Protocols\r\n", b"\r\n"])
    received.look()
    assert received.header_done

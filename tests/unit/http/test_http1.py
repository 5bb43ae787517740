"""Whatever bytes a server sends: what comes of them is an answer, or one of our errors, within the limits."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import BadResponse, ConnectionLost
from crawler.http.http1 import MAX_HEADER_BYTES, Response, head_from, plain_fields

OURS = (BadResponse, ConnectionLost, ConnectionError, http.client.IncompleteRead)


class File(io.BytesIO):
    """May be kept from closing."""


class Wire:
    """In place of a socket: has sent all that there is."""

    def __init__(self, data: bytes) -> None:
        self.file: Any = File(data)

    def makefile(self, _: str) -> Any:
        return self.file


def content(data: bytes) -> bytes:
    response = Response(Wire(data), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
        pieces = []
        while piece := response.read(1000):
            assert len(piece) <= 1000
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        response.close()


PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 X\r\n", b"HTTP/1.0 304\r\n", b"Content-Length: ", b"5", b"-", b"0", b",",
        b"Transfer-Encoding: ", b"chunked", b"gzip", b"Connection: close", b"X: y", b":", b" ", b"\r\n", b"\n", b"\0",
        b"\r\n\r\n", b"ff\r\n", b"-1\r\n", b";x=y", b"\xff", b"hello",
    ]
)  # fmt: skip


@given(st.lists(PARTS | st.binary(max_size=5), max_size=40))
def test_no_bytes_are_too_odd(parts: list[bytes]) -> None:
    sent = b"".join([b"HTTP/1.1 200 OK\r\n", *parts])
    for data in (sent, b"".join(parts)):
        try:
            assert len(content(data)) <= len(data)
        except OURS:
            continue


@given(st.binary(max_size=3000), st.lists(st.integers(1, 600), max_size=20), st.binary(max_size=4))
def test_what_is_sent_in_chunks_arrives(data: bytes, sizes: list[int], extension: bytes) -> None:
    extension = extension.replace(b"\n", b"").replace(b"\r", b"")
    sent, start = [], 0
    for size in [*sizes, len(data)]:
        if piece := data[start : start + size]:
            sent.append(b"%x;%b\r\n%b\r\n" % (len(piece), extension, piece))
        start += size
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert content(head + b"".join(sent) + b"0\r\n\r\n") == data
    if sent:
        with pytest.raises(http.client.IncompleteRead):
            content(head + b"".join(sent))


OK = b"HTTP/1.1 200 OK\r\n"
LAST_CHUNK = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"


@pytest.mark.parametrize(
    ("start", "line"),
    [
        (b"", b"HTTP/1.1 100 C\r\n\r\n"),
        (b"", OK[:-2] + b"x" * 70_000),
        *(
            (start, line)
            for start in (OK, LAST_CHUNK)
            for line in (b"X: " + b"y" * 60_000 + b"\r\n", b"X: y\r\n", b"x" * 70_000)
        ),
    ],
)
def test_no_more_is_read_than_the_limits_allow(start: bytes, line: bytes) -> None:
    wire = Wire(start + line * (2 * 2**20 // len(line)))
    wire.file.close = lambda: None
    response = Response(wire, method="GET")  # type: ignore[arg-type]

    def read() -> None:
        response.begin()
        response.read()

    with pytest.raises(BadResponse):
        read()
    assert wire.file.tell() <= MAX_HEADER_BYTES + 70_000


def test_an_answer_that_says_two_things_of_its_length_ends_its_connection() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    response = Response(Wire(head), method="GET")  # type: ignore[arg-type]
    response.begin()
    assert response.will_close
    assert response.headers.get("content-length") is None
    assert response.read() == b"ok"


@pytest.mark.parametrize(
    ("version", "connection", "closes"),
    [
        ("1.1", "", False),
        ("1.1", "close", True),
        ("1.1", "keep-alive, Close", True),
        ("1.0", "", True),
        ("1.0", "Keep-Alive", False),
    ],
)
def test_which_connections_stay(version: str, connection: str, closes: bool) -> None:  # noqa: FBT001 - a parameter
    head = f"HTTP/{version} 200 OK\r\nContent-Length: 2\r\nConnection: {connection}\r\n\r\nok".encode()
    response = Response(Wire(head), method="GET")  # type: ignore[arg-type]
    response.begin()
    assert response.will_close is closes
    endless = Response(Wire(head.replace(b"Content-Length: 2\r\n", b"")), method="GET")  # type: ignore[arg-type]
    endless.begin()
    assert endless.will_close
    response.close()
    endless.close()


@given(
    st.lists(
        st.sampled_from(
            [b"X: y", b"X :\ty ", b": y", b"no field", b"X:", b"", b" fold", b"\tfold", b"a:b:c", b"X: \xff"]
        )
        | st.binary(max_size=8),
        max_size=8,
    ),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_the_short_way_reads_what_the_long_one_does(parts: list[bytes], end: bytes) -> None:
    lines = [part.replace(b"\n", b"") + end for part in parts if part] + [end]
    found = plain_fields(lines)
    left = iter([b"HTTP/1.1 200 OK\r\n", *lines])
    if found is not None:
        assert found == head_from(lambda _: next(left)).fields


def test_what_is_odd_goes_the_long_way() -> None:
    for odd in (
        b"X: a\0b\r\n",
        b"X: a\rb\r\n",
        b" fold\r\n",
        b"\tfold\r\n",
        b"X: y\n",
        b"X: " + b"y" * 70_000 + b"\r\n",
    ):
        assert plain_fields([b"X: y\r\n", odd, b"\r\n"]) is None
    assert plain_fields([b"X: y\r\n"] * 1001) is None
    assert plain_fields([b"X : y\t\r\n", b"no field\r\n", b"\r\n"]) == [("X", "y")]

"""Answers of HTTP as they come from the network: where they begin and end, in whatever pieces they arrive."""

from __future__ import annotations

import http.client
import io
from typing import Any

from crawler.errors import BadResponse, ConnectionLost
from crawler.http import http1
from crawler.http.http1 import Response
from tests.fuzz.drawn import Drawn

OURS = (BadResponse, ConnectionLost, ConnectionError, http.client.IncompleteRead)


class Stream(io.RawIOBase):
    """Gives what has been sent in pieces of *size*, and counts what is taken."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), self._size)
        piece = self._data[self.taken : self.taken + size]
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


class Wire:
    """In place of a socket."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def makefile(self, _: str) -> Any:
        return io.BufferedReader(self._stream)


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    method = drawn.one_of(("GET", "HEAD"))
    sizes = (65536, 1, 7)
    sent = drawn.rest()
    if len(sent) > 4000:
        sizes = (65536, 777)
    outcomes = [read(sent, method, size) for size in sizes]
    assert all(outcome == outcomes[0] for outcome in outcomes), "it depends on how the network cuts it"


def read(sent: bytes, method: str, size: int) -> object:
    response = Response(Wire(Stream(sent, size)), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        check(response, sent)
        pieces = []
        while piece := response.read(1000):
            assert len(piece) <= 1000
            pieces.append(piece)
        content = b"".join(pieces)
    except OURS as exc:
        return type(exc)
    finally:
        response.close()
    assert len(content) <= len(sent)
    assert method != "HEAD" or not content
    assert response.status not in (204, 304) or not content
    return response.status, response.headers.items(), content, response.will_close


def check(response: Response, sent: bytes) -> None:
    assert 200 <= response.status <= 999
    fields = response.headers.items()
    assert len(fields) <= http1.MAX_HEADER_LINES
    assert sum(len(name) + len(value) for name, value in fields) <= http1.MAX_HEADER_BYTES + len(fields)
    for name, value in fields:
        assert name
        assert not set("\0\r\n") & set(name + value)
    lengths = response.headers.get_all("content-length") or []
    lengths = [length for length in lengths if length]
    if response.chunked:
        assert not lengths, "chunks and a length: who believes the length could be led astray"
    elif lengths:
        assert len(lengths) == 1
        assert lengths[0].strip().isdigit()
    assert response.length is None or response.length >= 0
    assert response.will_close or response.chunked or response.length is not None
    assert sent

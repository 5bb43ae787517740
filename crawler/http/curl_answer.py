"""An answer that libcurl receives: header and chunks are read by http1.py, as strictly as those of other engines."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from crawler.errors import BadResponse, ConnectionLost, TruncatedTransfer
from crawler.http.curl_errors import error_of, is_end
from crawler.http.curl_handle import CurlHandle
from crawler.http.engine import Outgoing
from crawler.http.http1 import MAX_INTERIM, Head, Response, framing_of, head_from, parsed_status, plain_fields
from crawler.http.paced_reader import Patience
from crawler.http.status import lost_when
from crawler.text.plain_errors import plain, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SWITCHING_PROTOCOLS = 101
_STATUS_LINE_2 = re.compile(rb"HTTP/2 ([1-9][0-9]{2})[ \t]*")


class CurlAnswer:
    """An answer whose header is complete, or whose transfer has ended within it; *release* is called by ``close``.

    Raises what ``head_from`` and ``framing_of`` do.
    """

    def __init__(
        self,
        handle: CurlHandle,
        request: Outgoing,
        patience: Patience,
        release: Callable[[CurlHandle, bool], None],
    ) -> None:
        self._handle = handle
        self._url = request.url
        self._patience = patience
        self._release = release
        try:
            head = _head_of(handle)
        except http.client.RemoteDisconnected as exc:
            raise ConnectionLost(f"the server closed the connection {lost_when(self._url, 0)}") from exc
        framing = framing_of(head, request.method)
        self.status = head.status
        self.fields = tuple(head.fields)
        self.sent_at = handle.sent_at
        self.will_close = framing.will_close
        self._is_faulty = framing.is_faulty
        self._left = framing.length
        """Bytes of the content that are still to come; None if only chunks or the connection's end tell."""
        self._is_complete = framing.length == 0
        self._chunks: Response | None = None
        if framing.is_chunked:
            self._chunks = Response(_Body(self), method=request.method)  # type: ignore[arg-type]
            self._chunks.go_on(head, framing)

    @property
    def waited_s(self) -> float:
        return self._handle.waited_s

    def read(self, amt: int, *, decode_content: bool) -> bytes:  # noqa: ARG002 - libcurl decodes nothing
        if self._chunks is None:
            return self.next_bytes() if self._left is None else self._next_within(self._left)
        try:
            data = self._chunks.read(amt)
        except http.client.IncompleteRead as exc:
            raise TruncatedTransfer(
                f"the server closed the connection within the answer: {plain(exc)}"
            ) from exc
        self._is_complete = self._is_complete or not data
        return data

    def _next_within(self, left: int) -> bytes:
        """What comes next of a body whose length is known.

        libcurl minds that length only where no ``Transfer-Encoding`` stands beside it, ``identity`` included.
        """
        if not left:
            return b""
        data = self.next_bytes()[:left]
        if not data:
            raise TruncatedTransfer(f"the server closed the connection {left} bytes before the answer's end")
        self._left = left - len(data)
        self._is_complete = not self._left
        return data

    def next_bytes(self) -> bytes:
        """What comes next of the body, with its chunks; nothing at its end, however that came."""
        handle, received = self._handle, self._handle.received
        while not received.pieces and not handle.done:
            handle.step()
        if received.pieces:
            return received.taken()
        if not is_end(handle):
            raise error_of(handle, url=self._url, http_status=self.status, trusted="")
        return b""

    def hurry(self, within_s: float) -> None:
        self._patience.hurry(within_s)

    def close(self) -> None:
        handle = self._handle
        try:
            if self._is_complete and not handle.done:
                handle.step(wait=False)  # for libcurl to see the end as well
        finally:
            self._release(handle, self._is_faulty)


def _head_of(handle: CurlHandle) -> Head:
    received, lines = handle.received, handle.received.lines
    if lines and lines[0].startswith(b"HTTP/2") and handle.is_http2:
        if received.is_all_interim:
            raise BadResponse(f"the server sent more than {MAX_INTERIM} interim answers (1xx)")
        found = _STATUS_LINE_2.fullmatch(lines[received.block].rstrip(b"\r\n"))
        fields = plain_fields(lines[received.block + 1 :])
        if found is None or fields is None:
            raise BadResponse(f"the answer is not HTTP/2; it begins with {quoted(lines[0].strip(), 60)}")
        fields = [field for field in fields if field[0].lower() != "transfer-encoding"]
        return Head(status=int(found[1]), reason="", minor=1, fields=fields)
    if received.header_done and not received.block and (found_fields := plain_fields(lines[1:])) is not None:
        minor, status, reason = parsed_status(lines[0])
        if status != _SWITCHING_PROTOCOLS:
            return Head(status=status, reason=reason, minor=minor, fields=found_fields)
    left = iter(lines)
    return head_from(lambda limit: next(left, b"")[:limit])  # whoever gets a part of a line refuses it


class _Body(io.RawIOBase):
    """The body with its chunks, as a file, and as a socket that makes it."""

    def __init__(self, answer: CurlAnswer) -> None:
        self._answer = answer
        self._rest = memoryview(b"")

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if not self._rest:
            self._rest = memoryview(self._answer.next_bytes())
        room = memoryview(buffer).cast("B")
        count = min(len(room), len(self._rest))
        room[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

"""An answer that libcurl receives: header and chunks are read by http1.py, as strictly as those of other engines."""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from crawler.errors import BadResponse, ConnectionLost, TruncatedTransfer
from crawler.http.curl_errors import PARTIAL_FILE, RECEIVE, error_of
from crawler.http.curl_handle import CurlHandle
from crawler.http.engine import Outgoing
from crawler.http.http1 import Response
from crawler.http.paced_reader import Patience
from crawler.http.status import lost_when
from crawler.text.plain_errors import plain, quoted

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_STATUS_BYTES = 100
_STATUS_LINE_2 = re.compile(rb"HTTP/2 ([1-9][0-9]{2})[ \t]*")


class CurlAnswer:
    """An answer whose header is complete, or whose transfer has ended within it; *release* is called by ``close``.

    Raises what Response.begin() does.
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
        kind = _Framing2 if handle.lines[0].startswith(b"HTTP/2") and handle.is_http2 else _Framing
        self._framing = kind(_Lines(handle.lines), method=request.method)  # type: ignore[arg-type]
        try:
            self._framing.begin()
        except http.client.RemoteDisconnected as exc:
            raise ConnectionLost(f"the server closed the connection {lost_when(self._url, 0)}") from exc
        self.status = self._framing.status
        self.fields = tuple(self._framing.fields)
        self.sent_at = handle.sent_at
        self.will_close = self._framing.will_close
        self._chunks: Response | None = None
        self._is_complete = self._framing.length == 0
        if self._framing.chunked:
            self._framing.fp = io.BufferedReader(_Body(self))
            self._chunks = self._framing

    @property
    def waited_s(self) -> float:
        return self._handle.waited_s

    def read(self, amt: int, *, decode_content: bool) -> bytes:  # noqa: ARG002 - libcurl decodes nothing
        if self._chunks is None:
            return self.next_bytes()
        try:
            data = self._chunks.read(amt)
        except http.client.IncompleteRead as exc:
            raise TruncatedTransfer(
                f"the server closed the connection within the answer: {plain(exc)}"
            ) from exc
        self._is_complete = self._is_complete or not data
        return data

    def next_bytes(self) -> bytes:
        """What comes next of the body, with its chunks; nothing at its end, however that came."""
        handle = self._handle
        while not handle.pieces and not handle.done:
            handle.step()
        if handle.pieces:
            return handle.taken()
        broken = handle.code not in {0, PARTIAL_FILE}
        if broken and self._chunks is not None and handle.code == RECEIVE and "chunk" in handle.message:
            broken = False  # what libcurl can't make out has been read already
        if broken:
            raise error_of(handle, url=self._url, http_status=self.status, trusted="")
        return b""

    def hurry(self, within_s: float) -> None:
        self._patience.hurry(within_s)

    def close(self) -> None:
        handle = self._handle
        if self._is_complete and not handle.done:
            handle.step(wait=False)  # for libcurl to see the end as well
        self._release(handle, self._framing.is_faulty)


class _Lines:
    """The lines of a header, as Response reads them from a socket."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._left = iter(lines)

    def makefile(self, _mode: str) -> _Lines:
        return self

    def readline(self, limit: int) -> bytes:
        return next(self._left, b"")[:limit]  # whoever gets a part of a line refuses it

    def close(self) -> None:
        pass


class _Body(io.RawIOBase):
    """The body with its chunks, as a file."""

    def __init__(self, answer: CurlAnswer) -> None:
        self._answer = answer
        self._rest = memoryview(b"")

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


class _Framing(Response):
    def _tell(self, fields: list[tuple[str, str]]) -> None:
        """Do nothing: nobody asks http.client."""


class _Framing2(_Framing):
    """The header of an answer by HTTP/2, which frames the content itself (RFC 9113, section 8.1)."""

    def _status_line(self) -> tuple[int, int, str]:
        line: bytes = self.fp.readline(_STATUS_BYTES)
        found = _STATUS_LINE_2.fullmatch(line.rstrip(b"\r\n"))
        if found is None:
            raise BadResponse(f"the answer is not HTTP/2; it begins with {quoted(line.strip(), 60)}")
        return 1, int(found[1]), ""

    def _frame(self, fields: list[tuple[str, str]]) -> None:
        super()._frame([field for field in fields if field[0] != "transfer-encoding"])

    def _decide_close(self, fields: list[tuple[str, str]]) -> None:  # noqa: ARG002 - they say nothing of it
        self.will_close = False

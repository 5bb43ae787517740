"""HTTP/1.1 framing: status line, header, lengths and chunks, each within a limit (RFC 9112).

Replaces the framing of http.client, which takes any 1xx status but 100 for the answer, the end of the connection for
the end of the header, and a negative length for a length, and which does not bound the bytes beside the content.
"""

from __future__ import annotations

import http.client
import re
from contextlib import suppress
from typing import Any

from crawler.errors import BadResponse, ConnectionLost
from crawler.text.plain_errors import quoted

MAX_HEADER_BYTES = 256 * 1024
"""The most bytes of all header lines together; browsers take about as much."""
MAX_HEADER_LINES = 1000
MAX_INTERIM = 20
"""The most 1xx answers before the final one."""
_MAX_LINE_BYTES = 64 * 1024
_MAX_CHUNK_LINE_BYTES = 4096
_CHUNK_ALLOWANCE_BYTES = 16
_CHUNK_EXCESS_BYTES = 16 * 1024
"""Bytes allowed beside the chunks' content, above 16 for each chunk and as many as the content itself has.

Chunks of a few bytes with long extensions are a way to keep a client busy (CVE-2023-39326).
"""
_MAX_LENGTH_DIGITS = 18
_SWITCHING_PROTOCOLS = 101
_FIRST_FINAL = 200
_NO_BODY = (204, 304)

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_CHUNK_LINE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_TLS = (b"\x15\x03", b"\x16\x03")
"""The start of an alert or a handshake: the answer of a TLS server to plain HTTP (RFC 8446, section 5.1)."""
_UNFIT = re.compile("[\0\r\n]")


class Response(http.client.HTTPResponse):
    """An answer whose framing is read here, and whose content http.client reads.

    Raises BadResponse for what is not HTTP, ConnectionLost when the connection ends before the content begins.
    """

    fp: Any
    chunk_left: int | None
    fields: list[tuple[str, str]]
    """The header's fields, in their order."""
    is_faulty: bool
    """Whether the framing contradicts itself: the connection must not be used again."""
    _method: str | None

    def begin(self, **_limits: Any) -> None:
        """Read up to the content. Limits that later versions of Python pass are ignored, for the ones here."""
        for _ in range(MAX_INTERIM + 1):
            minor, status, reason = self._status_line()
            fields = self._fields("header")
            if status == _SWITCHING_PROTOCOLS:
                raise BadResponse("the server switches to another protocol (101), which nobody has asked for")
            if status >= _FIRST_FINAL:
                break
        else:
            raise BadResponse(f"the server sent more than {MAX_INTERIM} interim answers (1xx)")
        self.code = self.status = status
        self.reason = reason
        self.version = 11 if minor else 10
        self._frame(fields)
        self.fields = fields
        self._decide_close(fields)
        self._tell(fields)

    def _tell(self, fields: list[tuple[str, str]]) -> None:
        """Tell of the fields as http.client does."""
        message = http.client.HTTPMessage()
        message._headers = fields  # type: ignore[attr-defined]  # noqa: SLF001 - set_raw, without a check for each
        self.headers = self.msg = message

    def _status_line(self) -> tuple[int, int, str]:
        line = self.fp.readline(_MAX_LINE_BYTES + 1)
        if not line:
            raise http.client.RemoteDisconnected("the connection ended before an answer")
        if line.startswith(_TLS):
            raise BadResponse("the server speaks TLS at this port, not HTTP: https:// is meant, most likely")
        if len(line) > _MAX_LINE_BYTES:
            raise BadResponse(f"the status line is longer than {_MAX_LINE_BYTES} bytes")
        found = _STATUS_LINE.fullmatch(line.rstrip(b"\r\n"))
        if found is None and b"\n" in line:
            raise BadResponse(f"the answer is not HTTP/1.1; it begins with {quoted(line.strip(), 60)}")
        if found is None or not line.endswith(b"\n"):
            raise ConnectionLost("the connection ended within the status line")
        return int(found[1]), int(found[2]), (found[3] or b"").decode("iso-8859-1").strip()

    def _fields(self, where: str) -> list[tuple[str, str]]:
        """The fields up to an empty line; lines that are no field are left out, as in browsers."""
        fields: list[tuple[str, str]] = []
        size = 0
        readline = self.fp.readline
        for _ in range(MAX_HEADER_LINES + 1):
            line = readline(_MAX_LINE_BYTES + 1)
            if line in {b"\r\n", b"\n"}:
                return fields
            size += len(line)
            if not line.endswith(b"\n"):
                if len(line) > _MAX_LINE_BYTES:
                    raise BadResponse(f"a line of the {where} is longer than {_MAX_LINE_BYTES} bytes")
                raise ConnectionLost(f"the connection ended within the {where}")
            if size > MAX_HEADER_BYTES:
                raise BadResponse(f"the {where} is longer than {MAX_HEADER_BYTES} bytes")
            text = line.decode("iso-8859-1").rstrip("\r\n")
            if _UNFIT.search(text):
                text = _UNFIT.sub(" ", text)  # RFC 9110, section 5.5
            if text[:1] in {" ", "\t"}:
                if fields:  # a folded line (RFC 9112, section 5.2)
                    before, value = fields[-1]
                    fields[-1] = before, f"{value} {text.strip()}".strip()
                continue
            name, colon, value = text.partition(":")
            if colon and (name := name.rstrip(" \t")):
                fields.append((name, value.strip(" \t")))
        raise BadResponse(f"the {where} has more than {MAX_HEADER_LINES} lines")

    def _frame(self, fields: list[tuple[str, str]]) -> None:
        """Find out how long the content is, by RFC 9112 section 6.3."""
        lengths = [value for name, value in fields if name.lower() == "content-length" and value]
        codings = [value for name, value in fields if name.lower() == "transfer-encoding"]
        self.chunked, self.chunk_left, self.length = False, None, None
        self._excess_bytes = 0
        self.is_faulty = False
        if codings and self._is_chunked(",".join(codings)):
            self.chunked = True
            if lengths:
                # the chunks count (RFC 9112, section 6.3), and the connection is not used again
                self.is_faulty = True
                fields[:] = [field for field in fields if field[0].lower() != "content-length"]
        elif lengths:
            self.length = _length(",".join(lengths))
            if len(lengths) > 1 or "," in lengths[0]:
                fields[:] = [field for field in fields if field[0].lower() != "content-length"]
                fields.append(("Content-Length", str(self.length)))
        if self.status in _NO_BODY or self._method == "HEAD":
            # even if it names a coding (RFC 9112, section 6.1); the connection is not used again then
            self.is_faulty = self.is_faulty or self.chunked
            self.chunked, self.length = False, 0

    def _is_chunked(self, header: str) -> bool:
        codings = {coding.strip() for coding in header.lower().split(",")} - {"", "identity"}
        if codings - {"chunked"}:
            raise BadResponse(
                f"the server sent the transfer encoding {quoted(header[:100])}; only chunked is known"
            )
        return bool(codings)  # named twice, by a server and a proxy before it, it was still applied once

    def _decide_close(self, fields: list[tuple[str, str]]) -> None:
        connection = ",".join(value.lower() for name, value in fields if name.lower() == "connection")
        stays = "close" not in connection if self.version == 11 else "keep-alive" in connection  # noqa: PLR2004
        framed = self.chunked or self.length is not None
        self.will_close = not (stays and framed and not self.is_faulty)

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_MAX_CHUNK_LINE_BYTES + 1)
        if not line.endswith(b"\n"):
            if len(line) > _MAX_CHUNK_LINE_BYTES:
                raise BadResponse(f"the size of a chunk is longer than {_MAX_CHUNK_LINE_BYTES} bytes")
            raise http.client.IncompleteRead(b"")
        found = _CHUNK_LINE.fullmatch(line.rstrip(b"\r\n"))
        if found is None:
            raise BadResponse(f"the size of a chunk is no number: {quoted(line.strip(), 40)}")
        size = int(found[1], 16)
        self._excess_bytes = max(0, self._excess_bytes + len(line) - _CHUNK_ALLOWANCE_BYTES - size)
        if self._excess_bytes > _CHUNK_EXCESS_BYTES:
            raise BadResponse(f"the chunks have more than {_CHUNK_EXCESS_BYTES} bytes beside their content")
        return size

    def _read_and_discard_trailer(self) -> None:
        with suppress(ConnectionLost):  # the content is complete, and some servers send no end
            self._fields("trailer")


def _length(header: str) -> int:
    lengths = {part.strip() for part in header.split(",")}
    if not all(length.isascii() and length.isdigit() for length in lengths):
        raise BadResponse(f"the server announces a length that is no number: Content-Length: {header[:100]}")
    if len({length.lstrip("0") for length in lengths}) > 1:
        raise BadResponse(f"the server announces several lengths: Content-Length: {header[:100]}")
    digits = lengths.pop()
    if len(digits) > _MAX_LENGTH_DIGITS:
        raise BadResponse(f"the server announces a length beyond reason: Content-Length: {header[:100]}")
    return int(digits)

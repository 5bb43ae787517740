"""HTTP/1.1 framing: status line, header, lengths and chunks, each within a limit (RFC 9112).

Replaces the framing of http.client, which takes any 1xx status but 100 for the answer, the end of the connection for
the end of the header, and a negative length for a length, and which does not bound the bytes beside the content.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The status line and the header of an answer."""

    status: int
    reason: str
    minor: int
    """Of the version: 1 for HTTP/1.1."""
    fields: list[tuple[str, str]]
    """In their order; values read as Latin-1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Framing:
    """Where the content of an answer ends, by RFC 9112 section 6.3."""

    is_chunked: bool = False
    length: int | None = None
    """In bytes; None for content in chunks, or until the end of the connection."""
    is_faulty: bool = False
    """Whether the header contradicts itself: the connection must not be used again."""
    will_close: bool = False
    """Whether the connection ends with the content."""


ReadLine = Callable[[int], bytes]
"""The next line, with its end; no more than so many bytes of it, and none at the end of the connection."""


def head_from(readline: ReadLine) -> Head:
    """The head of the final answer, after those of interim ones (1xx), which say nothing to us.

    Raises BadResponse for what is not HTTP, ConnectionLost or RemoteDisconnected when the connection ends before the
    content begins.
    """
    for _ in range(MAX_INTERIM + 1):
        minor, status, reason = parsed_status(readline(_MAX_LINE_BYTES + 1))
        fields = _fields_from(readline, "header")
        if status == _SWITCHING_PROTOCOLS:
            raise BadResponse("the server switches to another protocol (101), which nobody has asked for")
        if status >= _FIRST_FINAL:
            return Head(status=status, reason=reason, minor=minor, fields=fields)
    raise BadResponse(f"the server sent more than {MAX_INTERIM} interim answers (1xx)")


def parsed_status(line: bytes) -> tuple[int, int, str]:
    """The minor version, the status and the reason in a status *line*. Raises as ``head_from`` does."""
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


def _fields_from(readline: ReadLine, where: str) -> list[tuple[str, str]]:
    """The fields up to an empty line; lines that are no field are left out, as in browsers."""
    fields: list[tuple[str, str]] = []
    size = 0
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


def plain_fields(lines: Sequence[bytes]) -> list[tuple[str, str]] | None:
    """The fields in all *lines* of a header, the empty one at its end included, as they are in most answers.

    None for a header that needs more care: with folds, odd characters, other ends of lines, or very long. Five times as
    fast, with the same result.
    """
    count = len(lines)
    text = b"".join(lines).decode("iso-8859-1")
    is_odd = (
        len(text) > _MAX_LINE_BYTES
        or count > MAX_HEADER_LINES
        or "\0" in text
        or "\n " in text
        or "\n\t" in text
        or not text.count("\r\n") == text.count("\n") == text.count("\r") == count
        or text[:1] in {" ", "\t"}
    )
    if is_odd:
        return None
    fields = []
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and (name := name.rstrip(" \t")):
            fields.append((name, value.strip(" \t")))
    return fields


def framing_of(head: Head, method: str | None) -> Framing:
    """The framing of the answer with that *head* to a *method*.

    Of its fields, lengths that do not count are taken out. Raises BadResponse for lengths that contradict each other.
    """
    lengths: list[str] = []
    codings: list[str] = []
    connection = ""
    for name, value in head.fields:
        folded = name.lower()
        if folded == "content-length":
            if value:
                lengths.append(value)
        elif folded == "transfer-encoding":
            codings.append(value)
        elif folded == "connection":
            connection = f"{connection},{value.lower()}"
    is_chunked = bool(codings) and _is_chunked(",".join(codings))
    length: int | None = None
    # with both, the chunks count (RFC 9112, section 6.3), and the connection is not used again
    is_faulty = is_chunked and bool(lengths)
    if is_faulty:
        _keep_no_length(head.fields)
    elif lengths and not is_chunked:
        length = _length(",".join(lengths))
        if len(lengths) > 1 or "," in lengths[0]:
            _keep_no_length(head.fields)
            head.fields.append(("Content-Length", str(length)))
    if head.status in _NO_BODY or method == "HEAD":
        # even if it names a coding (RFC 9112, section 6.1); the connection is not used again then
        is_faulty = is_faulty or is_chunked
        is_chunked, length = False, 0
    stays = "close" not in connection if head.minor else "keep-alive" in connection
    return Framing(
        is_chunked=is_chunked,
        length=length,
        is_faulty=is_faulty,
        will_close=is_faulty or not stays or not (is_chunked or length is not None),
    )


def _keep_no_length(fields: list[tuple[str, str]]) -> None:
    fields[:] = [field for field in fields if field[0].lower() != "content-length"]


def _is_chunked(header: str) -> bool:
    codings = {coding.strip() for coding in header.lower().split(",")} - {"", "identity"}
    if codings - {"chunked"}:
        raise BadResponse(
            f"the server sent the transfer encoding {quoted(header[:100])}; only chunked is known"
        )
    return bool(codings)  # named twice, by a server and a proxy before it, it was still applied once


def _length(header: str) -> int:
    if header.isascii() and header.isdigit() and len(header) <= _MAX_LENGTH_DIGITS:
        return int(header)  # as nearly all are
    lengths = {part.strip() for part in header.split(",")}
    if not all(length.isascii() and length.isdigit() for length in lengths):
        raise BadResponse(f"the server announces a length that is no number: Content-Length: {header[:100]}")
    if len({length.lstrip("0") for length in lengths}) > 1:
        raise BadResponse(f"the server announces several lengths: Content-Length: {header[:100]}")
    digits = lengths.pop()
    if len(digits) > _MAX_LENGTH_DIGITS:
        raise BadResponse(f"the server announces a length beyond reason: Content-Length: {header[:100]}")
    return int(digits)


class Response(http.client.HTTPResponse):
    """An answer whose framing is read here, and whose content http.client reads.

    Raises BadResponse for what is not HTTP, ConnectionLost when the connection ends before the content begins.
    """

    fp: Any
    chunk_left: int | None
    _method: str | None

    def begin(self, **_limits: Any) -> None:
        """Read up to the content. Limits that later versions of Python pass are ignored, for the ones here."""
        head = head_from(self.fp.readline)
        self.go_on(head, framing_of(head, self._method))
        message = http.client.HTTPMessage()
        message._headers = head.fields  # type: ignore[attr-defined]  # noqa: SLF001 - set_raw, without a check for each
        self.headers = self.msg = message

    def go_on(self, head: Head, framing: Framing) -> None:
        """Go on after a *head* that has been read."""
        self.code = self.status = head.status
        self.reason = head.reason
        self.version = 11 if head.minor else 10
        self.chunked, self.chunk_left, self.length = framing.is_chunked, None, framing.length
        self.will_close = framing.will_close
        self._excess_bytes = 0

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
            _fields_from(self.fp.readline, "trailer")

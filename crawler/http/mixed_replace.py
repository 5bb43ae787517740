"""The first part of ``multipart/x-mixed-replace``: webcams send picture after picture, and never come to an end.

A browser shows each part in the place of the one before it (HTML, section 7.4.5). The format is that of RFC 2046,
section 5.1, as cameras write it.
"""

from __future__ import annotations

import re

from crawler.errors import BadResponse
from crawler.http.content_encoding import Raw

_BOUNDARY = re.compile(
    r"\s*multipart/x-mixed-replace\s*;.{0,200}?\bboundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))",
    re.IGNORECASE | re.DOTALL,
)
_HEADER = re.compile(rb"\r?\n\r?\n")
_MOST_HEADER_BYTES = 65_536
_STEP_BYTES = 4096
"""A larger piece might have to be waited for: a camera that sees little sends small pictures, one a second."""
_OF_THE_WHOLE = frozenset({"content-type", "content-length", "transfer-encoding"})


def first_part(raw: Raw, headers: dict[str, str]) -> tuple[Raw, dict[str, str]]:
    """The first part of *raw* and the headers that it has, with those of the answer; or both as they are, where the
    answer has no parts that replace each other. Raises BadResponse, and what *raw* does.
    """
    found = _BOUNDARY.match(headers.get("content-type", ""))
    if found is None or "content-encoding" in headers:
        return raw, headers
    part = _FirstPart(raw, (found[1] or found[2]).encode("latin-1"))
    return part, {
        name: value for name, value in headers.items() if name not in _OF_THE_WHOLE
    } | part.headers()


class _FirstPart:
    def __init__(self, raw: Raw, boundary: bytes) -> None:
        self._raw = raw
        # many cameras name it with the dashes that stand before it
        self._delimiter = boundary if boundary.startswith(b"--") else b"--" + boundary
        self._ahead = b""
        self._is_over = False

    def headers(self) -> dict[str, str]:
        """Read as far as the part's content."""
        while True:
            start = self._ahead.find(self._delimiter)
            end = _HEADER.search(self._ahead, max(start, 0)) if start >= 0 else None
            if end is not None:
                break
            data = self._raw.read(_STEP_BYTES, decode_content=False)
            if not data or len(self._ahead) > _MOST_HEADER_BYTES:
                raise BadResponse("the answer announces pictures that replace each other, and has none")
            self._ahead += data
        lines = self._ahead[start : end.start()].decode("latin-1").splitlines()[1:]
        self._ahead = self._ahead[end.end() :]
        fields = (line.partition(":") for line in lines)
        kinds = [value.strip() for name, _, value in fields if name.lower() == "content-type"]
        return {"content-type": kinds[0]} if kinds else {}

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        """The next bytes of the part; none at its end."""
        while not self._is_over:
            end = self._ahead.find(b"\n" + self._delimiter)
            if end >= 0:
                self._is_over = True
                return self._ahead[:end].removesuffix(b"\r")
            # the rest may be the start of a delimiter
            sure = len(self._ahead) - len(self._delimiter) - 2
            if sure > 0:
                found, self._ahead = self._ahead[:sure], self._ahead[sure:]
                return found
            data = self._raw.read(min(amt, _STEP_BYTES), decode_content=decode_content)
            if not data:
                self._is_over = True
                return self._ahead
            self._ahead += data
        return b""

"""A decoder for the part of CBOR (RFC 8949) that assertions of Content Credentials need, within limits."""

from __future__ import annotations

import struct

_MAX_ITEMS = 2000
_MAX_DEPTH = 16
_INDEFINITE = 31
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_BREAK = object()


def decoded(data: bytes) -> object:
    """The first item in *data*: None, booleans, numbers, text, bytes, lists and dictionaries; tags are left out.

    A key that is not text is left out with its value. Raises ValueError for anything else, and beyond 2,000 items or 16
    levels.
    """
    item = _Reader(data).item(0)
    if item is _BREAK:
        raise ValueError("a break without a beginning")
    return item


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._items = 0

    def item(self, depth: int) -> object:
        self._items += 1
        if depth > _MAX_DEPTH or self._items > _MAX_ITEMS:
            raise ValueError("more than is read")
        head = self._take(1)[0]
        major, info = head >> 5, head & 0x1F
        if major == 7:  # noqa: PLR2004 - simple values and floats
            return self._simple(info)
        length = None if info == _INDEFINITE else self._number(info)
        match major:
            case 0 | 1 if length is not None:
                return -1 - length if major else length
            case 2 | 3:
                content = self._string(major, length)
                return content if major == 2 else content.decode("utf-8", "replace")  # noqa: PLR2004
            case 4:
                return list(self._sequence(length, depth))
            case 5:
                return self._map(length, depth)
            case 6 if length is not None:
                return self.item(depth + 1)
        raise ValueError("no item begins like that")

    def _simple(self, info: int) -> object:
        if info == _INDEFINITE:
            return _BREAK
        if info in _FLOATS:
            pattern = _FLOATS[info]
            return struct.unpack(pattern, self._take(struct.calcsize(pattern)))[0]
        if info == 24:  # noqa: PLR2004 - one byte more
            self._take(1)
        return _SIMPLE.get(info)

    def _number(self, info: int) -> int:
        if info < 24:  # noqa: PLR2004 - the number itself
            return info
        if info > 27:  # noqa: PLR2004
            raise ValueError("a reserved length")
        return int.from_bytes(self._take(1 << info - 24), "big")

    def _string(self, major: int, length: int | None) -> bytes:
        if length is not None:
            return self._take(length)
        parts = []
        while (head := self._take(1)[0]) != 0xFF:  # noqa: PLR2004 - the break
            self._items += 1
            if head >> 5 != major or head & 0x1F == _INDEFINITE or self._items > _MAX_ITEMS:
                raise ValueError("a part of another kind")
            parts.append(self._take(self._number(head & 0x1F)))
        return b"".join(parts)

    def _sequence(self, length: int | None, depth: int) -> list[object]:
        found: list[object] = []
        while length is None or len(found) < length:
            item = self.item(depth + 1)
            if item is _BREAK:
                if length is None:
                    break
                raise ValueError("a break in the midst")
            found.append(item)
        return found

    def _map(self, length: int | None, depth: int) -> dict[str, object]:
        found = self._sequence(None if length is None else 2 * length, depth)
        if len(found) % 2:
            raise ValueError("a key without a value")
        return {
            key: value for key, value in zip(found[::2], found[1::2], strict=True) if isinstance(key, str)
        }

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) < size:
            raise ValueError("it ends early")
        self._at += size
        return part

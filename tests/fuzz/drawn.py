"""Choices from bytes: the same bytes always make the same ones, and every byte string makes some."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")

_INTEGERS = (0, 1, -1, 2, 10, 255, 2**31 - 1, 2**31, 2**53, 2**62, 2**63 - 1, -(2**63), 2**64 - 1)
_FLOATS = (0.0, 0.5, -1.0, 1e8, 1e9, 1e308, float("inf"), float("-inf"), float("nan"), 5e-324, 3)
_TEXTS = (
    "", "a", "page", "image", "http://a.example/0.png", "https://b.example/p?x=1#f", "data:image/png;sha256=00",
    "\0", "\x1b[2J", "../../x", "images/a/b.png", "no url", "é" * 40, "x" * 600, "0" * 32, "a" * 64, "not-found",
    "\ud7ff\uffff", "1e999", "http://[::1]/", "max-depth", "saved",
)  # fmt: skip
_URLS = (
    "http://victim.example/0.png", "http://victim.example/1.png", "http://victim.example/0.html",
    "http://b.example/a-100x100.png", "http://b.example/a-200x200.png", "http://b.example/a.png", "https://c.example/",
    "http://b.example/a.png?sid=0123456789abcdef0123", "http://b.example/a.png?sid=0123456789abcdef4567",
    "data:image/png;sha256=" + "0" * 64, "http://" + "d" * 70 + ".example/", "http://e.example/" + "x" * 3000,
)  # fmt: skip
_CONTENT = b"GIF89a, and so on"
_LIKELY: dict[str, tuple[Any, ...]] = {
    "url": _URLS,
    "page_url": _URLS,
    "instead_of": _URLS,
    "final_url": _URLS,
    "path": ("images/a.gif", "images/b/c.gif", "images/c.png", "images/../a.gif", "images/a.gif/b.gif"),
    "upload": ("0" * 32, "1" * 32),
    "sha256": (hashlib.sha256(_CONTENT).hexdigest(), hashlib.sha256(b"").hexdigest()),
    "size_bytes": (len(_CONTENT), 0, 1001),
    "offset": (0, 3, len(_CONTENT)),
    "data": (_CONTENT, _CONTENT[:3], _CONTENT[3:], b""),
    "worker_id": ("victim", "w1"),
    "id": ("victim", "w1", 1, 2, 3, 4, 5, 6),
    "serial": (1, 2, 0),
    "count": (10, 1),
    "slots": (10, 1),
    "reason": ("not-found", "server-error", ""),
    "kept_out_by": ("", "max-depth"),
    "machine": ("box",),
    "dhash": ("", "0123456789abcdef"),
}
"""Values that lead further than any would, by the name of what they are for."""
_OTHERS = (None, True, -1, 1.5, "text", [], {}, [[]], {"a": {}}, b"\0", "")
_MOST_ITEMS = 4
_WRONG = 251  # of 256; beyond it comes a value of another type


class Drawn:
    """What is left of some bytes. Where none are left, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def one_of(self, choices: Sequence[T]) -> T:
        """By a letter: ``a`` is the first, so that a corpus can be written by hand."""
        return choices[(self.byte() - ord("a")) % len(choices)] if self.left else choices[0]

    def number(self) -> int:
        return self.byte() << 8 | self.byte()

    def bytes(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        taken, self._at = self._data[self._at :], max(self._at, len(self._data))
        return taken

    @property
    def left(self) -> int:
        return max(0, len(self._data) - self._at)

    def text(self) -> str:
        """Of any length up to 255 bytes, or one that others have stumbled over."""
        size = self.byte()
        return _TEXTS[size % len(_TEXTS)] if size > 63 else self.bytes(size).decode("utf-8", "replace")

    def integer(self) -> int:
        kind = self.byte()
        return self.number() if kind > 127 else _INTEGERS[kind % len(_INTEGERS)]

    def real(self) -> float:
        kind = self.byte()
        if kind < 128:
            return float(struct.unpack(">d", self.bytes(8).rjust(8, b"\0"))[0])
        return _FLOATS[kind % len(_FLOATS)]

    def value(self, kind: Any, name: str = "") -> Any:
        """Something that could be sent as a *kind* under that name, as plain data; once in a while of another kind."""
        return self._named(name, inspect.type_info(kind), 0)

    def _named(self, name: str, info: inspect.Type, depth: int) -> Any:
        inner = info.type if isinstance(info, inspect.Metadata) else info
        kind = {inspect.StrType: str, inspect.IntType: int, inspect.BytesType: bytes}.get(type(inner), object)
        likely = [value for value in _LIKELY.get(name, ()) if isinstance(value, kind)]
        return self.one_of(likely) if likely and self.byte() & 7 else self._of(info, depth)

    def _of(self, info: inspect.Type, depth: int) -> Any:  # noqa: C901, PLR0911, PLR0912 - one case a type
        if depth > 6 or self.byte() > _WRONG:
            return self.one_of(_OTHERS)
        match info:
            case inspect.UnionType(types=types):
                return self._of(types[self.byte() % len(types)], depth)
            case inspect.StructType(fields=fields, array_like=array_like):
                few = self.byte()
                given = {
                    field.encode_name: self._named(field.name, field.type, depth + 1)
                    for n, field in enumerate(fields)
                    if field.required or array_like or not few >> (n % 8) & 1
                }
                if array_like:
                    return list(given.values())
                return given | ({info.tag_field: info.tag} if info.tag_field else {})
            case inspect.EnumType(cls=cls):
                return self.one_of([item.value for item in cls])
            case inspect.StrType():
                return self.text()
            case inspect.IntType():
                return self.integer()
            case inspect.FloatType():
                return self.real()
            case inspect.BoolType():
                return bool(self.byte() & 1)
            case inspect.BytesType():
                return self.bytes(self.byte())
            case inspect.NoneType():
                return None
            case inspect.DictType(key_type=key, value_type=value):
                return {
                    self.text(): self._of(value, depth + 1) for _ in range(self.byte() % _MOST_ITEMS) if key
                }
            case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
                return [self._of(item, depth + 1) for _ in range(self.byte() % _MOST_ITEMS)]
            case inspect.CollectionType(item_type=item):
                return [self._of(item, depth + 1) for _ in range(self.byte() % _MOST_ITEMS)]
            case inspect.TupleType(item_types=items):
                return [self._of(item, depth + 1) for item in items]
            case _:
                return self.one_of(_OTHERS)

    def struct(self, kind: type[T]) -> T | None:
        """A *kind* that is one to its decoder; None for what it refuses."""
        try:
            return msgspec.convert(self.value(kind), kind)
        except (msgspec.ValidationError, OverflowError):
            return None

"""Reads training and data mining assertions in the JUMBF boxes of Content Credentials.

Sources: CAWG Training and Data Mining Assertion 1.1; C2PA 1.4, section 19.23 (the same under older names); ISO/IEC
19566-5. Neither signatures nor hashes are verified: a forged assertion only forbids one's own picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from crawler.download import cbor, isobmff
from crawler.models import OptOut
from crawler.opt_outs.purposes import TRAINING_MINING, said

_MARK = b".training-mining"
_LABEL = re.compile(r"(?:cawg|c2pa)\.training-mining(?:\.v[0-9]+)?(?:__[0-9]+)?")
_STORE_UUID_BYTES = 16
_MAX_BOXES = 4000
_MAX_TOLD = 16
_MAX_ENTRIES = 64
_MAX_DEPTH = 8
_HAS_LABEL = 0x02
_NO = ("notAllowed", "constrained")
"""``constrained`` means not allowed, in the absence of additional information (CAWG, section 3.1)."""


class _Manifests:
    """Reads boxes, up to _MAX_BOXES in all."""

    def __init__(self) -> None:
        self._left = _MAX_BOXES

    def boxes(self, data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        """Kind and content of each box in *data*."""
        for box in isobmff.boxes(data, 0, len(data), limit=self._left):
            self._left -= 1
            yield box.kind, data[box.start : box.end]

    def assertions(self, data: memoryview, depth: int = 0) -> Iterator[tuple[str, bytes, bytes]]:
        """Label, kind and content of each assertion in the superbox with the content *data*."""
        label = ""
        for kind, content in self.boxes(data):
            if kind == b"jumd":
                label = _label(content)
            elif kind == b"jumb" and depth < _MAX_DEPTH:
                yield from self.assertions(content, depth + 1)
            elif _LABEL.fullmatch(label) and kind in (b"cbor", b"json"):
                yield label, kind, bytes(content)


def in_store(data: bytes) -> list[OptOut]:
    """The opt-outs in *data*, a C2PA manifest store. Never raises.

    The last of several manifests is that of the image (C2PA, "active manifest"). Those before it are of its
    ingredients, and forbid nothing.
    """
    if _MARK not in data:
        return []
    reader = _Manifests()
    told = []
    for outer, store in reader.boxes(memoryview(data)):
        if outer != b"jumb":
            continue
        manifests = [content for kind, content in reader.boxes(store) if kind == b"jumb"]
        for manifest in manifests:
            is_own = manifest is manifests[-1]
            found = islice(reader.assertions(manifest), _MAX_TOLD)
            told += [_told(*assertion, is_own=is_own) for assertion in found]
    return told[:_MAX_TOLD]


def _label(content: memoryview) -> str:
    toggles = content[_STORE_UUID_BYTES : _STORE_UUID_BYTES + 1]
    if not toggles or not toggles[0] & _HAS_LABEL:
        return ""
    start = _STORE_UUID_BYTES + 1
    return bytes(content[start : start + 256]).partition(b"\0")[0].decode("ascii", "replace")


def _told(label: str, kind: bytes, content: bytes, *, is_own: bool) -> OptOut:
    whose = "c2pa" if is_own else "c2pa, of an ingredient,"
    place = f"{whose} {label}"
    try:
        read = cbor.decoded(content) if kind == b"cbor" else msgspec.json.decode(content.strip(b"\0"))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return said(TRAINING_MINING, place, "unreadable", ())
    uses = list(_uses(read))
    words = [f"{use.name.partition('.')[2]}=notAllowed" for use in uses if use.said in _NO]
    text = ", ".join(f"{use.name}={use.said}{f' ({use.info})' if use.info else ''}" for use in uses)
    return said(TRAINING_MINING, place, text, words if is_own else ())


class _Use(NamedTuple):
    name: str
    said: str
    info: str
    """The terms of a ``constrained`` use."""


def _uses(read: object) -> Iterator[_Use]:
    """The entries of an assertion; older texts of the specification lack the map around them."""
    entries = read.get("entries", read) if isinstance(read, dict) else None
    if not isinstance(entries, dict):
        return
    for name, entry in islice(entries.items(), _MAX_ENTRIES):
        use = entry.get("use") if isinstance(entry, dict) else None
        if isinstance(use, str):
            info = entry.get("constraint_info") or entry.get("constraints_info")
            yield _Use(str(name), use, info if isinstance(info, str) else "")

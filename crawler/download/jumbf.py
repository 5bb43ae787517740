"""What Content Credentials say of the use of an image: training and data mining assertions, found in JUMBF boxes.

Sources: CAWG Training and Data Mining Assertion 1.1; C2PA 1.4, section 19.23 (the same by its older names); ISO/IEC
19566-5. Nothing is verified: neither signature nor hash. Who forges such an assertion forbids his own picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from crawler.download import cbor
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
"""What is constrained is not allowed, in the absence of additional information (CAWG, section 3.1)."""


class _Box(NamedTuple):
    kind: bytes
    content: memoryview


class _Manifests:
    """Counts what it looks at."""

    def __init__(self) -> None:
        self.left = _MAX_BOXES

    def boxes(self, data: memoryview) -> Iterator[_Box]:
        position = 0
        while position + 8 <= len(data) and self.left > 0:
            self.left -= 1
            size, header = int.from_bytes(data[position : position + 4], "big"), 8
            if size == 1:
                size, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
            elif size == 0:
                size = len(data) - position
            if size < header:
                return
            kind = bytes(data[position + 4 : position + 8])
            yield _Box(kind, data[position + header : position + size])
            position += size

    def assertions(self, data: memoryview, depth: int = 0) -> Iterator[tuple[str, bytes, bytes]]:
        """Label, kind and content of each box that is labelled as one, in the superbox with the content *data*."""
        label = ""
        for box in self.boxes(data):
            if box.kind == b"jumd":
                label = _label(box.content)
            elif box.kind == b"jumb" and depth < _MAX_DEPTH:
                yield from self.assertions(box.content, depth + 1)
            elif _LABEL.fullmatch(label) and box.kind in (b"cbor", b"json"):
                yield label, box.kind, bytes(box.content)


def in_store(data: bytes) -> list[OptOut]:
    """What the manifests in *data* say, a C2PA manifest store. Never raises.

    Of several manifests the last one is that of the image (C2PA, "active manifest"); those before are of what it was
    made of, and forbid nothing.
    """
    if _MARK not in data:
        return []
    reader = _Manifests()
    told = []
    for outer in reader.boxes(memoryview(data)):
        if outer.kind != b"jumb":
            continue
        manifests = [box for box in reader.boxes(outer.content) if box.kind == b"jumb"]
        for manifest in manifests:
            is_own = manifest is manifests[-1]
            found = islice(reader.assertions(manifest.content), _MAX_TOLD)
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
    """About what is constrained."""


def _uses(read: object) -> Iterator[_Use]:
    """What each entry says; an older text of the specification had them without the map around."""
    entries = read.get("entries", read) if isinstance(read, dict) else None
    if not isinstance(entries, dict):
        return
    for name, entry in islice(entries.items(), _MAX_ENTRIES):
        use = entry.get("use") if isinstance(entry, dict) else None
        if isinstance(use, str):
            info = entry.get("constraint_info") or entry.get("constraints_info")
            yield _Use(str(name), use, info if isinstance(info, str) else "")

"""SVG: read as XML to its end, never rendered, nothing outside it ever loaded."""

from __future__ import annotations

import re
from xml.parsers import expat

from crawler.errors import CorruptImage, NotAnImage, TruncatedImage, UnsupportedFormat

_SVG = re.compile(rb"<(?:[\w.-]+:)?svg[\s/>]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD_BYTES = 64 * 1024
_MAX_ENTITY_CHARS = 128
"""Illustrator declares name spaces as entities; nothing honest needs long ones, or one within another."""
_MAX_PX = 1_000_000
_CUT_SHORT = frozenset(
    {
        expat.errors.codes[text]
        for text in (
            expat.errors.XML_ERROR_NO_ELEMENTS,
            expat.errors.XML_ERROR_UNCLOSED_TOKEN,
            expat.errors.XML_ERROR_PARTIAL_CHAR,
            expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        )
    }
)
_LENGTH = re.compile(r"\s*\+?(\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(px|pt|pc|mm|cm|in|q)?\s*", re.IGNORECASE)
_PX_PER_UNIT = {
    "": 1.0,
    "px": 1.0,
    "in": 96.0,
    "pt": 96 / 72,
    "pc": 16.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
    "q": 96 / 101.6,
}


def may_be_svg(data: bytes) -> bool:
    """Whether there is an ``<svg`` near the start, where XML is to be expected."""
    head = data[:_HEAD_BYTES]
    if head.startswith(_UTF_16):
        head = head.replace(b"\0", b"")
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<") and _SVG.search(head) is not None


def svg_size(data: bytes) -> tuple[int, int]:
    """Width and height in CSS pixels, of its attributes or else its viewBox; 0 where neither tells.

    Raises NotAnImage for XML whose root is something else, UnsupportedFormat for one that brings external or
    nested entities, TruncatedImage, CorruptImage.
    """
    root: list[tuple[str, dict[str, str]]] = []
    depth = 0
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        if not root:
            if name.rpartition(":")[2] != "svg":
                raise NotAnImage(f"it is an XML document with the root <{name[:60]}>")
            root.append((name, attributes))
        depth += 1

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    def entity(
        name: str,
        is_parameter: bool,  # noqa: FBT001 - expat's signature
        value: str | None,
        _base: str | None,
        _system: str | None,
        _public: str | None,
        _notation: str | None,
    ) -> None:
        if is_parameter or value is None or "&" in value or len(value) > _MAX_ENTITY_CHARS:
            raise UnsupportedFormat(
                f"the SVG declares the entity {name[:60]!r}, which is external, nested or long"
            )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as exc:
        complete = root and not depth
        if not complete:
            kind = TruncatedImage if exc.code in _CUT_SHORT else CorruptImage
            raise kind(f"the SVG is not well-formed XML: {exc}") from exc
    except (ValueError, LookupError) as exc:  # an encoding that Python does not have
        raise CorruptImage(f"the SVG can't be read: {exc}") from exc
    attributes = root[0][1]
    return _size(attributes)


def _size(attributes: dict[str, str]) -> tuple[int, int]:
    box = re.split(r"[\s,]+", attributes.get("viewBox", "").strip())
    box_width, box_height = box[2:] if len(box) == 4 else ("", "")  # noqa: PLR2004 - min-x min-y width height
    return (
        _pixels(attributes.get("width", "")) or _pixels(box_width),
        _pixels(attributes.get("height", "")) or _pixels(box_height),
    )


def _pixels(length: str) -> int:
    match = _LENGTH.fullmatch(length[:40])
    if not match:
        return 0
    pixels = float(match[1]) * _PX_PER_UNIT[(match[2] or "").lower()]
    return round(pixels) if pixels < _MAX_PX else 0

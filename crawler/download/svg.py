"""Reads an SVG as XML to its end; renders nothing, and loads nothing outside it.

XML can take far more time and memory than it has bytes. Whatever costs more than linear is refused: entities that
expand to much, default attributes. The rest takes some 40 times the file's size where a file is all names, so large
ones are read where memory has a limit.
"""

from __future__ import annotations

import re
from xml.parsers import expat

from crawler.download.formats import EXTENSIONS, ImageInfo
from crawler.errors import CorruptImage, NotAnImage, TruncatedImage, UnsupportedFormat
from crawler.text.plain_errors import plain, quoted

_SVG = re.compile(rb"<(?:[\w.-]+:)?svg[\s/>]")
_FIRST_TAG = re.compile(rb"<([A-Za-z_][\w.:-]*)")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD_BYTES = 64 * 1024
_MAX_ENTITY_CHARS = 128
"""Illustrator declares name spaces as entities. Nothing honest needs long or nested ones."""
_MAX_EXPANSION_CHARS = 4 * 2**20
_MAX_DEFAULT_ATTRIBUTES = 60
_MAX_DEFAULT_CHARS = 4096
"""A DTD may give each of a million elements attributes that they do not name."""
_CHUNK_BYTES = 64 * 1024
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
_LENGTH = re.compile(
    r"\s*+\+?((?:\d*+\.)?\d++(?:[eE][+-]?\d++)?)\s*+(px|pt|pc|mm|cm|in|q)?\s*+", re.IGNORECASE
)
_BETWEEN_NUMBERS = re.compile(r"[\s,]++")
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
    """Whether *data* begins like XML and has an ``<svg`` near its start."""
    head = data[:_HEAD_BYTES]
    if head.startswith(_UTF_16):
        head = head.replace(b"\0", b"")
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<") and _SVG.search(head) is not None


def svg_info(data: bytes) -> ImageInfo:
    """The facts of an SVG. Its size in CSS pixels comes from its attributes, else its viewBox; 0 without either.

    Raises NotAnImage for XML with another root; UnsupportedFormat for external, nested or very many entities;
    TruncatedImage; CorruptImage.
    """
    reader = _Reader(data)
    try:
        reader.feed()
    except expat.ExpatError as exc:
        first = _FIRST_TAG.search(data, 0, _HEAD_BYTES)
        if reader.root is None and first and first[1].rpartition(b":")[2] != b"svg":
            raise NotAnImage("it is no XML, and its first element is not <svg>") from exc
        if not reader.complete:
            kind = TruncatedImage if exc.code in _CUT_SHORT else CorruptImage
            raise kind(
                f"the SVG {'ends early' if kind is TruncatedImage else 'is broken'}: {plain(exc)}"
            ) from exc
    except (ValueError, LookupError) as exc:  # an encoding that Python does not have
        raise CorruptImage(f"the SVG can't be read: {plain(exc)}") from exc
    width_px, height_px = _size(reader.root or {})
    return ImageInfo(
        format="svg", extension=EXTENSIONS["svg"], width_px=width_px, height_px=height_px, frames=1
    )


class _Reader:
    """Reads a whole XML document, and keeps the attributes of its root."""

    def __init__(self, data: bytes) -> None:
        self.root: dict[str, str] | None = None
        self._depth = self._longest = self._defaults = self._default_chars = 0
        self._data = data
        self._references = data.count(b"&")
        # no interning of names: there may be millions
        parser = self._parser = expat.ParserCreate(None, None, None)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.EntityDeclHandler = self._entity
        parser.AttlistDeclHandler = self._default_attribute

    @property
    def complete(self) -> bool:
        """Whether the root has been closed; what follows is not part of the picture."""
        return self.root is not None and not self._depth

    def feed(self) -> None:
        """Parse in pieces, so that other threads have their turn. A piece grows where no end of a tag is in sight:
        before 2.6, expat reads an unfinished tag anew with each piece.
        """
        view = memoryview(self._data)
        position, size = 0, _CHUNK_BYTES
        while position < len(view):
            before = self._parser.CurrentByteIndex
            self._parser.Parse(view[position : position + size], False)
            position += size
            size = _CHUNK_BYTES if self._parser.CurrentByteIndex > before else size * 2
        self._parser.Parse(b"", True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self.root is None:
            if name.rpartition(":")[2] != "svg":
                raise NotAnImage(f"it is an XML document with the root <{name[:60]}>")
            self.root = attributes
        self._depth += 1

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _entity(self, name: str, is_parameter: int, value: str | None, *_: object) -> None:
        if is_parameter or value is None or "&" in value or len(value) > _MAX_ENTITY_CHARS:
            raise UnsupportedFormat(
                f"the SVG declares the entity {quoted(name[:60])}, which is external, nested or long"
            )
        self._longest = max(self._longest, len(value))
        # no handler sees the expansion within attributes
        if self._references * self._longest > _MAX_EXPANSION_CHARS:
            raise UnsupportedFormat(f"the SVG uses entities like {quoted(name[:60])} too often")

    def _default_attribute(
        self, element: str, _name: str, _kind: str, default: str | None, _required: int
    ) -> None:
        self._defaults += 1
        self._default_chars += len(default or "")
        if self._defaults > _MAX_DEFAULT_ATTRIBUTES or self._default_chars > _MAX_DEFAULT_CHARS:
            raise UnsupportedFormat(f"the SVG declares much for others, the last of it for <{element[:60]}>")


def _size(attributes: dict[str, str]) -> tuple[int, int]:
    box = _BETWEEN_NUMBERS.split(attributes.get("viewBox", "").strip())
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

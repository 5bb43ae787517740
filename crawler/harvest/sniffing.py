"""Tells the kind of a document by its declared type or its first bytes, and decompresses it (``sitemap.xml.gz``)."""

from __future__ import annotations

import re
import zlib
from collections import Counter

_XML_TYPES = frozenset({"application/xml", "text/xml"})
_UNTOLD_TYPES = _XML_TYPES | {"", "unknown/unknown", "application/unknown", "*/*", "application/octet-stream"}
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?[^>]*>)*+"
    rb"<(?:!doctype\s+(?:[\w.-]{1,64}:)?html|(?:[\w.-]{1,64}:)?html|"
    rb"head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
"""MIME Sniffing, section 7.1, and XHTML."""
_IMAGE_START = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:avi[fs]|hei[cx]|mif1)|BM.{4}\0\0\0\0|"
    rb"\0\0[\1\2]\0|(?:\s++|<!--.*?-->|<\?xml[^>]*>|<!DOCTYPE svg[^>]*>)*+<svg[\s>]",
    re.DOTALL,
)
_XML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?[^>]*>|<!DOCTYPE[^>\[]*>)*+<(?:[\w.-]+:)?(?:(?P<feed>rss|feed|rdf)|"
    rb"(?P<sitemap>urlset|sitemapindex))[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_ROOT = re.compile(
    rb"<(?:[\w.-]{1,64}:)?(?:(?P<feed>rss|feed|rdf)|(?P<sitemap>urlset|sitemapindex))[\s/>]", re.IGNORECASE
)
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|body)[\s>]", re.IGNORECASE)
_LOOKED_AT_BYTES = 65_536
"""Bytes in which the root of a sitemap or feed is sought: PHP warnings and plug-ins' comments may come first."""
_SNIFFED_BYTES = 1445
GZIP_MAGIC = b"\x1f\x8b"
_STEP_BYTES = 4096
_MAX_MEMBERS = 10_000
_MAX_LAYERS = 3
"""Layers of gzip: a compressed file that its server compresses again, and one more."""
FEED_TYPES = frozenset(f"application/{name}" for name in ("rss+xml", "atom+xml", "rdf+xml", "feed+json"))
_DECLARED = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/css": "css",
    "application/manifest+json": "manifest",
    **dict.fromkeys(FEED_TYPES, "feed"),
}


def kind_of(content_type: str, content: bytes) -> str:
    """The kind of a document: ``html``, ``css``, ``image``, ``manifest``, ``feed``, ``sitemap``, ``gzip`` or ``other``.

    The declared type counts; the first bytes where it is missing or meaningless (WHATWG MIME Sniffing, section 7.1).
    """
    if content_type.startswith("image/"):
        return "image"
    kind = _DECLARED.get(content_type)
    if kind is None and content_type in _UNTOLD_TYPES:
        kind = _sniffed(content[:_SNIFFED_BYTES])
    if kind is None and content_type.endswith("xml"):
        kind = root_kind(content) or None
    return kind or ("gzip" if content.startswith(GZIP_MAGIC) else "other")


def is_xml(content_type: str) -> bool:
    """Whether a page of that type is read as XML (WHATWG MIME Sniffing, "XML MIME type")."""
    return content_type.endswith("+xml") or content_type in _XML_TYPES


def opened(
    content: bytes, content_type: str, *, wanted: str, max_bytes: int, left_out: Counter[str]
) -> tuple[bytes, str]:
    """The document without gzip, and its kind; *wanted* is the kind that is expected.

    The contents decide on a ``sitemap`` and a ``feed``, not the declared type, which is HTML at not a few servers.
    """
    sought = wanted in ("feed", "sitemap")
    kind = kind_of(content_type, content)
    if kind == "gzip" or (sought and content.startswith(GZIP_MAGIC)):
        what = wanted if sought else "sitemap"
        content = gunzipped(content, max_bytes=max_bytes, left_out=left_out, what=what)
        kind = kind_of("", content)
    if sought:
        kind = root_kind(content) or (kind_of("", content) if kind == "html" else kind)
    return content, kind


def root_kind(content: bytes) -> str:
    """``feed`` or ``sitemap`` by the root element, else "". Skips whatever stands before it; reads UTF-16 too."""
    head = content[:_LOOKED_AT_BYTES].replace(b"\0", b"")
    found = _ROOT.search(head)
    if found is None or _PAGE.search(head, 0, found.start()):
        return ""
    return found.lastgroup or ""


def _sniffed(head: bytes) -> str | None:
    if _HTML_START.match(head):
        return "html"
    if _IMAGE_START.match(head):
        return "image"
    found = _XML_START.match(head)
    return found.lastgroup if found else None


def gunzipped(content: bytes, *, max_bytes: int, left_out: Counter[str], what: str) -> bytes:
    """*content* without gzip (RFC 1952), as far as it can be decompressed: several members, one layer in another.

    At most *max_bytes*; a larger file counts ``WHAT-cut`` in *left_out*. A file that ends early or is broken yields all
    before that point, and counts ``WHAT-broken``. Never raises.
    """
    for _ in range(_MAX_LAYERS):
        if not content.startswith(GZIP_MAGIC):
            break
        content, flaw = _undone(content, max_bytes)
        if flaw:
            left_out[f"{what}-{flaw}"] += 1
    return content


def _undone(content: bytes, max_bytes: int) -> tuple[bytes, str]:
    """The contents of one layer, and its flaw, if any. Bytes after the last member are padding."""
    found = bytearray()
    position = 0
    for _ in range(_MAX_MEMBERS):
        if not content.startswith(GZIP_MAGIC, position):
            return bytes(found), ""
        stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        while not stream.eof:
            step = content[position : position + _STEP_BYTES]
            position += len(step)
            before = stream.copy()
            try:
                found += stream.decompress(step, max_bytes + 1 - len(found))
            except zlib.error:
                return bytes(found + _up_to_the_fault(before, step))[:max_bytes], "broken"
            if len(found) > max_bytes:
                return bytes(found[:max_bytes]), "cut"
            if not step:
                return bytes(found), "broken"
        position -= len(stream.unused_data)
    return bytes(found), "cut"


def _up_to_the_fault(stream: zlib._Decompress, step: bytes) -> bytes:
    """The bytes that zlib makes of *step* before its error: within one call it withholds them."""
    found = bytearray()
    try:
        for byte in step:
            found += stream.decompress(bytes((byte,)))
    except zlib.error:
        pass
    return bytes(found)

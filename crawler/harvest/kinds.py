"""What was fetched, by its declared type or its first bytes."""

from __future__ import annotations

import re

_UNTOLD_TYPES = frozenset(
    {
        "",
        "unknown/unknown",
        "application/unknown",
        "*/*",
        "application/octet-stream",
        "application/xml",
        "text/xml",
    }
)
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?xml[^>]*>)*+<(?:!doctype\s+(?:[\w.-]+:)?html|(?:[\w.-]+:)?html|head|body|script|iframe|h1|div|font|"
    rb"table|a|style|title|b|br|p)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
"""MIME Sniffing, section 7.1, and XHTML."""
_IMAGE_START = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:avi[fs]|hei[cx]|mif1)|BM.{4}\0\0\0\0|"
    rb"\0\0[\1\2]\0|(?:\s++|<!--.*?-->|<\?xml[^>]*>|<!DOCTYPE (?:[\w.-]+:)?svg[^>]*>)*+<(?:[\w.-]+:)?svg[\s>]",
    re.DOTALL,
)
_XML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?[^>]*>|<!DOCTYPE[^>\[]*>)*+<(?:[\w.-]+:)?(?:(?P<feed>rss|feed|rdf)|"
    rb"(?P<sitemap>urlset|sitemapindex))[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_XML_TYPES = frozenset({"application/xhtml+xml", "application/xml", "text/xml"})
_XML_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?\s*+<\?xml\s")
_GZIP_START = b"\x1f\x8b"
_SNIFFED_BYTES = 1445
_DECLARED = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/css": "css",
    "application/manifest+json": "manifest",
    "application/rss+xml": "feed",
    "application/atom+xml": "feed",
    "application/rdf+xml": "feed",
    "application/feed+json": "feed",
}


def kind_of(content_type: str, content: bytes) -> str:
    """What was fetched: ``html``, ``css``, ``image``, ``manifest``, ``feed``, ``sitemap``, ``gzip`` or ``other``.

    The declared type counts; the first bytes decide when none, or one that says nothing, is declared (WHATWG
    MIME Sniffing, section 7.1).
    """
    if content_type.startswith("image/"):
        return "image"
    kind = _DECLARED.get(content_type)
    if kind is None and content_type in _UNTOLD_TYPES:
        kind = _sniffed(content[:_SNIFFED_BYTES])
    return kind or ("gzip" if content.startswith(_GZIP_START) else "other")


def is_xml(content_type: str, content: bytes) -> bool:
    """Whether a page is XHTML that browsers read as XML: by its declared type, or by its declaration where none is
    (MIME Sniffing, section 7.1). A DOCTYPE says nothing of that.
    """
    if content_type in _XML_TYPES:
        return True
    return content_type in _UNTOLD_TYPES and _XML_DECLARATION.match(content) is not None


def _sniffed(head: bytes) -> str | None:
    if _HTML_START.match(head):
        return "html"
    if _IMAGE_START.match(head):
        return "image"
    found = _XML_START.match(head)
    return found.lastgroup if found else None

"""What was fetched, by its declared type or its first bytes."""

from __future__ import annotations

import re

_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
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
    rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?xml[^>]*>)*+<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|"
    rb"table|a|style|title|b|br|p)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
"""MIME Sniffing, section 7.1, and XHTML."""
_IMAGE_START = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:avi[fs]|hei[cx]|mif1)|BM.{4}\0\0\0\0|"
    rb"\0\0[\1\2]\0|(?:\s++|<!--.*?-->|<\?xml[^>]*>|<!DOCTYPE svg[^>]*>)*+<svg[\s>]",
    re.DOTALL,
)
_SNIFFED_BYTES = 1445


def kind_of(content_type: str, content: bytes) -> str:
    """What was fetched: ``html``, ``css``, ``image`` or ``other``.

    The declared type counts; the first bytes decide when none, or one that says nothing, is declared (WHATWG
    MIME Sniffing, section 7.1).
    """
    if content_type in _HTML_TYPES:
        return "html"
    if content_type == "text/css":
        return "css"
    if content_type.startswith("image/"):
        return "image"
    if content_type in _UNTOLD_TYPES:
        head = content[:_SNIFFED_BYTES]
        if _HTML_START.match(head):
            return "html"
        if _IMAGE_START.match(head):
            return "image"
    return "other"

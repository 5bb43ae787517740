"""Which characters the bytes of XML documents and of text files stand for, as they are found."""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from crawler.harvest import encoding as html_encoding

_HEAD_BYTES = 1024
_NOT_ASCII = bytes(range(128, 256))
_UNDECODED = re.compile("[\udc80-\udcff]+")


def decoded(content: bytes, content_type: str = "") -> str:
    """The text of an XML document or of a text file; *content_type* is the whole header. Never raises.

    UTF-16 shows by its zeros, whatever is declared (XML, appendix F). Bytes that can't be UTF-8 in a document that says
    it is are taken for windows-1252: a template in UTF-8 around titles in Latin-1 is no rarity.
    """
    encoding = declared(content, content_type)
    if encoding.startswith("utf-16") and b"\0" not in content[:64]:
        encoding = "utf-8"
    elif not encoding.startswith("utf-16") and b"\0" in content[:2]:
        encoding = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
    if encoding != "utf-8":
        return html_encoding.decoded(content, encoding)
    text = content.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    return _UNDECODED.sub(_as_windows_1252, text)


def declared(content: bytes, content_type: str = "") -> str:
    """Python's name for its encoding: UTF-8 where nothing else is declared, whatever the bytes look like."""
    if content.startswith((BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)):
        return html_encoding.encoding_of_xml(content[:4], content_type)
    encoding = html_encoding.encoding_of_xml(content, content_type)
    return "utf-8" if encoding == "cp1252" and _says_nothing(content, content_type) else encoding


def _says_nothing(content: bytes, content_type: str) -> bool:
    head = content[:_HEAD_BYTES].translate(None, _NOT_ASCII)
    return html_encoding.encoding_of_html(head, content_type) == "utf-8"


def _as_windows_1252(found: re.Match[str]) -> str:
    return found[0].encode("ascii", "surrogateescape").decode("cp1252", "replace")

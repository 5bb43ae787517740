"""Which characters the bytes of XML documents and of text files stand for, as they are found."""

from __future__ import annotations

import re
from codecs import BOM_UTF8

from crawler.harvest.encoding import decoded as html_decoded
from crawler.harvest.encoding import encoding_of_xml

_UNDECODED = re.compile("[\udc80-\udcff]+")


def decoded(content: bytes, content_type: str = "") -> str:
    """The text of an XML document or of a text file; *content_type* is the whole header. Never raises.

    UTF-16 shows by its zeros, whatever is declared (XML, appendix F). Bytes that can't be UTF-8 in a document that says
    it is are taken for windows-1252: a template in UTF-8 around titles in Latin-1 is no rarity.
    """
    encoding = encoding_of_xml(content, content_type)
    if encoding.startswith("utf-16") and b"\0" not in content[:64]:
        encoding = "utf-8"
    elif not encoding.startswith("utf-16") and b"\0" in content[:2]:
        encoding = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
    if encoding != "utf-8":
        return html_decoded(content, encoding)
    text = content.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape")
    return _UNDECODED.sub(_as_windows_1252, text)


def _as_windows_1252(found: re.Match[str]) -> str:
    return found[0].encode("ascii", "surrogateescape").decode("cp1252", "replace")

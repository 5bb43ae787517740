"""Finds out the character encoding of a document as browsers do (WHATWG Encoding and HTML standards).

webencodings has the labels of all encodings of the web; :mod:`.legacy_encodings` has what Python's codecs do otherwise.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from functools import lru_cache, partial
from html import unescape
from urllib.parse import quote

import webencodings

from crawler.harvest import legacy_encodings
from crawler.harvest.markup import S, attributes_of, name_of, tags

_PRESCAN_BYTES = 1024
"""Bytes within which a declaration counts wherever it stands, as in browsers; later ones count within the head."""
_MOST_OF_A_HEAD_BYTES = 2**20
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF16_LE, "utf-16-le"))
_MENTIONED = re.compile("charset", re.IGNORECASE)
_IN_HEAD = frozenset({"base", "link", "meta", "noscript", "object", "script", "style", "title"})
_AROUND_IT = frozenset({"head", "html"})
"""Any other tag, and the end tags of these, end the head."""
_CHARSET = re.compile(rf"charset[{S}]*+=[{S}]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^{S};\"']++))", re.IGNORECASE)
_CSS_CHARSET = re.compile(rb'@charset "([^"]{1,64})";')
_XML_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']{1,64})[\"']")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_MAX_REFERENCE_CHARS = 8192
"""Longer references are never fetched."""
_SAFE_IN_QUERY = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
_HEADER_CHARSET = re.compile(r"charset\s*=\s*\"?\s*([^\s\";]+)", re.IGNORECASE)

_UNDECODED = re.compile("[\udc80-\udcff]+")
"""Bytes that are not UTF-8, as "surrogateescape" stands for them."""
_NO_ENCODING = "replacement"
"""The encoding of labels that hide markup from filters; browsers show nothing of such documents."""


def encoding_of_html(content: bytes, content_type: str = "") -> str:
    """Python's name for the encoding of an HTML document; *content_type* is the whole header."""
    return _encoding(content, content_type, _declared_in_html)


def encoding_of_xml(content: bytes, content_type: str = "") -> str:
    """Python's name for the encoding of an XML document: UTF-8 unless declared otherwise (XML, section 4.3.3).

    A ``<meta>`` is no declaration in XML. It is believed where nothing else is declared and the bytes are not UTF-8, as
    in browsers.
    """
    return _encoding(content, content_type, _declared_in_xml)


def decode_xml(content: bytes, content_type: str = "") -> str:
    """The text of an XML document or of a text file; *content_type* is the whole header. Never raises.

    UTF-16 shows by its zeros, whatever is declared (XML, appendix F). Bytes that can't be UTF-8, in a document that
    says it is, are taken for windows-1252: a template in UTF-8 around titles in Latin-1 is no rarity.
    """
    encoding = encoding_of_xml(content, content_type)
    if encoding.startswith("utf-16") and b"\0" not in content[:64]:
        encoding = "utf-8"
    elif not encoding.startswith("utf-16") and b"\0" in content[:2]:
        encoding = "utf-16-be" if content.startswith(b"\0") else "utf-16-le"
    if encoding != "utf-8":
        return decoded(content, encoding)
    text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    return _UNDECODED.sub(_as_windows_1252, text)


def _as_windows_1252(found: re.Match[str]) -> str:
    return found[0].encode("ascii", "surrogateescape").decode("cp1252", "replace")


def decode_css(content: bytes, content_type: str = "") -> str:
    """The text of a style sheet (CSS Syntax section 3.2); never raises."""
    return decoded(content, _encoding(content, content_type, _declared_in_css))


def with_query_in(encoding: str, reference: str) -> str:
    """*reference* with its query encoded as a document in *encoding* means it; paths are always in UTF-8.

    Source: https://url.spec.whatwg.org/#query-state, "percent-encode after encoding". A character that *encoding* lacks
    becomes a numeric character reference, as in forms.
    """
    if reference.isascii() or len(reference) > _MAX_REFERENCE_CHARS or encoding.startswith("utf-"):
        return reference
    before, mark, rest = reference.partition("?")
    query, hash_mark, fragment = rest.partition("#")
    return f"{before}{mark}{_NOT_ASCII.sub(partial(_escaped, encoding), query)}{hash_mark}{fragment}"


def _escaped(encoding: str, found: re.Match[str]) -> str:
    text = found[0]
    try:
        return quote(legacy_encodings.encode(text, encoding), safe=_SAFE_IN_QUERY)
    except UnicodeEncodeError:
        pass
    pieces = []
    for char in text:
        try:
            pieces.append(quote(legacy_encodings.encode(char, encoding), safe=_SAFE_IN_QUERY))
        except UnicodeEncodeError:
            pieces.append(f"%26%23{ord(char)}%3B")
    return "".join(pieces)


def _encoding(content: bytes, content_type: str, declared: Callable[[bytes], str | None]) -> str:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return encoding
    header = _HEADER_CHARSET.search(content_type)
    encoding_told = (python_codec(header[1]) if header else None) or declared(content)
    return encoding_told or ("utf-8" if _is_utf_8(content) else "cp1252")


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decoded(content: bytes, encoding: str) -> str:
    """The text of *content*, without its byte order mark, in *encoding*, a name of Python's. Never raises."""
    bom = next((bom for bom, _ in _BOMS if content.startswith(bom)), b"")
    return legacy_encodings.decode(content.removeprefix(bom), encoding)


def python_codec(label: str) -> str | None:
    """Python's name for the encoding that *label* means on the web, or None for an unknown label.

    Source: https://encoding.spec.whatwg.org/#names-and-labels, by webencodings.
    """
    encoding = webencodings.lookup(label)
    if encoding is None or encoding.name == _NO_ENCODING:
        return None
    return legacy_encodings.CODECS.get(encoding.name) or encoding.codec_info.name


def _declared_in_css(content: bytes) -> str | None:
    return _in_ascii_document(_label(_CSS_CHARSET.match(content)))


def _declared_in_html(content: bytes) -> str | None:
    return _declared_in_meta(content) or _declared_at_top(content)


def _declared_in_xml(content: bytes) -> str:
    declared = _declared_at_top(content)
    return declared or (None if _is_utf_8(content) else _declared_in_meta(content)) or "utf-8"


def _declared_at_top(content: bytes) -> str | None:
    """The encoding in the XML declaration."""
    return _label(_XML_ENCODING.match(content[:_PRESCAN_BYTES].lstrip()))


def _declared_in_meta(content: bytes) -> str | None:
    """The encoding in a ``<meta>`` of the head, or in one of the first bytes (HTML, "prescan a byte stream").

    The standard does not say how far to look. Here it is as far as in Chromium (HTMLMetaCharsetParser).
    """
    head = content[:_MOST_OF_A_HEAD_BYTES].decode("latin-1")
    mentioned = _MENTIONED.search(head)
    if not mentioned:
        return None
    end = head.find(">", mentioned.end()) + 1
    # nearly always the first mention declares it, and pages of a site begin alike
    encoding = _declared_at_start(head[:end]) if 0 < end <= _PRESCAN_BYTES else None
    return encoding or _declared_in_tags(head)


def _declared_in_tags(head: str) -> str | None:
    in_head = True
    for tag in tags(head):
        name, is_whole = name_of(tag), tag.end("void") < tag.start("text")
        if name == "meta" and is_whole and not tag["slash"] and (encoding := _declared_by(tag)):
            return encoding
        in_head = in_head and (name in _IN_HEAD or (name in _AROUND_IT and not tag["slash"]))
        if not in_head and tag.start("text") >= _PRESCAN_BYTES:
            break
    return None


_declared_at_start = lru_cache(maxsize=256)(_declared_in_tags)


def _declared_by(meta: re.Match[str]) -> str | None:
    """The encoding that a ``<meta>`` declares, or None."""
    attributes: dict[str, str] = {}
    for name, value in attributes_of(meta):
        attributes.setdefault(name.lower(), unescape(value))
    label = attributes.get("charset", "")
    if not label and attributes.get("http-equiv", "").strip().lower() == "content-type":
        found = _CHARSET.search(attributes.get("content", ""))
        label = next(filter(None, found.groups()), "") if found else ""
    return _in_ascii_document(python_codec(label)) if label else None


def _label(found: re.Match[bytes] | None) -> str | None:
    return python_codec(found[1].decode("ascii", "replace")) if found else None


def _in_ascii_document(encoding: str | None) -> str | None:
    """A declaration that was read as ASCII can't be true if it says UTF-16."""
    return "utf-8" if encoding and encoding.startswith("utf-16") else encoding

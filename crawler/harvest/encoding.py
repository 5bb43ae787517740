"""Which characters a document's bytes stand for, found out as browsers do (WHATWG Encoding and HTML
standards).
"""

from __future__ import annotations

import codecs
import re
from functools import partial
from urllib.parse import quote

_PRESCAN_BYTES = 1024
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF16_LE, "utf-16-le"))
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta[\s/][^>]*", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)
_CSS_CHARSET = re.compile(rb'@charset "([^"]{1,64})";')
_XML_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']{1,64})[\"']")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_MAX_REFERENCE_CHARS = 8192
"""What is longer is no URL to fetch."""
_SAFE_IN_QUERY = "!$%&()*+,-./:;=?@[\\]^_`{|}~"
_HEADER_CHARSET = re.compile(r"charset\s*=\s*\"?\s*([^\s\";]+)", re.IGNORECASE)

_WHATWG_LABELS = {
    # Python's names for the encodings that the standard means by these labels, where Python means others
    **dict.fromkeys(
        ("ascii", "us-ascii", "ansi_x3.4-1968", "iso-8859-1", "iso8859-1", "iso_8859-1", "iso88591"), "cp1252"
    ),
    **dict.fromkeys(("latin1", "latin-1", "l1", "windows-1252", "cp819", "x-cp1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("iso-8859-9", "iso8859-9", "latin5", "l5"), "cp1254"),
    **dict.fromkeys(("iso-8859-11", "tis-620", "tis620"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk", "gb_2312-80", "chinese", "x-gbk", "gb18030"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601", "korean", "windows-949"), "cp949"),
    **dict.fromkeys(("big5", "big5-hkscs", "cn-big5", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("utf8", "unicode-1-1-utf-8", "x-unicode20utf8"), "utf-8"),
    **dict.fromkeys(("utf-16", "utf-16le", "unicode", "ucs-2", "iso-10646-ucs-2"), "utf-16-le"),
    **dict.fromkeys(("x-mac-roman", "macintosh", "mac"), "mac-roman"),
    "iso-8859-8-i": "iso-8859-8",
    "x-user-defined": "cp1252",
}
_CODECS = """
    utf-8 utf-16-le utf-16-be gb18030 big5hkscs euc_jp iso2022_jp koi8-r koi8-u mac-roman mac-cyrillic
    cp866 cp874 cp932 cp949 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258
    iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13 iso8859-14
    iso8859-15 iso8859-16
"""
_TEXT_CODECS = frozenset(_CODECS.split())
"""The encodings of the standard, by the names that Python knows them by; no other codec is ever used."""


def decode_html(content: bytes, content_type: str = "") -> str:
    """The text of an HTML document; *content_type* is the whole header. Never raises."""
    return decoded(content, encoding_of_html(content, content_type))


def encoding_of_html(content: bytes, content_type: str = "") -> str:
    """Python's name for the encoding of an HTML document; *content_type* is the whole header."""
    head = content[:_PRESCAN_BYTES]
    declared = _declared_in_meta(head) or _label(_XML_ENCODING.match(head.lstrip()))
    return _encoding(content, content_type, declared)


def decode_css(content: bytes, content_type: str = "") -> str:
    """The text of a style sheet (CSS Syntax section 3.2); never raises."""
    declared = _in_ascii_document(_label(_CSS_CHARSET.match(content)))
    return decoded(content, _encoding(content, content_type, declared))


def with_query_in(encoding: str, reference: str) -> str:
    """*reference* with its query as a document in *encoding* means it: only paths are always in UTF-8.

    Source: https://url.spec.whatwg.org/#query-state, "percent-encode after encoding". What *encoding* has no
    character for becomes a numeric character reference, as in forms.
    """
    if reference.isascii() or len(reference) > _MAX_REFERENCE_CHARS or encoding.startswith("utf-"):
        return reference
    before, mark, rest = reference.partition("?")
    query, hash_mark, fragment = rest.partition("#")
    return f"{before}{mark}{_NOT_ASCII.sub(partial(_escaped, encoding), query)}{hash_mark}{fragment}"


def _escaped(encoding: str, found: re.Match[str]) -> str:
    text = found[0]
    try:
        return quote(text.encode(encoding), safe=_SAFE_IN_QUERY)
    except UnicodeEncodeError:
        pass
    pieces = []
    for char in text:
        try:
            pieces.append(quote(char.encode(encoding), safe=_SAFE_IN_QUERY))
        except UnicodeEncodeError:
            pieces.append(f"%26%23{ord(char)}%3B")
    return "".join(pieces)


def _encoding(content: bytes, content_type: str, declared: str | None) -> str:
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return encoding
    header = _HEADER_CHARSET.search(content_type)
    told = (python_codec(header[1]) if header else None) or declared
    if told is not None:
        return told
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def decoded(content: bytes, encoding: str) -> str:
    """The text of *content*, without its byte order mark; *encoding* is what :func:`encoding_of_html` says. Never
    raises.
    """
    for bom, _ in _BOMS:
        if content.startswith(bom):
            return content[len(bom) :].decode(encoding, "replace")
    return content.decode(encoding, "replace")


def python_codec(label: str) -> str | None:
    """Python's name for the encoding that the web means by *label*, or None for what is no encoding of the
    web.
    """
    label = label.strip().lower()
    name = _WHATWG_LABELS.get(label, label.replace("windows-", "cp"))
    try:
        name = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return name if name in _TEXT_CODECS else None


def _declared_in_meta(head: bytes) -> str | None:
    for meta in _META.finditer(_COMMENT.sub(b"", head)):
        if encoding := _in_ascii_document(_label(_CHARSET.search(meta[0]))):
            return encoding
    return None


def _label(found: re.Match[bytes] | None) -> str | None:
    return python_codec(found[1].decode("ascii", "replace")) if found else None


def _in_ascii_document(encoding: str | None) -> str | None:
    """A declaration that could be read can't be in UTF-16, whatever it says."""
    return "utf-8" if encoding and encoding.startswith("utf-16") else encoding

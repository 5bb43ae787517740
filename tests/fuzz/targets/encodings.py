"""Bytes of any encoding, and what says which one it is."""

from __future__ import annotations

import codecs

from crawler.harvest import encoding, legacy_encodings
from tests.fuzz.drawn import Drawn
from tests.support.harvesting import decode_html

_LABELS = (
    "", "utf-8", "utf-16le", "utf-16be", "shift_jis", "euc-jp", "iso-2022-jp", "gb18030", "big5", "euc-kr",
    "windows-1252", "x-user-defined", "replacement", "koi8-u", "macintosh", "no such encoding",
)  # fmt: skip


def fuzz(data: bytes) -> None:
    drawn = Drawn(data)
    label = drawn.one_of(_LABELS)
    header = f"text/html; charset={label}" if label else ""
    content = drawn.rest()
    for text in (
        decode_html(content, header),
        encoding.decode_css(content, header),
        encoding.decode_xml(content, header),
    ):
        text.encode()
        assert len(text) <= len(content) + 8
    for name in (encoding.encoding_of_html(content, header), encoding.encoding_of_xml(content, header)):
        assert encoding.decoded(content, name) == encoding.decoded(content, name)
    codec = encoding.python_codec(content[:40].decode("latin-1"))
    assert codec is None or codecs.lookup(codec)
    reference = content.decode("utf-8", "replace")
    for name in (encoding.python_codec(label) or "utf-8", encoding.encoding_of_html(content, header)):
        escaped = encoding.with_query_in(name, reference)
        escaped.encode()
        assert encoding.with_query_in(name, escaped) == escaped, "what is escaped is so once"
        assert escaped.partition("?")[0] == reference.partition("?")[0]
    legacy_encodings.decode(content, "cp932").encode()

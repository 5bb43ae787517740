from __future__ import annotations

import codecs

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st
from webencodings.labels import LABELS

from crawler.harvest.encoding import decode_css, python_codec, with_query_in
from tests.support.cpu_time import cpu_below
from tests.support.harvesting import decode_html


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        ("é".encode(), "text/html", "é"),
        (b"\xe9", "text/html", "é"),
        (b"\x80", "", "€"),
        (b"", "text/html; charset=utf-8", ""),
        (codecs.BOM_UTF8 + "é".encode(), "text/html; charset=iso-8859-1", "é"),
        (codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), "", "é"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "text/html", "é"),
        ("é".encode(), "text/html; charset=iso-8859-1", "Ã©"),
        (b"\x80", "text/html; charset=ISO-8859-1", "€"),
        (b"\x80", 'text/html;charset="us-ascii"', "€"),
        ("п".encode("koi8-r"), "text/html; charset=KOI8-R", "п"),
        ("日".encode("shift_jis"), "text/html; charset=x-sjis", "日"),
        ("日".encode("euc_jp"), "text/html; charset=euc-jp", "日"),
        ("한".encode("cp949"), "text/html; charset=euc-kr", "한"),
        ("国".encode("gbk"), "text/html; charset=gb2312", "国"),
        ("國".encode("big5"), "text/html; charset=big5", "國"),
        (b"\xff", "text/html; charset=utf-8", "\ufffd"),
        ("é".encode(), "text/html; charset=no-such-thing", "é"),
        (b"\xe9", "text/html; charset=rot13", "é"),
        ("ab".encode("utf-16-le"), "text/html; charset=utf-16", "ab"),
    ],
)
def test_bom_header_and_guess(content: bytes, content_type: str, text: str) -> None:
    assert decode_html(content, content_type) == text


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("<meta charset=windows-1251>", "cp1251"),
        ("<META CHARSET = 'windows-1251' >", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1251>", "cp1251"),
        ("<meta charset=nonsense><meta charset=windows-1251>", "cp1251"),
        ('<?xml version="1.0" encoding="windows-1251"?><html>', "cp1251"),
        ("<meta charset=utf-16>", "utf-8"),
        (f"<script>{' ' * 1100}</script><meta charset=koi8-r>", "koi8-r"),
        (f"<title>{'x' * 5000}</title><link rel=x><style>p {{}}</style><meta charset=koi8-r>", "koi8-r"),
        (f"{' ' * 1100}<p><meta charset=koi8-r>", "utf-8"),
        (f"{' ' * 1100}</head><meta charset=koi8-r>", "utf-8"),
        ("<body><p><meta charset=koi8-r>", "koi8-r"),
        ("<meta name=description content='text/html; charset=koi8-r'>", "utf-8"),
        ("<meta name=description content='charset=koi8-r is old'><meta charset=cp1251>", "cp1251"),
        ("<title><meta charset=koi8-r></title><meta charset=cp1251>", "cp1251"),
        ("<script>'<meta charset=koi8-r>'</script><meta charset=cp1251>", "cp1251"),
        ("<link title=\"it's\"><meta data-x='<' charset=cp1251>", "cp1251"),
        ('<p title="5" screen"><meta charset=cp1251>', "cp1251"),
        ("<meta charset=iso-2022-kr><meta charset=cp1251>", "cp1251"),
        ("<meta content='text/html; charset=\"cp1251\"' http-equiv=CONTENT-TYPE>", "cp1251"),
        ("<meta name=description content='no charset here'>", "utf-8"),
        ("<style>a='</style><meta charset=cp1251>'", "cp1251"),
        ("<textarea><meta charset=koi8-r></textarea><meta charset=cp1251>", "cp1251"),
        ("<script><!--<script>'</script><meta charset=koi8-r>--></script><meta charset=cp1251>", "cp1251"),
        ('<meta =">" charset=koi8-r><meta ="x" charset=cp1251>', "cp1251"),
        ("<meta charset=windows&#45;1251>", "cp1251"),
        ("</meta charset=koi8-r><meta charset=cp1251>", "cp1251"),
        (f"<script>{'x' * 1100}</script></script><meta charset=cp1251>", "cp1251"),
        (f"{' ' * 1100}</div><meta charset=cp1251>", "utf-8"),
        ("<meta charset=koi8-r", "utf-8"),
    ],
)
def test_declarations_in_the_first_bytes_and_in_the_head(head: str, encoding: str) -> None:
    assert decode_html(head.encode() + "привет".encode(encoding)).endswith("привет")


def test_the_header_wins_over_the_document() -> None:
    assert decode_html(b"<meta charset=koi8-r>" + "п".encode("cp1251"), "text/html;charset=cp1251")[-1] == "п"


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b'@charset "windows-1251";' + "п".encode("cp1251"), "text/css", "п"),
        (b'@charset "utf-16le";' + "п".encode(), "text/css", "п"),
        (b"@charset 'windows-1251';" + "п".encode(), "text/css", "п"),
        (b'@charset "koi8-r";' + "п".encode("cp1251"), "text/css; charset=windows-1251", "п"),
        (b"\xe9", "text/css", "é"),
    ],
)
def test_style_sheets(content: bytes, content_type: str, text: str) -> None:
    assert decode_css(content, content_type)[-1] == text


@pytest.mark.parametrize(
    ("label", "content", "text"),
    [
        ("shift_jis", b"\x87\x40\x81\x60", "①～"),  # noqa: RUF001
        ("euc-jp", b"\xad\xa1\xa1\xc1\x8e\xb1", "①～ｱ"),  # noqa: RUF001
        ("euc-jp", b"\xad<\xff\xa1", "\ufffd<\ufffd\ufffd"),
        ("iso-2022-jp", b"\x1b(I1\x1b(B", "ｱ"),
        ("euc-kr", b"\x8c\x63", "똠"),
        ("big5", b"\xa1\x45\xf9\xd6", "‧碁"),
        ("gbk", b"\xa6\xd9\xa3\xa0", "︐\u3000"),
        ("koi8-u", b"\xae\xbe", "ўЎ"),
        ("windows-1252", b"\x81", "\x81"),
        ("windows-1253", b"\x81\xd2", "\x81\ufffd"),
        ("windows-1255", b"\xca", "\u05ba"),
        ("x-mac-ukrainian", b"\xa2", "Ґ"),
        ("dos-874", b"\x81\xa1", "\x81ก"),
        ("logical", b"\xe0", "א"),
    ],
)
def test_what_python_reads_otherwise_is_read_as_the_standard_says(
    label: str, content: bytes, text: str
) -> None:
    assert decode_html(content, f"text/html; charset={label}") == text


def test_every_label_of_the_standard_is_known_but_for_those_of_no_encoding() -> None:
    unknown = {label for label in webencodings.LABELS if python_codec(f" {label.upper()}\n") is None}

    assert len(webencodings.LABELS) == 228
    assert unknown == {label for label, name in webencodings.LABELS.items() if name == "replacement"}


def test_a_query_is_written_as_it_is_read() -> None:
    assert with_query_in("euc_jp", "?～") == "?%A1%C1"  # noqa: RUF001


def test_only_encodings_of_the_web_are_used() -> None:
    for label in (
        "base64",
        "zip",
        "idna",
        "unicode_escape",
        "utf-7",
        "raw_unicode_escape",
        "\0",
        "é",
        "undefined",
    ):
        assert python_codec(label) is None
    for label in ("windows-1252", "UTF8", " iso-8859-15 ", "iso-8859-8-i", "macintosh"):
        name = python_codec(label)
        assert name is not None
        assert b"a".decode(name) == "a"


@given(
    st.binary(max_size=200),
    st.text(max_size=40) | st.sampled_from(["text/html; charset=utf-16", "charset=iso-2022-jp"]),
)
def test_any_bytes_are_text(content: bytes, content_type: str) -> None:
    assert isinstance(decode_html(content, content_type), str)
    assert isinstance(decode_css(content, content_type), str)


@pytest.mark.parametrize(
    ("encoding", "reference", "expected"),
    [
        ("cp932", "/温泉?q=温泉&s=1#温", "/温泉?q=%89%B7%90%F2&s=1#温"),
        ("cp932", "?q=真", "?q=%90^"),  # bytes that are ASCII characters stay
        ("cp1251", "a?q=ё%20ж", "a?q=%B8%20%E6"),
        ("cp1252", "a?q=é€温", "a?q=%E9%80%26%2328201%3B"),
        ("utf-8", "a?q=é", "a?q=é"),
        ("utf-16-le", "a?q=é", "a?q=é"),
        ("cp1252", "é", "é"),
        ("cp1252", "a?q=e", "a?q=e"),
    ],
)
def test_a_query_is_in_the_encoding_of_its_document(encoding: str, reference: str, expected: str) -> None:
    assert with_query_in(encoding, reference) == expected


@given(st.sampled_from(["cp932", "cp1252", "iso2022_jp", "utf-8"]), st.text(max_size=30))
def test_any_reference_has_a_query(encoding: str, reference: str) -> None:
    once = with_query_in(encoding, reference)
    assert with_query_in(encoding, once) == once
    assert once.partition("?")[0] == reference.partition("?")[0]


@pytest.mark.parametrize(("label", "name"), sorted(LABELS.items()))
def test_every_label_of_the_standard_is_known(label: str, name: str) -> None:
    codec = python_codec(f" {label.upper()} ")
    if name == "replacement":
        assert codec is None
        return
    assert codec is not None
    sample = {
        "koi8-r": "\u0436",
        "x-mac-cyrillic": "\u0436",
        "windows-1251": "\u0436",
        "euc-jp": "\u65e5",
        "big5": "\u570b",
    }
    text = sample.get(name, "a")
    assert decode_html(text.encode(codec), f"text/html; charset={label}") == text


@pytest.mark.parametrize(
    "unit", [b"<a ", b"<script ", b"<!--", b'<meta charset="', b'<a x=">"', b"<title>", b"='", b"<"]
)
def test_looking_for_a_declaration_takes_time_in_proportion(unit: bytes) -> None:
    with cpu_below(2):
        decode_html(b"<!-- charset -->" + unit * (2**20 // len(unit)))

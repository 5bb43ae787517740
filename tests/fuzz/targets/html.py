"""Markup, by both parsers: elements in the order of the document, with what they may have."""

from __future__ import annotations

from collections import Counter
from string import ascii_uppercase

from crawler.errors import LEFT_OUT, NotHtml
from crawler.harvest.html import PARSERS, parse
from crawler.harvest.html_bombs import made_harmless
from crawler.harvest.parser_base import Element
from crawler.harvest.shingles import pieces
from crawler.harvest.xhtml import as_html
from tests.support.harvesting import decode_html


def fuzz(data: bytes) -> None:
    text = decode_html(data)
    for html in (text, as_html(text)):
        harmless = made_harmless(html)
        assert made_harmless(harmless) == harmless or len(made_harmless(harmless)) <= len(harmless)
        for parser in PARSERS:
            left_out: Counter[str] = Counter()
            try:
                elements = parse(html, parser=parser, left_out=left_out)
            except NotHtml:
                continue
            assert left_out.keys() <= LEFT_OUT.keys()
            check(elements, html)
    assert all(pieces(text))


def check(elements: list[Element], html: str) -> None:
    numbers = [element.number for element in elements]
    assert numbers == sorted(set(numbers)), "numbers are those of places in the document"
    assert not numbers or numbers[0] >= 1
    assert len(elements) <= html.count("<") + 4  # what HTML adds by itself: html, head, body
    for element in elements:
        assert element.name
        assert not set(ascii_uppercase) & set(element.name)
        for name, value in element.attributes.items():
            assert name
            assert isinstance(value, str)
        for text in (
            element.label,
            element.hint,
            element.caption,
            element.heading,
            element.around,
            element.text,
        ):
            text.encode("utf-8")  # no half of a surrogate pair, which no message could carry
        "".join(element.attributes.values()).encode("utf-8")

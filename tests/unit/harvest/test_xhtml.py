"""XHTML says what HTML says: the same document in both syntaxes gives the same elements."""

from __future__ import annotations

from html import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.harvest.encoding import decode_xml
from crawler.harvest.html import PARSERS, parse
from crawler.harvest.parser_base import Element
from crawler.harvest.xhtml import as_html
from tests.support.cpu_time import cpu_below
from tests.support.saved_pages import read

VOID = frozenset({"img", "br", "input", "link", "meta"})
EMPTY = ("div", "span", "script", "title", "textarea", "iframe", "a", "svg", "style")
_TEXT = st.text("ab <&>\"'\u00e9\u6f22]", max_size=8)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(["src", "alt", "class", "href", "data-src", "title"]), _TEXT, max_size=3
)
Tree = tuple[str, dict[str, str], list["Tree | str"]]
_TREES: st.SearchStrategy[Tree] = st.recursive(
    st.tuples(st.sampled_from([*sorted(VOID), *EMPTY]), _ATTRIBUTES, st.just([])),
    lambda inner: st.tuples(
        st.sampled_from(["div", "span", "figure", "section", "picture", "h2"]),
        _ATTRIBUTES,
        st.lists(inner | _TEXT, max_size=4),
    ),
    max_leaves=12,
)


def written(tree: Tree, *, prefix: str = "", xml: bool) -> str:
    name, attributes, inside = tree
    tag = f"{prefix}{name}" + "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    if xml and not inside:
        return f"<{tag}/>"
    if name in VOID:
        return f"<{tag}>"
    parts = (
        escape(part) if isinstance(part, str) else written(part, prefix=prefix, xml=xml) for part in inside
    )
    return f"<{tag}>{''.join(parts)}</{prefix}{name}>"


def elements(html: str, parser: str) -> list[Element]:
    return parse(html, parser=parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("prefix", ["", "h:"])
@given(trees=st.lists(_TREES, max_size=3))
def test_a_document_is_the_same_in_both_syntaxes(trees: list[Tree], prefix: str, parser: str) -> None:
    name = f":{prefix.rstrip(':')}" if prefix else ""
    body = "".join(written(tree, prefix=prefix, xml=True) for tree in trees)
    document = f'<{prefix}html xmlns{name}="http://www.w3.org/1999/xhtml"><{prefix}body>{body}</{prefix}body></{prefix}html>'
    html = f"<html><body>{''.join(written(tree, xml=False) for tree in trees)}</body></html>"

    assert elements(as_html(document), parser) == elements(html, parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ("<p><img src='1.png'/><b><script/></p><img src='2.png'/>", ["1.png", "2.png"]),
        ("<img src='1.png'/>&<script/><img src='2.png'/>", ["1.png", "2.png"]),
        ("<img src='1.png'/><br><title/><img src='2.png'/>", ["1.png", "2.png"]),
        ("<img src='1.png'/><svg><image xlink:href='2.png'/></svg>", ["1.png", "2.png"]),
        ("<img src=1.png><div/><img src='2.png'/>", ["1.png", "2.png"]),
    ],
)
def test_what_is_not_well_formed_loses_nothing(broken: str, expected: list[str], parser: str) -> None:
    document = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{broken}</body></html>'
    found = read("https://e.example/", document.encode(), "application/xhtml+xml", parser=parser).images
    assert [task.url.rpartition("/")[2] for task in found] == expected


def test_what_declares_entities_of_entities_is_no_xml_here() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    text = (
        f'<!DOCTYPE html [<!ENTITY l0 "ha">{laughs}]><html><body><img src="a.png" alt="&l11;"/></body></html>'
    )
    with cpu_below(1):
        assert "a.png" in as_html(text)
        assert len(as_html(text)) < 2 * len(text)


def test_entities_of_its_own_are_expanded_where_they_are_few() -> None:
    declared = """<!ENTITY nbsp "&#160;"><!ENTITY logo '<img src="logo.png" alt="A"/>'>"""
    html = as_html(f'<!DOCTYPE html [{declared}]><html><title/><p title="a&nbsp;b">&logo;</p></html>')
    assert [element.attributes for element in parse(html) if element.name == "img"] == [
        {"src": "logo.png", "alt": "A"}
    ]
    assert 'title="a\xa0b"' in html


def test_an_entity_that_would_make_much_of_a_page_is_not_expanded() -> None:
    text = f'<!DOCTYPE html [<!ENTITY a "{"ha" * 500}">]><html><img src="a.png"/>{"&a;" * 50_000}</html>'
    html = as_html(text)
    assert len(html) < 2 * len(text)
    assert "a.png" in html


def test_prefixes_are_known_beyond_the_break() -> None:
    text = """<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:p>a & b</h:p><h:script/><h:img src="a.png"/></h:html>"""
    assert [element.attributes["src"] for element in parse(as_html(text)) if element.name == "img"] == [
        "a.png"
    ]


@pytest.mark.parametrize(
    ("content_type", "root"),
    [
        ("application/xml", "<html xmlns='http://www.w3.org/1999/xhtml'>"),
        (
            "text/xml; charset=utf-8",
            "<?xml version='1.0'?><!-- x --><html xmlns='http://www.w3.org/1999/xhtml'>",
        ),
        ("application/xhtml+xml", "<html>"),
    ],
)
def test_xml_that_is_a_page_is_one(content_type: str, root: str) -> None:
    document = f"{root}<body><script/><img src='a.png'/></body></html>"
    (task,) = read("https://e.example/", document.encode(), content_type).images
    assert task.url == "https://e.example/a.png"


def test_html_stays_html_whatever_it_declares() -> None:
    document = (
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" ""><html><title/><img src="a.png"/></html>'
    )
    assert read("https://e.example/", document.encode(), "text/html").images == ()


@given(st.text() | st.text("<>/!?[]&;\"'= abcx:-", max_size=200))
@example("<")
@example("\ufeff<a>")
@example("<a xmlns='\ud800'>")
def test_anything_gives_some_html(text: str) -> None:
    assert isinstance(as_html(text), str)


@pytest.mark.parametrize(
    "unit", ["<a>", "<a/>", "<a b='", "&amp;", "<!--", "<![CDATA[", "<a b='c'/", "]]>", "<h:a>"]
)
def test_it_takes_time_in_proportion(unit: str) -> None:
    with cpu_below(5):
        as_html("<html><body>" + unit * 100_000)
        as_html("<html><body>&" + unit * 100_000)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ('<meta charset="windows-1251"/>', "utf-8"),  # by which Chromium is not moved
        ('<meta http-equiv="content-type" content="text/html; charset=iso-8859-1"/>', "utf-8"),
        ('<meta charset="windows-1251"/>', "cp1251"),
        ("", "utf-8"),
    ],
)
def test_a_meta_declares_nothing_where_the_bytes_are_in_utf_8(declared: str, encoding: str) -> None:
    text = f'<html xmlns="http://www.w3.org/1999/xhtml"><head>{declared}</head><body>Кошка</body></html>'
    assert decode_xml(text.encode(encoding), "application/xhtml+xml") == text

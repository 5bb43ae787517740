"""The grammar of tags, held against a parser that has it: no tag that it makes an element of goes unseen."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser, LexborNode

from crawler.harvest import attributes, html_bombs
from crawler.harvest.attributes import has_few_attributes
from crawler.harvest.html import PARSERS, parse
from crawler.harvest.markup import FOREIGN_START, PLAIN_TOKEN, lower_name, name_of, tags, tokens, with_tags
from crawler.harvest.parser_base import Element

PARTS = (
    "<svg>", "</svg>", "<svg/>", "<svg a=b/>", "<math>", "</math>", "<title>", "</title>", "<title/>", "<desc>",
    "</desc>", "<foreignObject>", "</foreignObject>", "<mi>", "</mi>", "<annotation-xml>",
    "<annotation-xml encoding='text/html'>", "</annotation-xml>", "<style>", "</style>", "<style/>", "<script>",
    "</script>", "</script ", "<script ", "<!--", "-->", "--!>", "<!-->", "<!--->", "-", "<![CDATA[", "]]>",
    "<p>", "</p>", "<br>", "</br>", "<div>", "</div>", "<font>", "<font color=a>", "<b>", "<i title='",
    '<i title="', "'", '"', ">", "/>", "<", "</", "=", " ", "x", "<a href=", "<a =", "<textarea>", "</textarea>",
    "<iframe>", "</iframe>", "<select>", "</select>", "<table>", "</table>", "<td>", "<option>", "<noscript>",
    "</noscript>", "<xmp>", "</xmp>", "<template>", "</template>", "<frameset>", "<body>", "</body>", "<?x",
    "<!DOCTYPE html", "<plaintext>", "<noframes>", "</noframes>", "<g>", "</g>", "<mglyph>", "<malignmark>",
    "<lin\u212a>", '<p title="5" screen">', "<svg><title>x</title></svg>",
)  # fmt: skip
SOUPS = st.lists(st.sampled_from(PARTS), max_size=12)


def nodes(html: str) -> list[LexborNode]:
    """All elements, those in templates too."""
    found: list[LexborNode] = []
    roots = [LexborHTMLParser(html).root]
    for root in roots:  # which grow on the way
        for node in root.traverse() if root is not None else ():
            found.append(node)
            if node.tag == "template" and node.first_child is None:
                roots.extend(node.template_fragments()[:1])
    return [node for node in found if node.tag and node.tag[0] != "-"]


@given(SOUPS, st.sets(st.integers(0, 12)))
def test_every_element_is_one_of_the_tags(parts: list[str], marked: set[int]) -> None:
    html = "".join(f"{part}<m-{n}>" if n in marked else part for n, part in enumerate(parts))
    made = {node.tag for node in nodes(html) if node.tag.startswith("m-")}

    assert made <= {name_of(tag) for tag in tags(html)}


@given(SOUPS, st.sets(st.integers(0, 12)))
def test_a_tag_of_many_attributes_is_not_overlooked(parts: list[str], marked: set[int]) -> None:
    html = "".join(f"{part}<m-{n} a=1 b='>' c>" if n in marked else part for n, part in enumerate(parts))
    many = any(len(node.attributes) > 2 for node in nodes(html))

    assert not (many and has_few_attributes(html, attributes._pattern_of_few(2)))


@pytest.mark.parametrize(
    ("html", "names"),
    [
        ('<p title="5" screen"><img src=a>', "p img"),
        (
            "<svg><title/><path><style>x<b></style></svg><style><b></style><i>",
            "svg title path style b style i",
        ),
        ("<!--><b><!---><i><!-- --!><u><!-- <!--><s>", "b i u s"),
        ("<script><!-- <script> </script><b> --></script><i>", "script i"),
        ("<script><!-- </script><i><script>a='</scriptx<b>'</script ><u>", "script i script u"),
        ("""<a ="x"><b c="d>e"><i f=g'h><u>""", "a b i u"),
        ("<?x '><!doctype '></ '><b>", "b"),
        ("<svg><style><![CDATA[<b>]]><i></style></svg>", "svg style i"),
        ("<textarea><b></textarea><title><b></title><i>", "textarea title i"),
        ("it's <b>x</b> a<c 'd' <e>", "b c"),
    ],
)
def test_tags_are_what_browsers_take_for_them(html: str, names: str) -> None:
    assert [name_of(tag) for tag in tags(html) if not tag["slash"]] == names.split()


PAGES = (
    "<title>", "</title>", "<style>", "</style>", "<script>", "</script>", "</script ", "<script ", "<!--", "-->",
    "--!>", "<!-->", "<!--->", "<![CDATA[", "]]>", "<p>", "</p>", "<div>", "</div>", "<b>", "<i title='",
    '<i title="', "'", '"', ">", "<", "=", "/>", " ", "x", "<textarea>", "</textarea>", "<iframe>", "</iframe>",
    "<noscript>", "</noscript>", "<?x", "<!DOCTYPE html", '<p title="5" screen">', "<p a='b'c=\"d\">",
    "<a href=x>it's</a>", "if(a<b&&c=\"'\")", '<a ="', '<div data-x={"a":"b>c"}>', "<img alt='>' src=q.png>",
    "<img/src=r.png/>", "<img alt=\"a'b\" src=s.png title=x>", "&lt;", "&amp", "\n", "</p x='>'>",
    "<script>'<img src=n.png>'</script>", "<!-- <img src=n.png> -->", "<img src=t.png>", "<img src='u.png'>",
    "<svg><style>a{}</style><image href=v.png /><title/></svg>",
)  # fmt: skip
HONEST = st.lists(st.sampled_from(PAGES), max_size=15).map("".join)
STRAY = (
    '<p title="5" screen">', "<script>var a = b<c ? '\"' : 'it';</script>", "<!-- it's -->", "it's", '"', "<p a'b c>",
    "<svg><title/></svg>", "<a href=it's>", "<!--[if !IE]><!-->", "<style>p::before{content:'\"'}</style>",
    "a < b'", "<script>'<!--<script>'</script>-->'</script>", "<?php '>", "<title>it's</title>", "</p '>",
)  # fmt: skip


def images(elements: list[Element]) -> list[str]:
    shown = [element for element in elements if element.name in ("img", "image")]
    return [element.attributes.get("src", element.attributes.get("href", "")) for element in shown]


@given(HONEST)
def test_both_parsers_see_the_same_images_in_any_soup(html: str) -> None:
    first, second = (images(parse(html, parser=parser)) for parser in PARSERS)

    assert first == second


@given(HONEST)
def test_no_defence_changes_an_honest_page(html: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributes, "_SAFE_CHARS", 0)
        patch.setattr(html_bombs, "SAFE_NAMES_CHARS", 0)
        patch.setattr(attributes.AttributeNames, "may_be_too_many", True)
        patch.setattr(attributes, "has_few_attributes", lambda _: False)
        patch.setattr(html_bombs, "_SAFE_TAGS", 0)
        patch.setattr(html_bombs, "_is_plain", lambda _, **_large: False)

        assert html_bombs.made_harmless(html) == html


@given(SOUPS)
def test_plain_tokens_are_the_tokens_of_a_page_without_svg(parts: list[str]) -> None:
    html = "".join(parts)
    assume(not FOREIGN_START.search(html))
    plain = [(*found.span(), lower_name(found[1] or ""), found[4]) for found in PLAIN_TOKEN.finditer(html)]

    assert plain == [
        (*found.span(), f"{found['slash']}{name_of(found)}" if found["name"] else "", found["inside"])
        for found in tokens(html)
    ]


@given(
    st.lists(st.sampled_from((*PARTS, *PAGES, *"bbb", "<div>" * 3, "<b>" * 3, "<p a b c d e>"))),
    st.sampled_from((0, 10**9)),
)
def test_what_the_first_look_lets_pass_the_others_do_not_change(parts: list[str], large_chars: int) -> None:
    html = "".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributes, "_SAFE_CHARS", 0)
        patch.setattr(attributes, "_MAX_NAMES", len(attributes._NAMES_THAT_MATTER) + 5)
        patch.setattr(html_bombs, "SAFE_NAMES_CHARS", large_chars)
        patch.setattr(html_bombs, "_SAFE_TAGS", 0)
        patch.setattr(html_bombs, "_MAX_DEPTH", 4)
        patch.setattr(html_bombs, "_MAX_STEPS", 40)
        patch.setattr(html_bombs, "_MAX_REOPENED", 9)
        is_plain = html_bombs._is_plain(html, is_large=not large_chars)
        patch.setattr(html_bombs, "_is_plain", lambda _, **_large: False)

        assert not is_plain or html_bombs.made_harmless(html) == html


@given(HONEST)
def test_no_name_passes_unnoted(html: str) -> None:
    noted, compared = attributes.AttributeNames(), attributes.AttributeNames()
    passed = "".join(tag[0] for tag in noted.noted(tags(html)))
    with_tags(html, compared.without_more)

    assert passed == "".join(tag[0] for tag in tags(html))
    assert compared._known <= {name.lower() for name in noted._noted} | attributes._NAMES_THAT_MATTER


@given(HONEST)
def test_a_page_without_its_nesting_has_the_same_images(html: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_bombs, "_is_plain", lambda _, **_large: False)
        patch.setattr(html_bombs, "_is_hostile", lambda _: True)
        patch.setattr(html_bombs, "_may_be_hostile", lambda _: True)
        flat = html_bombs.made_harmless(html)

    assert images(parse(flat)) == images(parse(html))


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("stray", STRAY)
def test_a_stray_quote_costs_a_large_page_nothing(stray: str, parser: str) -> None:
    """A page of more than 64 KiB lost all but 25 of 700 images."""
    count = 700 if parser == "fast" else 400
    html = stray + "".join(
        f'<a href="p{n}">link {n}</a><img src="{n}.png" alt="picture {n}">' for n in range(count)
    )
    html += "<p>text " * (0 if parser == "fast" else 6_000)

    elements = parse(html, parser=parser)
    assert images(elements) == [f"{n}.png" for n in range(count)]
    assert (
        sum(element.name == "a" and element.attributes["href"].startswith("p") for element in elements)
        >= count
    )

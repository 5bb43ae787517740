from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import NotHtml
from crawler.harvest import lexbor, soup
from crawler.harvest.html import PARSERS, parse
from crawler.harvest.html_bombs import made_harmless
from crawler.harvest.parser_base import Element
from tests.support.cpu_time import cpu_below

MIB = 2**20


def only(html: str, name: str, parser: str = "fast") -> list[Element]:
    return [element for element in parse(html, parser=parser) if element.name == name]


@pytest.mark.parametrize("parser", PARSERS)
def test_an_element_knows_its_surroundings(parser: str) -> None:
    html = """
    <h1>Animals</h1><figure><figcaption>Two <i>cats</i></figcaption><a href="big.html"><picture>
    <source srcset="a.webp"><img src="a.png" alt="A"></picture></a></figure>
    <picture><img src="b.png"></picture>
    """
    source, first, second = (e for e in parse(html, parser=parser) if e.name in ("source", "img"))

    assert first.attributes == {"src": "a.png", "alt": "A"}
    assert (first.heading, first.caption, first.link) == ("Animals", "Two cats", "big.html")
    assert source.picture == first.picture != second.picture
    assert second.picture
    assert (second.caption, second.link) == ("", None)
    assert source.number < first.number < second.number


@pytest.mark.parametrize("parser", PARSERS)
def test_text_is_kept_where_a_rule_reads_it(parser: str) -> None:
    html = """
    <title>A &amp; B</title><style>a > b {}</style><script type="application/ld+json">{"a": "<b>"}</script>
    <script>//<![CDATA[ code("<?")</script><h2>H<b>2</b></h2><a href="x">link text</a>
    """
    texts = [(element.name, element.text) for element in parse(html, parser=parser) if element.text]

    assert texts == [
        ("title", "A & B"),
        ("style", "a > b {}"),
        ("script", '{"a": "<b>"}'),
        ("script", '//<![CDATA[ code("<?")'),
        ("h2", "H2"),
        ("a", "link text"),
    ]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<div data-x='a.png'>", True),
        ("<div data-x=a.png>", True),
        ("<div DATA-X='A.PNG?1'>", True),
        ("<div data-bg='/render/1'>", True),
        ("<div data-x='12' data-y='text'>", False),
        ("<div style='background: url(a)'>", True),
        ("<div style='b: \\75 rl(a)'>", True),
        ("<div style='b:&#117;rl(a)'>", True),
        ("<div style='color: red'>", False),
        ("<td background=a.gif>", False),
        ("<table><tr><td background=a.gif></table>", True),
        ("<div class=a>", False),
    ],
)
def test_other_elements_are_kept_when_an_attribute_may_tell_of_an_image(
    html: str, parser: str, *, kept: bool
) -> None:
    if html.startswith("<td") and parser == "beautifulsoup":
        kept = True  # a cell outside of a table is no cell in HTML; html.parser does not know that

    assert bool(parse(html, parser=parser)) is kept


@pytest.mark.parametrize("parser", PARSERS)
def test_contents_of_templates_and_noscript_stand_where_they_are_written(parser: str) -> None:
    html = """<img src=1><template><img src=2><template><img src=3></template><img src=4></template>
    <noscript><img src=5></noscript><img src=6>"""

    assert [element.attributes["src"] for element in only(html, "img", parser)] == list("123456")


def test_a_page_that_one_parser_refuses_is_read_by_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> object:
        raise lexbor.SelectolaxError("no")

    def reject(*args: object, **kwargs: object) -> object:
        raise soup.ParserRejectedMarkup("no")

    html = "<h1>x</h1><img src=a.png>"
    whole = parse(html)
    with monkeypatch.context() as patch:
        patch.setattr(lexbor, "LexborHTMLParser", refuse)
        assert parse(html, parser="fast") == whole
    monkeypatch.setattr(soup, "BeautifulSoup", reject)
    assert parse(html, parser="beautifulsoup") == whole
    monkeypatch.setattr(lexbor, "LexborHTMLParser", refuse)
    with pytest.raises(NotHtml, match="neither parser"):
        parse(html)


MARKUP = st.lists(
    st.sampled_from(
        [
            "<img src=a.png>",
            "<img src='b.png' srcset='c.png 2x'",
            "<a href=x>",
            "</a>",
            "<picture>",
            "</picture>",
            "<source srcset=s.png>",
            "<figure>",
            "<figcaption>",
            "</figure>",
            "<p class=caption>",
            "<img aria-labelledby='i j' aria-describedby=i>",
            "<i id=i>",
            "<caption>",
            "text",
            "<template>",
            "</template>",
            "<svg>",
            "</svg>",
            "<image href=i.png>",
            "<title>",
            "<style>a{b:url(c.png)}",
            "</style>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<noscript>",
            "<table><td background=t.gif>",
            "<select>",
            "\0",
            "é",
            "\ud800",
            "&amp;",
            "&copy",
            "<div data-src=d.png>",
            "<h1>",
            "</h1>",
            "<iframe>",
            "<textarea>",
            "<?x",
            "<!DOCTYPE",
            "'",
            '"',
            "<",
            ">",
        ]
    )
).map("".join)


@pytest.mark.parametrize("parser", PARSERS)
@given(html=MARKUP | st.text(max_size=200))
def test_any_text_gives_elements(parser: str, html: str) -> None:
    found = parse(html, parser=parser)

    assert [element.number for element in found] == list(range(1, len(found) + 1))
    for element in found:
        assert element.name == element.name.lower()
        assert all(isinstance(value, str) for value in element.attributes.values())


def test_beautiful_soup_says_nothing_of_xml_and_of_text_without_markup() -> None:
    assert only("<?xml version='1.0'?><x><img src='a.png'/></x>", "img", "beautifulsoup")
    assert parse("https://example.org/", parser="beautifulsoup") == []
    assert parse("", parser="beautifulsoup") == parse("") == []


def filled(markup: str, size: int = MIB) -> str:
    return markup * (size // len(markup))


HOSTILE: dict[str, Callable[[], str]] = {
    "deep": lambda: "<div>" * 100_000,
    "deep and closed": lambda: "<div>" * 80_000 + "</div>" * 80_000,
    "formatting": lambda: "".join(f"<font color={n}><p>" for n in range(50_000)),
    "misnested": lambda: filled("<b><div>"),
    "unknown": lambda: filled("<x-y>", MIB // 2) + filled("</z>", MIB // 2),
    "lists": lambda: filled("<ul><li>"),
    "links": lambda: filled("<noscript><a href=x>"),
    "attributes": lambda: "<img " + " ".join(f"a{n}=1" for n in range(100_000)) + ">",
    "quoted attributes": lambda: "<img " + " ".join(f'{n:x}=">"' for n in range(90_000)) + ">",
    "unclosed comments": lambda: filled("<!--"),
    "unclosed declarations": lambda: filled("<![CDATA["),
    "unclosed quotes": lambda: filled("<a '"),
    "unclosed values": lambda: filled('<a style="'),
    "open tags": lambda: filled("<a "),
    "data names": lambda: filled("data-"),
    "svg titles": lambda: filled("<svg><title>"),
    "templates": lambda: filled("<template>"),
    "headings": lambda: filled("<h1><span>"),
    "captions": lambda: filled("<p class=caption>x", MIB // 4),
    "deep captions": lambda: filled("<div class=caption>x" * 400 + "</div>" * 400, MIB // 4),
    "captions of many kinds": lambda: "".join(f"<i class='caption k{n}'>x</i>" for n in range(8_000)),
    "captions of one picture": lambda: "<div><img src=a>" + filled("<p class=caption>x</p>", MIB // 4),
    "captioned pictures": lambda: filled("<img src=a><p class=caption>x</p>", MIB // 4),
    "captioned figures": lambda: filled("<figure><img src=a><figcaption>x", MIB // 4),
    "pictures of one figure": lambda: (
        filled("<img src=a>", MIB // 4) + filled("<figcaption>x</figcaption>", MIB // 4)
    ),
    "figures of figures": lambda: filled(
        "<div class=figure><img src=a>" * 400 + "<p class=caption>x" + "</div>" * 400, MIB // 4
    ),
    "empty siblings": lambda: filled("<p class='caption a'>x</p>" + "<div>" + "<b></b>" * 300 + "</div>"),
    "linked pictures": lambda: "<a href=x>" + filled("<img src=a>x", MIB // 4),
    "described pictures": lambda: "<p id=x>y</p>" + filled("<img aria-describedby='x x x x x'>", MIB // 4),
}


@pytest.mark.parametrize("markup", HOSTILE)
@pytest.mark.slow
@pytest.mark.sampled(2)
def test_a_hostile_megabyte_takes_a_moment(markup: str) -> None:
    html = HOSTILE[markup]()
    with cpu_below(20):
        parse(html)


@pytest.mark.parametrize(
    "markup", ["unclosed comments", "unclosed declarations", "unclosed quotes", "unclosed values"]
)
def test_what_is_never_closed_does_not_hold_up_beautiful_soup(markup: str) -> None:
    with cpu_below(20):
        parse(HOSTILE[markup]() + "<!-- --> '\">", parser="beautifulsoup")


@pytest.mark.parametrize("parser", PARSERS)
def test_images_of_a_hostile_page_are_found_all_the_same(parser: str) -> None:
    html = "<div style='background:url(a.png)'><b class=x>" * 6_000 + "<p><img src=deep.png data-x=1.png></p>"
    found = parse(html, parser=parser)

    assert len([e for e in found if e.attributes.get("style") == "background:url(a.png)"]) == 6_000
    assert found[-1].attributes == {"src": "deep.png", "data-x": "1.png"}


def test_an_honest_page_is_parsed_as_it_is() -> None:
    rows = "<tr><td><a href=x><code class='k{0}'>a</code></a><ul><li><b>b</b><li>c</ul><p>d"
    page = "<table>" + "".join(rows.format(n % 5) for n in range(2_000)) + "</table>" + "<div><span>" * 100

    assert len(page) > 100_000
    assert made_harmless(page) == page


def test_a_tag_with_too_many_attributes_keeps_the_first() -> None:
    names = " ".join(f"a{n}" for n in range(20_000))
    (img,) = parse(f"<img src=a.png {names}>")

    assert img.attributes["src"] == "a.png"
    assert 100 < len(img.attributes) < 1_000


def test_a_long_value_is_no_reason_to_cut_a_tag() -> None:
    picture = "data:image/png;base64," + "A" * 100_000
    (img,) = parse(f"<img src='{picture}' data-src='real.png' alt='>'>")

    assert img.attributes == {"src": picture, "data-src": "real.png", "alt": ">"}


@pytest.mark.sampled(2)
@pytest.mark.slow
@pytest.mark.parametrize(
    "tag",
    ["<i a%d=1 b%d=2></i>", "<img src=/%d.png data-%d=1>", "<x-%d y=%d></x-1>", "<p></x-%d%d>"],
    ids=["attributes", "images", "tags", "ends"],
)
def test_millions_of_different_names_cost_little(tag: str) -> None:
    """A parser's tables of names are not made for so many: these took a minute."""
    pieces = [tag % (n, n) for n in range(3 * 2**20 // len(tag % (10**5, 10**5)))]
    html = f"{''.join(pieces)}<p><img src=last.png alt='the last'>"
    with cpu_below(15):
        found = [dict(element.attributes) for element in parse(html) if element.name == "img"]
    assert found[-1]["src"] == "last.png"


def test_templates_within_svg_are_elements_like_any_other() -> None:
    """To ask each for what it holds took 30 s for these."""
    with cpu_below(3):
        found = parse("<svg><template>" * 8_000 + "<image href=a.png>")
    assert found[-1].attributes == {"href": "a.png"}


@pytest.mark.parametrize(
    ("html", "slugs"),
    [
        ("<template>" * 33 + "<img src=a.png>", {"template-cut": 1}),
        ("<template>" * 33, {}),
        ("<div>" * 9_000 + "<img src=a.png>", {"markup-cut": 1}),
        (f"<img {' '.join(f'a{n}' for n in range(20_000))}>", {"markup-cut": 1}),
        (f"{'<p>text</p>' * 9_000}<img src=a.png>", {}),
    ],
    ids=["templates", "empty template", "deep", "attributes", "honest"],
)
def test_what_the_defences_cut_is_counted(html: str, slugs: dict[str, int]) -> None:
    left_out: Counter[str] = Counter()
    parse(html, left_out=left_out)

    assert left_out == slugs


HOSTILE_KINDS = (
    "<svg>|</z>", "<object>|</z>", "<video>|</audio>", "<svg><g>|</z>", "<svg><image>|</a>", "<rt>|</z>",
    "<optgroup>|</z>", "<amp-img>|</z>", "<svg><tr>|</svg>", "<math><mi>|</mo>", "<svg><title><div>|",
    "<svg><p>|", "<a><object>|</a>", "<lin\u212a>|</z>", "<svg></p><title>|<b>", "<template>|</a>",
    "<svg><template>|</g>", "<svg><style>|</z>", "<svg><a>|</b>", "<table><a>|<p>", "<svg><foreignObject>|</a>",
    "<button><p>|", "<script>x<b a='</script>|<font x='>",
)  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE_KINDS)
def test_no_kind_of_nesting_takes_long(kind: str) -> None:
    """Half of it open, half of it ends of what was never opened, for which all that is open is looked through."""
    first, second = (part and filled(part, MIB // 8) for part in kind.split("|"))
    with cpu_below(3):
        parse(first + second)


@pytest.mark.parametrize(
    "before",
    [
        "<script>var s = 'style=\"' + x;</script>",
        "<p>data-x='</p>",
        "<!-- style=' -->",
        "<p title='style=\"'>",
    ],
)
@pytest.mark.parametrize("attribute", ['style="background:url(a.png)"', "data-x='a.png'", "data-bg='/a'"])
def test_a_quote_in_a_script_hides_no_attribute(before: str, attribute: str) -> None:
    """It was taken for the start of a value, and the next real one for its end."""
    assert [e.name for e in parse(f"{before}<div {attribute}></div><p class='x'>") if e.name == "div"] == [
        "div"
    ]


@pytest.mark.parametrize(
    "page", ["<li data-tip=\"<img src='/i?7'>\">", "<p data-x='&lt;b>&lt;img src=/i&gt;'>"]
)
def test_markup_in_data_of_any_element_is_seen_though_no_image_has_an_extension(page: str) -> None:
    assert any(element.attributes.keys() & {"data-tip", "data-x"} for element in parse(page))

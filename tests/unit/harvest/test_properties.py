"""Each small grammar by itself: whatever text it is given, it neither raises nor takes long.

Whole documents, through everything that a crawl does with them, are in test_any_document.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.harvest import css, data_urls, feeds, images, json_ld, links, manifest, scripts, sitemap, srcset
from crawler.harvest.cuts import Cut
from crawler.harvest.encoding import decode_css, encoding_of_html, with_query_in
from crawler.harvest.html import parse
from crawler.harvest.html_bombs import made_harmless
from crawler.harvest.parser_base import Element
from crawler.urls import resolve
from tests.support.cpu_time import HOSTILE_BYTES, allowed_s, cpu_s
from tests.support.harvesting import decode_html

pytestmark = [pytest.mark.slow, pytest.mark.untraced]

ENOUGH_S = 5.0


def element(name: str, text: str = "", **attributes: str) -> Element:
    named = {key.replace("_", "-"): value for key, value in attributes.items()}
    return Element(name=name, attributes=named, number=1, text=text)


def references(name: str, text: str = "", **attributes: str) -> list[str]:
    found = images.found_on([element(name, text, **attributes)], guess=True)
    return [item.reference for item in found if not isinstance(item, Cut)]


GRAMMARS: dict[str, Callable[[str], Iterable[Any]]] = {
    "css": css.references,
    "srcset": srcset.parse,
    "refresh": lambda text: [links.refresh_target(text)],
    "json-ld": lambda text: list(json_ld.json_ld(element("script", text, type="application/ld+json"))),
    "json-ld below a name": lambda text: list(
        json_ld.json_ld(element("script", '{"image": [' + text, type="application/ld+json"))
    ),
    "script": lambda text: list(scripts.image_urls(element("script", text))),
    "JSON": lambda text: references("script", text, type="application/json"),
    "state": lambda text: references("script", "window.__STATE__={" + text),
    "JSON attribute": lambda text: references("p", data_x='{"a":' + text),
    "data of a script": lambda text: list(scripts.image_urls(element("div", data_x="{" + text))),
    "lazy attribute": lambda text: references("img", data_src=text, data_widths=text),
    "lazy background": lambda text: references("div", data_bg=text, data_images=text + ".png"),
    "attribute": lambda text: references("photo-card", thumbnail=text, src=text + ".png", poster=text),
    "style": lambda text: references("p", style=text, background=text),
    "preload": lambda text: references("link", rel="preload", **{"as": "image"}, href=text, imagesrcset=text),
    "microdata": lambda text: references("span", itemprop=text, content=text, property=text),
    "data: URL": lambda text: [
        data_urls.decode("data:" + text),
        data_urls.decode("data:image/png;base64," + text),
    ],
    "sitemap": lambda text: list(sitemap.read(text.encode("utf-8", "replace"))),
    "feed": lambda text: list(feeds.read(text)),
    "manifest": lambda text: list(manifest.images(text.encode("utf-8", "replace"))),
    "query": lambda text: [with_query_in("cp932", "?" + text), with_query_in("iso2022_jp", text)],
    "harmless": lambda text: [made_harmless(text)],
    "encoding": lambda text: [
        decode_html(text.encode("utf-8", "replace")),
        decode_css(b'@charset "' + text.encode("utf-8", "replace")),
        encoding_of_html(text.encode("utf-8", "replace"), text[:100]),
    ],
}

_TOKENS = (
    "<", ">", "{", "}", "[", "]", "(", ")", ",", ";", ":", '"', "'", "`", "\\", "/", "!", "@", "#", "%",
    "&", "=", ".", "-", "+", "*", "|", "~", "^", "?", "$", "a", "0", "9", "1x", "2w", "url(",
    'URL("a.png")', "image-set(", "@import", "@media", "@font-face", "src(", "<!--", "-->", "<![CDATA[",
    "]]>", "/*", "*/", "//", "\\/", "\\u002F", "\\75rl(", "data:", "image/png", ";base64,", "iVBORw0=",
    "http://", "https://h.example/a.png", "//h.example/b.jpg", "../c.gif", ".png", ".jpg", "{width}",
    "{{x}}", "${x}", "<%", '"image":', '"contentUrl":', '"@type":', '"ImageObject"', "<url>", "</url>",
    "<loc>", "<rss>", "<item>", "<enclosure", "<entry>", "<?xml", "<!DOCTYPE", "<!ENTITY", "&amp;",
    "&#x26;", "&bogus;", "null", "true", "1e999", "0;url=", "é", "温", "😀",
)  # fmt: skip
TOKENS = st.sampled_from(_TOKENS) | st.sampled_from([" ", "\n", "\t", "\f", "\r", "\0", "\ufeff", "\ud800"])
TEXT = st.lists(TOKENS, max_size=30).map("".join) | st.text(max_size=100)


@pytest.mark.parametrize("grammar", GRAMMARS)
@given(text=TEXT)
def test_nothing_raises_and_the_same_text_says_the_same(grammar: str, text: str) -> None:
    assert list(GRAMMARS[grammar](text)) == list(GRAMMARS[grammar](text))


@given(text=TEXT)
def test_what_is_found_leads_to_http_or_nowhere(text: str) -> None:
    """Or is an image that the page holds itself."""
    for reference in references("img", src=text, srcset=text, data_src=text, style=text, thumbnail=text):
        url = resolve(reference, "https://example.org/")
        assert url is None or url.startswith(("https://", "http://"))
        decoded = data_urls.decode(reference) if data_urls.is_inline(reference) else None
        assert decoded is None or decoded[0].startswith("image/")


@given(text=TEXT)
def test_a_srcset_says_nothing_that_was_not_written(text: str) -> None:
    for source in srcset.parse(text):
        assert source.url in text
        assert not source.url.startswith(",")
        assert not source.url.endswith(",")
        assert source.width_px is None or source.density is None


PARTS = (
    "<", ">", "(", ")", "{", "}", "[", "]", ",", '"', "'", "`", "\\", "/", "&", "#", ";", ":", "=", ".",
    " ", "\n", "\x00", "-", "1", "a", "é", "url(", 'url("', "url('", "image-set(", "image(", "@import",
    '@import "', "@media{", "@a(", "a{", "a{b:", "<!--", "-->", "/*", "*/", "<![CDATA[", '\\"', "\\/",
    "\\u002F", "data-", "data-a=", "style=", "style='", ".png", ".png ", "=.png", ' a=".png', "a.png,",
    "a.png 1x,", "a 1x, ", " 1", "a (", "{width}", "{{", "${", "<%", '{"a":', '"image":', '["', '"a.png"',
    '"a.png', "'a.png',", "http://", "//a/", "../", "?", "温", "温?", "%", "%4", "A=", "AAAA", "\t,", "<a ",
    "<a '", '<a "', "<img ", "<img src=a.png ", "<p><b class=x>", "<title>", "<script>", "<svg><style>",
    "</", "</a", "<a></b>", "<url>", "<url><loc>", "<loc>a</loc>", "<item>", "<rss><item>",
    "<entry><link href='", "<!ENTITY a '", "<?", "<?xml ", "&a;", "itemprop=", "itemprop=a ", "property='",
    "background", "--a:url(",
)  # fmt: skip


def seconds(work: Callable[[str], object], part: str, size: int) -> float:
    """Of the processor, for *part* repeated up to *size*."""
    text = part * (size // len(part))
    return cpu_s(lambda: work(text))


def takes_long(work: Callable[[str], object], part: str) -> bool:
    """Whether a mebibyte of *part* takes more than ENOUGH_S; not tried in full when even a time that grows with the
    square of the length would be less.
    """
    return all(is_long(seconds(work, part, HOSTILE_BYTES // share) * share**2) for share in (32, 6, 1))


def is_long(taken_s: float) -> bool:
    return taken_s > ENOUGH_S and taken_s > allowed_s(ENOUGH_S)


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_a_hostile_mebibyte_takes_a_moment(grammar: str) -> None:
    assert not [part for part in PARTS if takes_long(lambda text: list(GRAMMARS[grammar](text)), part)]


def test_a_hostile_page_takes_a_moment() -> None:
    assert not [part for part in PARTS if takes_long(parse, part)]


@pytest.mark.parametrize("part", [part for part in PARTS if "<" in part])
def test_a_hostile_page_takes_beautiful_soup_no_longer_than_another(part: str) -> None:
    """Its own pace is some 10 s for a mebibyte of tags; a sixteenth of that is enough to see what grows faster."""
    assert not is_long(seconds(lambda text: parse(text, parser="beautifulsoup"), part, HOSTILE_BYTES // 16))

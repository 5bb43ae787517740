"""References in headers: what a Link or a Refresh header names, as parsed, as elements, and as a page yields it."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.config import load
from crawler.errors import EmptyBody, NotHtml
from crawler.harvest import headers
from crawler.harvest.documents import DocumentReader
from crawler.harvest.harvest import Harvest
from crawler.harvest.headers import elements, parsed
from crawler.http import Fetched
from crawler.models import NewTask, Task, TaskKind
from crawler.scope import Scope
from tests.support.cpu_time import cpu_below

URL = "https://example.org/dir/page.html"


def read(html: str, content_type: str = "text/html", **told: str) -> Harvest:
    """What a crawl finds in a page with the headers *told*."""
    config = load(flags={"sitemaps": False})
    fetched = Fetched(
        url=URL,
        final_url=URL,
        http_status=200,
        headers={"content-type": content_type, **told},
        content=html.encode(),
    )
    task = Task(id=1, serial=1, kind=TaskKind.PAGE, url=URL, depth=0, attempt=1)
    return DocumentReader(Scope((URL,), config.scope), config).read(task, fetched)


def told(tasks: tuple[NewTask, ...]) -> list[tuple[str, str]]:
    return [
        (task.url.removeprefix("https://example.org"), task.origin.found_in) for task in tasks if task.origin
    ]


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ("<a.png>", [("a.png", {})]),
        ("<a>;rel=next", [("a", {"rel": "next"})]),
        ('<a>; rel="next prefetch"; REL=prev', [("a", {"rel": "next prefetch"})]),
        ("<a>; rel = next , <b> ; rel= prev", [("a", {"rel": "next"}), ("b", {"rel": "prev"})]),
        ('<a,b;c>; title="x, <y>; rel=z"; rel=icon', [("a,b;c", {"title": "x, <y>; rel=z", "rel": "icon"})]),
        (
            r'<a>; title="a \"quoted\" \\ one"; rel=next',
            [("a", {"title": r'a "quoted" \ one', "rel": "next"})],
        ),
        ("<a>; rel=shortcut icon; crossorigin", [("a", {"rel": "shortcut icon", "crossorigin": ""})]),
        ("<a>;;; rel=next;", [("a", {"rel": "next"})]),
        ('<a>; rel="next', [("a", {"rel": "next"})]),
        (", ,<a>; rel=next,,, <b>", [("a", {"rel": "next"}), ("b", {})]),
        (
            "junk <a>; rel=next junk, more <b>; rel=prev",
            [("a", {"rel": "next junk"}), ("b", {"rel": "prev"})],
        ),
        ("< a >;rel=next", [("a", {"rel": "next"})]),
        ("<a", []),
        ("a>; rel=next", []),
        ("", []),
        ("<>; rel=next", [("", {"rel": "next"})]),
        ('<a>; ="x"; rel=next', [("a", {})]),
    ],
)
def test_a_link_header_by_its_grammar(header: str, links: list[tuple[str, dict[str, str]]]) -> None:
    assert list(parsed(header)) == links


tokens = st.text("abcxyz09-*", min_size=1, max_size=8)
values = st.text(st.characters(exclude_characters="\n", max_codepoint=255), max_size=12)
written = st.lists(
    st.tuples(
        st.text(
            st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="<>\x85\xa0"), max_size=12
        ),
        st.dictionaries(tokens, values, max_size=4),
    ),
    max_size=4,
)


@given(written)
def test_what_is_written_by_the_grammar_is_read_again(
    links: list[tuple[str, dict[str, str]]],
) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"<{reference}>" + "".join(f"; {name}={quoted(value)}" for name, value in parameters.items())
        for reference, parameters in links
    )

    assert list(parsed(header)) == links


grammar = st.text("<>;,\"\\= \n'arelé\x85%*")


@given(st.text() | grammar, st.text() | grammar)
@example('<a>;rel=preload;as=image;imagesrcset="http://[ 2x, ,, x 1x"', "0;url='")
def test_any_header_becomes_elements(link: str, refresh: str) -> None:
    found = elements({"link": link, "refresh": refresh}, URL)
    assert [element.number for element in found] == list(range(1, len(found) + 1))
    assert {element.name for element in found} <= {"link", "meta"}


@pytest.mark.parametrize(
    "piece", ["<", "<a>", "<a>;", '<a>;b="', '"', "<a>,", ";", "<a>;b=c,", "\\", '<a>;b="\\', " "]
)
def test_no_header_takes_long(piece: str) -> None:
    header = piece * (256 * 1024 // len(piece))
    with cpu_below(1):
        list(parsed(header))


@pytest.mark.parametrize(
    ("header", "attributes"),
    [
        ("<a.png>; rel=icon", {"href": "https://example.org/dir/a.png", "rel": "icon"}),
        ("</caf\xc3\xa9?q=\xc3\xa0>", {"href": "https://example.org/caf%C3%A9?q=%C3%A0"}),
        ("</caf\xe9>", {"href": "https://example.org/caf%E9"}),
        ("</\xc3\xa0>; title=\xc3\xa0", {"href": "https://example.org/%C3%A0", "title": "à"}),
        ("<//cdn.example/x%2fy[1]>", {"href": "https://cdn.example/x%2fy[1]"}),
        (
            "<a>; title*=UTF-8'de'%e2%82%ac%20hier; title=old",
            {"href": "https://example.org/dir/a", "title": "€ hier"},
        ),
        ("<a>; title*=ISO-8859-1'en'%A3; title=old", {"href": "https://example.org/dir/a", "title": "£"}),
        ("<a>; title*=no'such; title=old", {"href": "https://example.org/dir/a", "title": "old"}),
        ("<a>; style=x; data-bg=y; itemprop=image; href=z", {"href": "https://example.org/dir/a"}),
        ("<a>; anchor=page.html", {"href": "https://example.org/dir/a"}),
        ("<data:image/png;base64,AA==>", {"href": "data:image/png;base64,AA=="}),
        (
            '<>; imagesrcset="a,b.png 300w, /\xc3\xa9.png 600w, c.png, d.png 1.5x"',
            {
                "href": "",
                "imagesrcset": "https://example.org/dir/a,b.png 300w, https://example.org/%C3%A9.png 600w, "
                "https://example.org/dir/c.png , https://example.org/dir/d.png 1.5x",
            },
        ),
    ],
)
def test_a_link_becomes_an_element(header: str, attributes: dict[str, str]) -> None:
    (found,) = elements({"link": header}, URL)
    assert (found.name, found.attributes) == ("link", attributes)


@pytest.mark.parametrize("anchor", ["/other.html", "https://elsewhere.example/", ""])
def test_what_is_said_of_another_document_is_not_said_of_this_one(anchor: str) -> None:
    found = elements({"link": f'<a.png>; rel=icon; anchor="{anchor}"'}, URL)
    assert len(found) == (anchor == "")


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("0; url=/next", "https://example.org/next"),
        ("5;URL='next'", "https://example.org/dir/next"),
        ("0, next?q=\xc3\xa0", "https://example.org/dir/next?q=%C3%A0"),
        ("0;url=/\xe9", "https://example.org/%E9"),
        ("0; url=/first\n0; url=/second", "https://example.org/first"),
        ("5", None),
        ("", None),
    ],
)
def test_a_refresh_becomes_an_element(header: str, target: str | None) -> None:
    found = elements({"refresh": header}, URL)
    expected = [] if target is None else [{"http-equiv": "refresh", "content": f"0; url={target}"}]
    assert [element.attributes for element in found] == expected


def test_a_page_has_what_its_headers_name_besides_its_own() -> None:
    """Relative to its URL, not to its base; the largest of the sizes; once, in the page's own words."""
    link = (
        '<hero.png>; rel=preload; as=image; imagesrcset="hero-1.png 300w, hero-2.png 900w"\n'
        "<one.png>; rel=preload; as=image, </favicon.ico>; rel=icon, <share.jpg>; rel=image_src\n"
        "<main.css>; rel=stylesheet, <app.webmanifest>; rel=manifest, <f.xml>; rel=alternate; type=application/rss+xml"
    )
    page = "<base href='/base/'><title>T</title><img src='/dir/one.png' alt='One'><img src=two.png>"

    harvest = read(page, link=link, refresh="3; url=further.html")

    assert told(harvest.images) == [
        ("/dir/one.png", "img, preload"),
        ("/base/two.png", "img"),
        ("/dir/hero-2.png", "preload"),
        ("/favicon.ico", "icon"),
        ("/dir/share.jpg", "image_src"),
    ]
    assert harvest.images[0].origin is not None
    assert harvest.images[0].origin.alt == "One"
    assert told(harvest.links) == [
        ("/dir/main.css", "stylesheet"),
        ("/dir/app.webmanifest", "manifest"),
        ("/dir/f.xml", "feed"),
        ("/dir/further.html", "refresh"),
    ]


def test_a_style_sheet_and_a_feed_name_images_in_their_headers_too() -> None:
    link = "<a.png>; rel=preload; as=image"
    assert told(read("p { background: url(b.png) }", "text/css", link=link).images) == [
        ("/dir/b.png", "css"),
        ("/dir/a.png", "preload"),
    ]
    assert ("/dir/a.png", "preload") in told(read("<rss></rss>", "application/rss+xml", link=link).images)


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/pdf", ""])
@pytest.mark.parametrize("content", ["", "moved"])
def test_what_only_says_in_its_header_where_it_has_moved_to(content: str, content_type: str) -> None:
    harvest = read(content, content_type, refresh="0; url=/new")
    assert told(harvest.links) == [("/new", "refresh")]


def test_nothing_in_the_content_and_nothing_in_the_headers() -> None:
    with pytest.raises(EmptyBody):
        read("", refresh="5")
    with pytest.raises(NotHtml):
        read("%PDF-1.7", "application/pdf", link="</>; rel=license, <mailto:a@example.org>; rel=author")


def test_what_its_owner_asks_for_holds_for_headers_as_well() -> None:
    link = "<a.png>; rel=preload; as=image, <s.css>; rel=stylesheet"
    harvest = read("<p>", link=link, refresh="0; url=/new", **{"x-robots-tag": "nofollow, noimageindex"})
    assert {(task.url, task.kept_out_by) for task in harvest.kept_out} >= {
        ("https://example.org/dir/a.png", "noimageindex"),
        ("https://example.org/new", "nofollow"),
    }


@pytest.mark.parametrize(
    "content_type",
    ["text/html, text/html; charset=utf-8", "text/plain, text/html", "text/html; charset=utf-8, utf-8"],
)
def test_of_several_media_types_the_last_counts(content_type: str) -> None:
    assert told(read("<img src=/a.png>", content_type).images) == [("/a.png", "img")]


def test_a_page_without_such_headers_costs_nothing() -> None:
    assert headers.elements({"content-type": "text/html"}, URL) == []

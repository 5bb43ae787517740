"""Sitemaps, manifests and feeds: what they hold, when they are asked for, and that hostile ones cost little."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import load
from crawler.errors import NotFound, ServerError
from crawler.harvest import feeds, manifest, sitemap
from crawler.harvest.cuts import Cut
from crawler.harvest.handler import PageHandler
from crawler.models import NewTask, Origin, PageStatus, Result, Task, TaskKind
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from tests.support.harvesting import Site, answer

HOME = "https://example.org/"
URL = "https://example.org/sitemap.xml"
URLSET = "<urlset><url><loc>https://example.org/a</loc></url></urlset>"


def harvested(
    fetched: Any, *, url: str = URL, found_in: str = "", depth: int = 0, **settings: object
) -> Result:
    handler = PageHandler(
        HandlerContext(
            transport=Site({url: fetched}),
            scope=Scope((HOME,)),
            config=load(flags=settings),
            worker_id="t",
        )
    )
    origin = Origin(page_url=HOME, found_in=found_in) if found_in else None
    return handler(Task(id=1, serial=1, kind=TaskKind.PAGE, url=url, depth=depth, attempt=1, origin=origin))


def found(result: Result) -> list[tuple[str, str]]:
    return [(new.url, new.origin.found_in) for new in result.discovered if new.origin]


def test_the_usual_sitemap_is_tried_with_each_seed_and_no_other_page() -> None:
    page = answer(HOME, "<a href=/next>n</a>")
    guess = NewTask(
        kind=TaskKind.PAGE, url=URL, depth=0, origin=Origin(page_url=HOME, found_in=sitemap.GUESSED)
    )

    assert harvested(page, url=HOME).discovered[-1] == guess
    for other in (
        harvested(page, url=HOME, sitemaps=False),
        harvested(page, url=HOME, max_depth=0),
        harvested(page, url=HOME, found_in="a", depth=1),
    ):
        assert sitemap.GUESSED not in {rule for _, rule in found(other)}


@pytest.mark.parametrize(
    "nothing",
    [NotFound("the server answered 404 Not Found", http_status=404), answer(URL, "<h1>Not here</h1>")],
)
def test_that_there_is_no_sitemap_is_no_failure(nothing: Any) -> None:
    record = harvested(nothing, found_in=sitemap.GUESSED).record

    assert (record.status, record.reason) == (PageStatus.REJECTED, "no-sitemap")


def test_the_usual_places_are_tried_one_after_the_other() -> None:
    url, tried = URL, []
    while url:
        missed = harvested(answer(url, "<h1>Not here</h1>"), url=url, found_in=sitemap.GUESSED)
        assert missed.record.reason == "no-sitemap"
        tried.append(url.removeprefix("https://example.org"))
        url = "".join(new.url for new in missed.discovered)
        assert set(found(missed)) == ({(url, sitemap.GUESSED)} if url else set())

    assert tried[:3] == ["/sitemap.xml", "/sitemap_index.xml", "/wp-sitemap.xml"]
    assert {"/sitemap.xml.gz", "/sitemap_index.xml.gz", "/sitemap.txt"} == set(tried[3:])
    assert found(harvested(answer(URL, URLSET), found_in=sitemap.GUESSED)) == [
        ("https://example.org/a", sitemap.LISTED)
    ]


@pytest.mark.parametrize(
    ("named", "tried"),
    [
        ("https://example.org/gone.xml", "https://example.org/sitemap.xml"),
        ("https://example.org/example.org/sitemap.xml", "https://example.org/sitemap.xml"),
        ("https://example.org/sitemap.xml", "https://example.org/sitemap_index.xml"),
        ("https://cdn.example/sitemap.xml", "https://example.org/sitemap.xml"),
    ],
)
def test_where_the_named_one_is_dead_the_usual_one_is_tried(named: str, tried: str) -> None:
    for dead in (NotFound("404", http_status=404), answer(named, "<h1>Not here</h1>")):
        assert found(harvested(dead, url=named, found_in=sitemap.SITEMAP)) == [(tried, sitemap.GUESSED)]
    later = ServerError("500", http_status=500)
    assert not harvested(later, url=named, found_in=sitemap.SITEMAP).discovered, "it may come back"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        ("Not found", "text/plain"),
        ('{"error": "not found"}', "application/json"),
        ("<!DOCTYPE html><title>Oops</title><a href=/>Home</a>", "application/xml"),
        ("\x89PNG\r\n\x1a\n", "image/png"),
        ("", ""),
        ("<html><!-- <rdf:RDF xmlns:cc='http://web.resource.org/cc/'> --><a href=/>Home</a>", "text/html"),
    ],
)
def test_what_a_server_says_instead_of_404_is_no_sitemap(content: str, content_type: str) -> None:
    result = harvested(answer(URL, content, content_type), found_in=sitemap.GUESSED)

    assert (result.record.reason, [new.url for new in result.discovered]) == (
        "no-sitemap",
        ["https://example.org/sitemap_index.xml"],
    )


def test_a_list_of_links_for_people_may_be_a_sitemap_where_a_site_names_it() -> None:
    url = "https://example.org/sitemap.html"
    page = answer(url, "<!DOCTYPE html><title>Map</title><a href=/a.html>a</a>")

    assert found(harvested(page, url=url, found_in=sitemap.SITEMAP)) == [("https://example.org/a.html", "a")]


def test_an_empty_sitemap_is_one_all_the_same() -> None:
    record = harvested(answer(URL, "<urlset></urlset>", "text/xml"), found_in=sitemap.GUESSED).record

    assert record.status is PageStatus.HARVESTED


def test_a_sitemap_that_a_site_names_should_be_there() -> None:
    missing = harvested(NotFound("no", http_status=404), found_in=sitemap.SITEMAP).record
    page = harvested(answer(URL, "<h1>Not here</h1>"), found_in=sitemap.SITEMAP).record

    assert (missing.status, missing.reason) == (PageStatus.FAILED, "not-found")
    assert (page.status, page.reason) == (PageStatus.REJECTED, "unexpected-content")
    assert "a sitemap was expected" in page.detail


def test_a_sitemap_that_can_not_be_had_now_is_asked_for_again() -> None:
    result = harvested(ServerError("503", http_status=503), found_in=sitemap.GUESSED)

    assert (result.record.reason, result.retry_in_s) == ("server-error", 2.0)


@pytest.mark.parametrize(
    "content_type", ["application/x-gzip", "application/gzip", "application/octet-stream", ""]
)
def test_a_sitemap_may_be_compressed(content_type: str) -> None:
    packed = answer(URL, gzip.compress(URLSET.encode()), content_type)

    assert found(harvested(packed, found_in=sitemap.SITEMAP)) == [("https://example.org/a", sitemap.LISTED)]


def test_a_sitemap_may_be_declared_as_anything() -> None:
    for content_type in ("text/html", "text/plain", "application/xml", "text/xml; charset=utf-8"):
        assert found(harvested(answer(URL, URLSET, content_type), found_in=sitemap.GUESSED)) == [
            ("https://example.org/a", sitemap.LISTED)
        ]


def test_a_feed_serves_as_a_sitemap_and_a_sitemap_as_a_seed() -> None:
    feed = answer(URL, "<rss><item><link>https://example.org/i</link></item></rss>", "application/rss+xml")

    assert found(harvested(feed, found_in=sitemap.SITEMAP)) == [("https://example.org/i", "feed-item")]
    assert found(harvested(answer(URL, URLSET, "text/xml"), sitemaps=False)) == [
        ("https://example.org/a", sitemap.LISTED)
    ]


def test_pages_of_a_sitemap_are_one_link_away_and_sitemaps_of_an_index_none() -> None:
    index = "<sitemapindex><sitemap><loc>https://example.org/s.xml</loc></sitemap></sitemapindex>"
    (listed,) = harvested(answer(URL, URLSET, "text/xml"), found_in=sitemap.SITEMAP, depth=3).discovered
    (further,) = harvested(answer(URL, index, "text/xml"), found_in=sitemap.SITEMAP, depth=3).discovered

    assert (listed.depth, further.depth) == (4, 3)
    assert not harvested(answer(URL, index, "text/xml"), found_in=sitemap.FROM_INDEX).discovered
    (too_deep,) = harvested(answer(URL, URLSET, "text/xml"), found_in=sitemap.SITEMAP, max_depth=0).discovered
    assert too_deep.kept_out_by == "max-depth"


@pytest.mark.slow
def test_the_protocols_limits() -> None:
    text = "".join(f"https://example.org/{n}\n" for n in range(sitemap.MAX_URLS + 5))
    result = harvested(answer(URL, text, "text/plain"), found_in=sitemap.SITEMAP, max_links_per_page=10)
    assert len(result.discovered) == sitemap.MAX_URLS

    (*_, last) = sitemap.read(text.encode())
    assert last == Cut("sitemap-cut", 5)


def test_a_sitemap_that_is_not_to_be_indexed_is_read_all_the_same() -> None:
    image = f"<image:image><image:loc>{HOME}a.png</image:loc></image:image>"
    urlset = f"<urlset><url><loc>{HOME}a</loc>{image}</url></urlset>"
    plain = answer(URL, urlset, "text/xml")
    for asked, kept_out_by in (("noindex, nofollow", ""), ("noindex, noimageindex", "noimageindex")):
        fetched = msgspec.structs.replace(plain, headers={**plain.headers, "x-robots-tag": asked})
        found = {new.url: new.kept_out_by for new in harvested(fetched, found_in=sitemap.SITEMAP).discovered}
        assert found == {f"{HOME}a": "", f"{HOME}a.png": kept_out_by}


def test_tasks_for_what_robots_txt_names() -> None:
    robots = HOME + "robots.txt"
    tasks = sitemap.sitemap_tasks(
        ["https://example.org/s.xml", "HTTPS://EXAMPLE.ORG/s.xml#x", "ftp://example.org/s", " ", ""],
        page_url=robots,
    )

    assert tasks == (
        NewTask(
            kind=TaskKind.PAGE,
            url="https://example.org/s.xml",
            origin=Origin(page_url=robots, found_in=sitemap.SITEMAP),
        ),
    )


def test_what_robots_txt_names_is_relative_to_it() -> None:
    references = ["/maps/all.xml", "maps/b.xml", "//cdn.example/c.xml", "?d"]
    tasks = sitemap.sitemap_tasks(references, page_url="https://example.org/deep/page.html")

    assert [task.url for task in tasks] == [
        "https://example.org/maps/all.xml",
        "https://example.org/maps/b.xml",
        "https://cdn.example/c.xml",
        "https://example.org/robots.txt?d",
    ]


def test_feeds_are_read_unless_they_are_switched_off() -> None:
    page = answer(HOME, "<link rel=alternate type=application/rss+xml href=/feed><link rel=manifest href=/m>")
    both = [("https://example.org/feed", "feed"), ("https://example.org/m", "manifest")]

    assert found(harvested(page, url=HOME, sitemaps=False)) == both
    assert found(harvested(page, url=HOME, sitemaps=False, feeds=False)) == both[1:]


def test_what_a_page_calls_its_feed_or_manifest_may_be_something_else() -> None:
    for found_in in ("feed", "manifest"):
        record = harvested(answer(URL, "<h1>Sign in</h1>"), found_in=found_in).record
        assert (record.status, record.reason) == (PageStatus.REJECTED, "unexpected-content")
    assert not harvested(answer(URL, "no json", "application/json"), found_in="manifest").discovered


_PIECES = st.lists(
    st.sampled_from(
        [
            "<rss>",
            "<item>",
            "</item>",
            "<url>",
            "</url>",
            "<loc>",
            "</loc>",
            "<image:image>",
            "</image:image>",
            "<link>",
            "</link>",
            "&amp;",
            "]]>",
            "<media:content/url='a.png'>",
            "</media:content>",
            "http://example.org/",
            "<description>",
            "</description>",
            "<![CDATA[",
            "{",
            '"items":[',
            "]",
            "}",
            "<img/src=a.png>",
        ]
    ),
    max_size=30,
).map(lambda pieces: " ".join(pieces).replace("/url", " url"))


@given(_PIECES | st.text(max_size=100))
def test_nothing_is_too_strange(text: str) -> None:
    content = text.encode("utf-8", "replace")
    list(manifest.images(content))
    for entry in sitemap.read(content):
        assert isinstance(entry, Cut) or isinstance(entry.url, str)
    for item in feeds.read(text):
        assert isinstance(item, Cut) or all(image.reference for image in item.images)
    for found_in in (sitemap.SITEMAP, "feed", "manifest", ""):
        assert (
            harvested(answer(URL, content, "text/xml"), found_in=found_in).record.reason != "internal-error"
        )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ('<enclosure url="/a" type="Image/JPEG"/>', ["/a"]),
        ('<media:content url="/a" medium="Image"/>', ["/a"]),
        ('<enclosure url="/a.jpg" type="application/octet-stream"/>', ["/a.jpg"]),
        ('<enclosure url="/a.jpg" type="jpg"/>', ["/a.jpg"]),
        ('<enclosure url="/a.jpg" type="audio/mpeg"/>', []),
        ('<enclosure url="/a.mp3" type="application/octet-stream"/>', []),
        ('<content type="image/png" src="/a"/>', ["/a"]),
        ('<link rel="enclosure" href="/a.jpg"/>', ["/a.jpg"]),
    ],
)
def test_what_is_an_image_of_a_feed(item: str, expected: list[str]) -> None:
    read = feeds.read(f"<rss xmlns:media='http://search.yahoo.com/mrss/'><item>{item}</item></rss>")
    assert [
        image.reference for part in read if isinstance(part, feeds.Item) for image in part.images
    ] == expected


@given(st.integers(0, 140))
def test_of_a_feed_that_is_cut_what_stands_before_the_cut_is_taken(end: int) -> None:
    first, second = '{"url": "/a", "image": "/1.png", "x": [{"y": "]}"}]}', '{"url": "/b", "image": "/2.png"}'
    text = f'{{"items": [{first}, {second}], "title": "T"}}'
    parts = list(feeds.read(text[:end]))
    found = [image.reference for part in parts if isinstance(part, feeds.Item) for image in part.images]

    whole = [url for url, item in (("/1.png", first), ("/2.png", second)) if item in text[:end]]
    assert whole in (found, found[:-1])
    assert any(isinstance(part, Cut) for part in parts) == (0 < end < len(text))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("<guid>https://e.org/a</guid>", ["https://e.org/a"]),
        ('<guid isPermaLink="true">https://e.org/a</guid>', ["https://e.org/a"]),
        ('<guid isPermaLink="false">https://e.org/a</guid>', []),
        ("<guid>urn:7</guid>", []),
        ("<link>https://e.org/b</link><guid>https://e.org/a</guid>", ["https://e.org/b"]),
    ],
)
def test_the_page_of_an_item_of_a_feed(item: str, expected: list[str]) -> None:
    read = feeds.read(f"<rss><item>{item}</item></rss>")
    assert [link for part in read if isinstance(part, feeds.Item) for link in part.links] == expected

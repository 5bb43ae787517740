from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import load
from crawler.errors import FAULT, ConnectFailed, NotFound, RateLimited, ServerError
from crawler.harvest.handler import PageHandler
from crawler.harvest.html import PARSERS
from crawler.harvest.sniffing import kind_of
from crawler.http import Fetched
from crawler.http.robots import Robots
from crawler.models import NewTask, Origin, PageRecord, PageStatus, Result, Task, TaskKind, Token
from crawler.models.image_words import MAX_TEXT_CHARS
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from crawler.urls import canonical
from tests.support.harvesting import NoTransport, Site, answer

URL = "https://example.org/dir/page.html"
SHEET = Origin(page_url="https://example.org/", found_in="stylesheet")
PNG = b"\x89PNG\r\n\x1a\n rest"


def task(url: str = URL, **more: Any) -> Task:
    return Task(
        **({"id": 7, "serial": 3, "kind": TaskKind.PAGE, "url": url, "depth": 1, "attempt": 2} | more)
    )


def handler(site: Site, **settings: object) -> PageHandler:
    return PageHandler(
        HandlerContext(
            transport=site,
            scope=Scope(("https://example.org/",)),
            config=load(flags={"retry_delay_s": 10.0} | settings),
            worker_id="w1",
            clock=iter([100.0, 100.25]).__next__,
            now=lambda: datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        )
    )


def harvested(
    fetched: Fetched | Exception, *, url: str = URL, origin: Origin | None = None, **settings: object
) -> Result:
    return handler(Site({url: fetched}), **settings)(task(url, origin=origin))


def urls(result: Result, kind: TaskKind) -> list[str]:
    return [new.url for new in result.discovered if new.kind is kind]


def test_a_page_gives_its_images_then_its_links_and_a_full_record() -> None:
    html = "<title>A  page</title><a href='next.html'>n</a><img src='a.png'><link rel=stylesheet href=s.css>"
    site = Site({URL: answer(URL, html, "text/html; charset=utf-8")})
    came_from = Origin(page_url="https://example.org/", found_in="a")

    result = handler(site)(task(origin=came_from))

    assert result == Result(
        token=Token(id=7, serial=3),
        record=PageRecord(
            url=URL,
            status=PageStatus.HARVESTED,
            final_url=URL,
            title="A page",
            images=1,
            links=2,
            size_bytes=len(html),
            http_status=200,
            content_type="text/html",
            page_url="https://example.org/",
            found_in="a",
            depth=1,
            attempts=2,
            worker="w1",
            elapsed_s=0.25,
            finished_at="2030-01-02T03:04:05.000678Z",
            render="static",
        ),
        discovered=(
            NewTask(
                kind=TaskKind.IMAGE,
                url="https://example.org/dir/a.png",
                depth=1,
                origin=Origin(page_url=URL, found_in="img", page_title="A page"),
            ),
            NewTask(
                kind=TaskKind.PAGE,
                url="https://example.org/dir/next.html",
                depth=2,
                origin=Origin(page_url=URL, found_in="a", page_title="A page"),
            ),
            NewTask(
                kind=TaskKind.PAGE,
                url="https://example.org/dir/s.css",
                depth=1,
                origin=Origin(page_url=URL, found_in="stylesheet", page_title="A page"),
            ),
        ),
    )
    assert site.requests[0]["referer"] == "https://example.org/"
    assert site.requests[0]["max_bytes"] == 16 * 2**20
    assert str(site.requests[0]["accept"]).startswith("text/html,")


def test_everything_is_relative_to_where_redirects_ended() -> None:
    final = "https://example.org/moved/here/"
    result = harvested(answer(URL, "<img src=a.png><a href=b>b</a>", final_url=final))

    assert [new.url for new in result.discovered] == [final + "a.png", final + "b"]
    assert {new.origin.page_url for new in result.discovered if new.origin} == {final}


def test_a_redirect_out_of_the_scope_is_refused_for_a_page() -> None:
    result = harvested(answer(URL, "<img src=a.png>", final_url="https://elsewhere.org/"))

    assert isinstance(result.record, PageRecord)
    assert (result.record.status, result.record.reason) == (PageStatus.REJECTED, "out-of-scope")
    assert result.record.final_url == "https://elsewhere.org/"
    assert "https://elsewhere.org/" in result.record.detail
    assert not result.discovered
    assert result.retry_in_s is None


def test_a_style_sheet_may_come_from_anywhere_and_counts_as_no_page() -> None:
    url = "https://cdn.example.net/css/s.css"
    site = Site({url: answer(url, "@import 'more.css'; a{b:url(../i.png)}", "text/plain")})
    result = handler(site)(task(url, origin=SHEET))

    assert result.record.status is PageStatus.HARVESTED
    assert [(new.kind, new.url, new.depth) for new in result.discovered] == [
        (TaskKind.IMAGE, "https://cdn.example.net/i.png", 1),
        (TaskKind.PAGE, "https://cdn.example.net/css/more.css", 2),
    ]
    assert [new.origin and new.origin.found_in for new in result.discovered] == ["css", "stylesheet"]
    assert str(site.requests[0]["accept"]).startswith("text/css")


def test_a_style_sheet_that_answers_with_a_page_is_refused() -> None:
    result = harvested(answer(URL, "<h1>Not here</h1><img src=a.png>"), origin=SHEET)

    assert (result.record.status, result.record.reason) == (PageStatus.REJECTED, "not-css")
    assert not result.discovered


def test_imports_end_somewhere() -> None:
    for depth, imports in ((20, 1), (24, 1), (25, 0)):
        site = Site({URL: answer(URL, "@import 'n.css'; a{b:url(c.png)}", "text/css")})
        result = handler(site)(task(origin=SHEET, depth=depth))

        assert len(urls(result, TaskKind.PAGE)) == imports
        assert urls(result, TaskKind.IMAGE) == ["https://example.org/dir/c.png"]


def test_a_style_sheet_at_a_page_url_is_read_as_one() -> None:
    assert urls(harvested(answer(URL, "a{b:url(c.png)}", "text/css")), TaskKind.IMAGE) == [
        "https://example.org/dir/c.png"
    ]


def test_at_the_last_depth_images_and_style_sheets_are_still_found() -> None:
    html = "<a href=deeper.html>d</a><img src=a.png><link rel=stylesheet href=s.css>"
    result = handler(Site({URL: answer(URL, html)}), max_depth=1)(task(depth=1))

    assert [(new.url, new.kept_out_by) for new in result.discovered] == [
        (f"https://example.org/dir/{name}", kept_out_by)
        for name, kept_out_by in (("a.png", ""), ("s.css", ""), ("deeper.html", "max-depth"))
    ]
    assert (result.record.images, result.record.links) == (1, 1)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", ""])
def test_an_image_at_a_page_url_becomes_an_image_task(content_type: str) -> None:
    origin = Origin(page_url="https://example.org/gallery", found_in="a", page_title="Gallery")
    result = harvested(
        answer(URL, PNG, content_type, final_url="https://cdn.example.net/1.png"), origin=origin
    )

    assert result.discovered == (NewTask(kind=TaskKind.IMAGE, url=URL, depth=1, origin=origin),)
    assert isinstance(result.record, PageRecord)
    assert (result.record.status, result.record.images) == (PageStatus.HARVESTED, 1)


def test_a_seed_may_be_an_image() -> None:
    (new,) = harvested(answer(URL, PNG, "image/png")).discovered

    assert new.origin == Origin(page_url="", found_in="seed")


@pytest.mark.parametrize(
    ("content_type", "content", "kind"),
    [
        ("text/html", b"", "html"),
        ("application/xhtml+xml", b"x", "html"),
        ("text/css", b"", "css"),
        ("image/svg+xml", b"<svg>", "image"),
        ("image/x-new", b"", "image"),
        ("text/plain", b"<html>", "other"),
        ("application/pdf", b"%PDF-", "other"),
        ("application/json", b"{}", "other"),
        ("", b"  \n<!DOCTYPE HTML>", "html"),
        ("", b"\xef\xbb\xbf<!-- c --><html lang=en>", "html"),
        ("text/xml", b'<?xml version="1.0"?><html xmlns="x">', "html"),
        ("", b"<htmlx>", "other"),
        ("", b"", "other"),
        ("application/xml", b"<rss>", "feed"),
        ("", b"<svg xmlns='x'>", "image"),
        ("", b"GIF89a", "image"),
        ("application/octet-stream", b"\xff\xd8\xff\xe0", "image"),
        ("", b"RIFF\0\0\0\0WEBPVP8 ", "image"),
        ("", b"\0\0\0\x20ftypavif", "image"),
        ("", b"\0\0\1\0\1\0", "image"),
        ("", b"plain words", "other"),
    ],
)
def test_kind(content_type: str, content: bytes, kind: str) -> None:
    assert kind_of(content_type, content) == kind


def test_kind_takes_no_time_over_hostile_bytes() -> None:
    for start in (b"<!--" * 500, b" " * 5000, b"<?xml" * 500, b"<!-- -->" * 500):
        assert kind_of("", start * 100) == "other"


def test_what_is_neither_is_refused() -> None:
    result = harvested(answer(URL, b"%PDF-1.7", "application/pdf"))

    assert (result.record.status, result.record.reason) == (PageStatus.REJECTED, "not-html")
    assert "a PDF document" in result.record.detail
    assert result.retry_in_s is None


def test_a_failure_that_may_pass_is_tried_again_later() -> None:
    result = harvested(ServerError("500 Internal Server Error", http_status=500))

    assert (result.record.status, result.record.reason) == (PageStatus.FAILED, "server-error")
    assert result.record.http_status == 500
    assert result.retry_in_s == 20.0
    assert result.host_pause_s is None


def test_a_refusal_delays_its_url_and_is_told() -> None:
    result = harvested(RateLimited("429", http_status=429, retry_after_s=77.0))

    assert (result.record.reason, result.retry_in_s, result.refused_for_s) == ("rate-limited", 77.0, 77.0)
    assert result.host_pause_s is None


def test_a_failure_for_good_is_final() -> None:
    result = harvested(NotFound("404 Not Found", http_status=404, final_url="https://example.org/x"))

    assert (result.record.status, result.record.reason, result.retry_in_s) == (
        PageStatus.FAILED,
        "not-found",
        None,
    )
    assert result.record.final_url == "https://example.org/x"


def test_a_fault_of_ours_is_a_record_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    result = harvested(ZeroDivisionError("oops"))

    assert (result.record.status, result.record.reason) == (PageStatus.FAILED, "internal-error")
    assert result.record.detail == FAULT
    assert URL in caplog.text
    assert "Traceback" in caplog.text


def test_what_one_page_may_add_is_limited_where_one_says_so_and_counted() -> None:
    html = "".join(f"<img src={n}.png><a href=p{n}>x</a>" for n in range(30))
    result = harvested(answer(URL, html), max_links_per_page=10)
    over = {task.url for task in result.discovered if task.kept_out_by == "max-links-per-page"}

    assert over == {f"https://example.org/dir/{n}" for n in (f"{n}.png" for n in range(10, 30))} | {
        f"https://example.org/dir/p{n}" for n in range(10, 30)
    }
    assert isinstance(result.record, PageRecord)
    assert (result.record.images, result.record.links) == (10, 10)


def test_images_of_a_page_need_no_limit_and_links_have_one() -> None:
    html = "".join(f"<img src={n}.png><a href=p{n}>x</a>" for n in range(10_050))
    result = harvested(answer(URL, html))

    assert isinstance(result.record, PageRecord)
    assert (result.record.images, result.record.links) == (10_050, 10_000)
    assert len([task for task in result.discovered if task.kept_out_by == "max-links-per-page"]) == 50


def test_texts_are_trimmed() -> None:
    html = f"<title>{'t ' * 9000}</title><h1>\n a\n b </h1><img src=a.png alt='{'x' * 9000}' title=' y '>"
    (image,) = harvested(answer(URL, html)).discovered

    assert image.origin is not None
    assert image.origin.alt == "x" * MAX_TEXT_CHARS
    assert len(image.origin.page_title) <= MAX_TEXT_CHARS
    assert (image.origin.heading, image.origin.title) == ("a b", "y")


def test_characters_are_decoded_as_declared() -> None:
    html = "<meta charset=windows-1251><title>Привет</title><img src=фото.png>".encode("cp1251")
    result = harvested(answer(URL, html))

    assert isinstance(result.record, PageRecord)
    assert result.record.title == "Привет"
    assert urls(result, TaskKind.IMAGE) == [canonical("https://example.org/dir/фото.png")]


def test_best_looks_only_at_what_can_be_fetched() -> None:
    html = "<img src=a.png srcset='data:image/png;base64,AA== 900w, b.png 100w'>"

    assert urls(harvested(answer(URL, html)), TaskKind.IMAGE) == ["https://example.org/dir/b.png"]
    assert len(urls(harvested(answer(URL, html), images="all"), TaskKind.IMAGE)) == 3


@pytest.mark.parametrize("parser", PARSERS)
@given(
    content=st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"<img src=",
                b"<img srcset='",
                b"a.png",
                b" 2x",
                b",",
                b"'",
                b'"',
                b">",
                b"<style>a{b:url(",
                b")}</style>",
                b"<base href=",
                b"http:",
                b"//",
                b"h",
                b"\\",
                b"[",
                b"%",
                b"<svg><image href=",
                b"<a href=x.png",
                b"\xff",
                b"<link rel=icon href=",
                b"<div style='b:url(",
                b" data-src=",
                b"<meta charset=",
                b"utf-16",
                b"\0",
            ]
        )
    ).map(b"".join)
)
def test_any_bytes_give_canonical_urls_and_never_an_internal_error(parser: str, content: bytes) -> None:
    for kind in ("text/html", "text/css", ""):
        result = harvested(answer(URL, content, kind), parser=parser)

        assert result.record.reason in ({"", "not-html"} if content else {"empty"})
        assert len({(new.kind, new.url) for new in result.discovered}) == len(result.discovered)
        for new in result.discovered:
            assert canonical(new.url) == new.url
            assert new.url.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("attempt", "origin", "again"), [(1, False, True), (2, False, False), (2, True, True)]
)
def test_a_seed_that_accepts_no_connection_is_given_up_soon(
    *, attempt: int, origin: bool, again: bool
) -> None:
    class Refused(NoTransport):
        def fetch(self, url: str, **options: Any) -> Fetched:
            raise ConnectFailed("it does not accept connections")

    found = Origin(page_url="http://site.example/", found_in="a") if origin else None
    page = Task(
        id=1,
        serial=1,
        kind=TaskKind.PAGE,
        url="http://site.example/x",
        depth=0,
        attempt=attempt,
        origin=found,
    )
    config = load()
    handler = PageHandler(
        HandlerContext(transport=Refused(), scope=Scope((page.url,)), config=config, worker_id="w")
    )
    result = handler(page)
    assert (result.retry_in_s is not None) == again
    assert result.record.reason == "connect-failed"


# --- what the owner asks ---

ASKING = "<a href=p.html>p</a><a href=big.jpg><img src=small.jpg></a><link rel=stylesheet href=s.css><img src=a.png>"


def kept_out(result: Result) -> dict[str, str]:
    return {new.url.rpartition("/")[2]: new.kept_out_by for new in result.discovered}


@pytest.mark.parametrize("name", ["noindex", "noimageindex", "noai", "noimageai", "tdm-reservation"])
@pytest.mark.parametrize("by", ["meta", "header"])
def test_the_images_of_a_page_are_left_where_its_owner_asks_so(name: str, by: str) -> None:
    meta_name, value = (name, "1") if name == "tdm-reservation" else ("robots", name)
    header = name if name == "tdm-reservation" else "x-robots-tag"
    html = (f"<meta name={meta_name} content='{value}'>" if by == "meta" else "") + ASKING
    fetched = answer(URL, html)
    if by == "header":
        fetched = msgspec.structs.replace(fetched, headers={**fetched.headers, header: value})

    result = harvested(fetched)

    assert kept_out(result) == {"big.jpg": name, "a.png": name, "p.html": "", "s.css": ""}
    assert {new.origin for new in result.discovered if new.kept_out_by} == {None}, (
        "nothing but the count is needed"
    )
    assert (result.record.images, result.record.links) == (0, 2)
    told_to = harvested(fetched, **{f"obey_{name.replace('-', '_')}": False})
    assert set(kept_out(told_to).values()) == {""}


def test_nofollow_of_a_page_forbids_its_links_and_not_its_images() -> None:
    html = "<meta name=robots content=nofollow>" + ASKING

    assert kept_out(harvested(answer(URL, html))) == {
        "small.jpg": "",
        "a.png": "",
        "s.css": "",
        "p.html": "nofollow",
        "big.jpg": "nofollow",
    }
    assert "big.jpg" in kept_out(harvested(answer(URL, html), obey_nofollow=False))


def test_rel_nofollow_forbids_one_link() -> None:
    html = "<a rel=nofollow href=p.html>p</a><a href=q.html>q</a><a rel=nofollow href=big.jpg><img src=small.jpg></a>"

    assert kept_out(harvested(answer(URL, html))) == {
        "small.jpg": "",
        "q.html": "",
        "p.html": "rel-nofollow",
        "big.jpg": "rel-nofollow",
    }
    assert kept_out(harvested(answer(URL, html), obey_rel_nofollow=False)) == {
        "big.jpg": "",
        "q.html": "",
        "p.html": "",
    }


def test_a_robot_of_another_name_is_asked_by_that_name() -> None:
    html = "<meta name=mybot content=noindex>" + ASKING

    assert kept_out(harvested(answer(URL, html)))["a.png"] == ""
    assert (
        kept_out(harvested(answer(URL, html), user_agent="MyBot/2.0 (+https://e.org)"))["a.png"] == "noindex"
    )


# --- robots.txt ---


def with_robots(text: str, answers: dict[str, Fetched | Exception], **settings: object) -> PageHandler:
    file = "https://example.org/robots.txt"
    site = Site({file: answer(file, text, "text/plain"), **answers})
    return PageHandler(
        HandlerContext(
            transport=site,
            scope=Scope(("https://example.org/",)),
            config=load(flags=settings),
            robots=Robots(site, agent="image-crawler"),
            worker_id="w1",
        )
    )


def test_what_robots_txt_disallows_is_not_asked_for() -> None:
    handle = with_robots("user-agent: *\ndisallow: /dir/", {URL: AssertionError("asked for")})
    result = handle(task(origin=Origin(page_url="https://example.org/", found_in="a")))
    assert (result.record.status, result.record.reason) == (PageStatus.REJECTED, "robots-disallowed")
    assert result.retry_in_s is None


def test_a_delay_that_the_queue_does_not_know_sends_the_task_back_untouched() -> None:
    handle = with_robots("user-agent: *\ncrawl-delay: 3", {URL: answer(URL, "<img src=a.png>")}, delay_s=1)
    first = handle(task())
    assert (first.untouched, first.host_delay_s, first.discovered) == (True, 3.0, ())
    second = handle(task(host_delay_s=3.0))
    assert (second.untouched, second.host_delay_s) == (False, 3.0)
    assert second.record.status is PageStatus.HARVESTED


def test_without_a_robots_txt_the_delay_is_none_and_without_looking_it_is_not_known() -> None:
    assert with_robots("", {URL: answer(URL, "x")})(task()).host_delay_s == 0.0
    assert harvested(answer(URL, "x")).host_delay_s is None


def test_the_sitemaps_that_robots_txt_names_are_looked_into_in_place_of_the_usual_one() -> None:
    home = "https://example.org/"
    page = {home: answer(home, "x")}
    named = with_robots("sitemap: https://example.org/a.xml\nsitemap: https://cdn.example/b.xml", page)
    seed = task(home, depth=0)
    assert [(new.url, new.origin.found_in) for new in named(seed).discovered if new.origin] == [
        ("https://example.org/a.xml", "sitemap"),
        ("https://cdn.example/b.xml", "sitemap"),
    ]
    (guess,) = with_robots("", page)(seed).discovered
    assert guess.url == "https://example.org/sitemap.xml"


# --- what is no further away ---


def depths(html: str, *, depth: int, **settings: Any) -> dict[str, int | str]:
    """Of the pages found on a page: how far away each is, or what keeps it out."""
    result = handler(Site({URL: answer(URL, html)}), **settings)(task(depth=depth))
    return {
        new.url.rpartition("/")[2]: new.kept_out_by or new.depth
        for new in result.discovered
        if new.kind is TaskKind.PAGE
    }


def test_pages_of_a_list_are_as_far_away_as_the_first() -> None:
    html = (
        "<link rel=canonical href=c><link rel=alternate hreflang=de href=de><a href=post>A post</a>"
        "<a href=two>2</a><a href=two>Next</a><a href='page.html?page=3'>x</a>"
    )

    assert depths(html, depth=1) == {"c": 1, "de": 2, "post": 2, "two": 1, "page.html?page=3": 1}
    assert depths(html, depth=3, max_depth=3) == {
        "c": 3,
        "two": 3,
        "page.html?page=3": 3,
        "de": "max-depth",
        "post": "max-depth",
    }


def test_the_seeds_alone_are_the_seeds_alone() -> None:
    html = "<link rel=stylesheet href=s.css><link rel=next href=2><a href=3 rel=prev>x</a>"

    assert depths(html, depth=0, max_depth=0) == {"s.css": 0, "2": "max-depth", "3": "max-depth"}


# --- what is known to be a page that was visited ---


def test_a_page_that_is_there_with_another_session_id_is_not_asked_for() -> None:
    """Forums put a fresh id into each link: a queue full of these costs no request once they are seen to be ids."""
    html = "".join(f"<a href='topic{n}.html?sid={{sid}}'>Topic {n}</a>" for n in range(6))
    answers: dict[str, Fetched | Exception] = {}
    for sid in range(9):
        for n in range(6):
            url = f"https://example.org/topic{n}.html?sid={sid:032x}"
            answers[url] = answer(
                url, f"<title>T{n}</title>{html.replace('{sid}', f'{sid + 1:032x}')}<img src=/{n}.png>"
            )
    site = Site(answers)
    one = PageHandler(
        HandlerContext(transport=site, scope=Scope(("https://example.org/",)), config=load(), worker_id="w")
    )
    origin = Origin(page_url="https://example.org/", found_in="a")
    records = [
        one(task(f"https://example.org/topic{n}.html?sid={sid:032x}", origin=origin)).record
        for sid in (0, 1, 7)
        for n in range(6)
    ]
    assert [record.reason for record in records[:12]] == [""] * 12, "they might all be pages of their own"
    assert {(record.status, record.reason) for record in records[12:]} == {
        (PageStatus.REJECTED, "repeated-page")
    }
    assert len(site.requests) == 12

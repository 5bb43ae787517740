"""What becomes of a page that was opened in a browser: its images, its links, and what is said against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from crawler.config import load
from crawler.errors import OutOfScope, PageTimeout
from crawler.harvest.handler import reading_here
from crawler.http import Fetched
from crawler.models import NewTask, Origin, Task, TaskKind
from crawler.queues.validation import is_malformed
from crawler.render.handler import Compared, Read, RenderHandler
from crawler.render.page import Rendered
from crawler.scope import Scope
from crawler.task_handler import HandlerContext
from tests.support.harvesting import NoTransport

HOME = "https://e.example/"
URL = f"{HOME}dir/page"


def handler(*, wrapped: Callable[[Read], Read] = lambda read: read, **settings: Any) -> RenderHandler:
    config = load(flags=settings)
    scope = Scope((HOME,), config.scope)
    nobody: Any = None
    return RenderHandler(
        HandlerContext(transport=NoTransport(), scope=scope, config=config, worker_id="w"),
        read=wrapped(reading_here(scope, config, now=lambda: datetime.now(UTC))),
        browsers=nobody,
        network=nobody,
        script="",
    )


def rendered(sent: str, html: str = "", **more: Any) -> Rendered:
    headers = {"content-type": "text/html"}
    document = Fetched(url=URL, final_url=URL, http_status=200, headers=headers, content=sent.encode())
    return Rendered(document=document, html=html, **more)


def compared(page: Rendered, *, depth: int = 1, of: RenderHandler | None = None, **settings: Any) -> Compared:
    origin = Origin(page_url=HOME, found_in="a", template="f/t")
    task = Task(id=1, serial=1, kind=TaskKind.RENDER, url=URL, depth=depth, attempt=1, origin=origin)
    return (of or handler(**settings)).compared(task, page)


def links(result: Compared) -> dict[str, str]:
    return {found.url.removeprefix(HOME): found.kept_out_by for found in result.pages}


def images(result: Compared) -> dict[str, str]:
    return {found.url.removeprefix(f"{HOME}dir/"): found.kept_out_by for found in result.images}


def test_where_a_page_would_have_gone_is_a_link_and_its_routes_are_pages_to_be_rendered() -> None:
    told = (
        f"{HOME}a",
        f"{HOME}a#part",
        f"{URL}#/route",
        "https://elsewhere.example/",
        "about:blank",
        "data:,x",
    )
    result = compared(rendered("<p>", left_for=told))
    assert [(found.kind, found.url.removeprefix(HOME)) for found in result.pages] == [
        (TaskKind.PAGE, "a"),
        (TaskKind.RENDER, "dir/page#/route"),
    ]


def test_a_page_brings_no_link_to_itself() -> None:
    """Else each page of a kind would bring something new, and the crawl would render all of them."""
    html = f"<a href='#made-by-script'>x</a><a href='{URL}'>y</a><a href='page#z'>z</a><a href='other'>o</a>"
    result = compared(rendered("<p>", html, left_for=(f"{URL}#part", URL)))
    assert links(result) == {"dir/other": ""}
    assert result.new_links == (f"{HOME}dir/other",)


@pytest.mark.parametrize(
    "fragment", ["/" + "x" * 2000, "/", "plain", "/\x1b[31m\u202e b", "!<a>", "/é\ufffd"]
)
def test_whatever_a_script_calls_its_address_no_task_is_malformed(fragment: str) -> None:
    told = (f"{URL}#{fragment}", f"{HOME}x?{fragment}", f"{URL}{'y' * 8190}#/a")
    for found in compared(rendered("<p>", left_for=told)).pages:
        assert not is_malformed(found), found.url


def test_scripts_lead_no_further_than_links_may() -> None:
    page = rendered("<p>", left_for=(f"{HOME}a", f"{URL}#/route"))
    assert set(links(compared(page, depth=2, max_depth=3)).values()) == {""}
    assert set(links(compared(page, depth=3, max_depth=3)).values()) == {"max-depth"}


@pytest.mark.parametrize("where", ["sent", "in the end"])
def test_who_asks_that_no_link_be_followed_means_those_of_scripts_too(where: str) -> None:
    asks, plain = "<meta name=robots content=nofollow><p>", "<p>"
    page = rendered(
        asks if where == "sent" else plain,
        plain if where == "sent" else asks,
        left_for=(f"{HOME}a", f"{URL}#/r"),
    )
    assert links(compared(page)) == {"a": "nofollow", "dir/page#/r": "nofollow"}
    assert set(links(compared(page, obey_nofollow=False)).values()) == {""}


def test_what_an_owner_says_against_images_scripts_do_not_take_back() -> None:
    page = rendered(
        "<meta name=robots content=noimageindex><p>",
        "<img src=by-script.png>",
        seen={f"{HOME}dir/asked.png": "load"},
    )
    assert images(compared(page)) == {"by-script.png": "noimageindex", "asked.png": "noimageindex"}
    assert set(images(compared(page, obey_noimageindex=False)).values()) == {""}


def test_a_document_that_scripts_have_made_unreadable_costs_no_image_that_was_asked_for() -> None:
    def failing(read: Read) -> Read:
        @contextmanager
        def reads(task: Task, fetched: Fetched) -> Iterator[Any]:
            if b"by-script" in fetched.content:
                raise PageTimeout("it was not read within 60 s (page_timeout_s)")
            with read(task, fetched) as reading:
                yield reading

        return reads

    page = rendered("<img src=sent.png>", "<img src=by-script.png>", seen={f"{HOME}dir/asked.png": "scroll"})
    result = compared(page, of=handler(wrapped=failing))
    assert images(result) == {"sent.png": "", "asked.png": ""}
    assert result.stages == {f"{HOME}dir/asked.png": "scroll"}
    assert result.head.left_out == {"markup-cut": 1}


def test_a_page_that_redirects_out_of_the_crawl_is_shown_to_nobody() -> None:
    task = Task(id=1, serial=1, kind=TaskKind.RENDER, url=URL, depth=1, attempt=1)
    one = handler()
    one._check_scope(task, f"{HOME}other")
    with pytest.raises(OutOfScope):
        one._check_scope(task, "https://elsewhere.example/")


def test_images_of_the_rendered_page_are_told_apart() -> None:
    result = compared(rendered("<img src=sent.png>", "<img src=sent.png><img src=by-script.png>"))
    places = {found.url.rpartition("/")[2]: found.origin and found.origin.found_in for found in result.images}
    assert places == {"sent.png": "img", "by-script.png": "render"}
    assert all(isinstance(found, NewTask) for found in result.images)

"""What becomes of each request of a page in the browser, and of the answer's headers."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from crawler.errors import LEFT_OUT
from crawler.render.interception import Action, Decision, decide, headers_for_browser, request_of

MAIN = "F1"


def paused(kind: str, url: str = "https://e.example/x", **more: Any) -> dict[str, Any]:
    request = {"url": url, "method": more.pop("method", "GET"), "headers": more.pop("headers", {})}
    return {"resourceType": kind, "frameId": MAIN, "request": request, **more}


def decided(*args: Any, is_open: bool = True, **more: Any) -> Decision:
    return decide(paused(*args, **more), main_frame=MAIN, is_open=is_open)


@pytest.mark.parametrize("kind", ["Stylesheet", "Script", "XHR", "Fetch", "Preflight", "Other"])
def test_what_makes_the_page_is_answered(kind: str) -> None:
    assert decided(kind) == Decision(Action.ANSWER)


def test_images_are_never_downloaded_by_the_browser() -> None:
    assert decided("Image").action is Action.STAND_IN
    assert decided("Image", is_open=False).action is Action.STAND_IN


@pytest.mark.parametrize(
    ("kind", "slug"),
    [
        ("Media", "render-media"),
        ("Ping", "render-beacons"),
        ("CSPViolationReport", "render-beacons"),
        ("EventSource", "render-sockets"),
        ("WebSocket", "render-sockets"),
        ("Prefetch", "render-prefetch"),
        ("SignedExchange", "render-prefetch"),
        ("Font", ""),
        ("Something new", ""),
    ],
)
def test_what_is_refused_is_counted_where_somebody_may_miss_it(kind: str, slug: str) -> None:
    assert decided(kind) == Decision(Action.REFUSE, slug)
    assert not slug or slug in LEFT_OUT


@pytest.mark.parametrize(
    "url", ["ftp://e.example/a", "file:///etc/passwd", "chrome://version", "", "blob:https://e/1"]
)
def test_only_http_is_asked_for(url: str) -> None:
    assert decided("Script", url).action is Action.REFUSE


def test_prefetches_say_so_themselves() -> None:
    assert decided("Script", headers={"Sec-Purpose": "prefetch;prerender"}).slug == "render-prefetch"
    assert decided("Document", headers={"purpose": "prefetch"}, is_open=False).slug == "render-prefetch"


def test_what_chromium_calls_otherwise_is_known_by_what_it_accepts() -> None:
    assert decided("XHR", headers={"Accept": "text/event-stream"}) == Decision(
        Action.REFUSE, "render-sockets"
    )
    assert decided("Other", headers={"accept": "image/avif,image/*"}) == Decision(Action.REFUSE)
    assert decided("Other", headers={"Accept": "*/*"}) == Decision(Action.ANSWER), "scripts of workers"


def test_the_page_itself_is_opened_once_and_then_stays() -> None:
    assert decided("Document", is_open=False) == Decision(Action.ANSWER)
    assert decided("Document", is_open=True) == Decision(Action.LEAVE, "render-away")
    assert decided("Document", method="POST") == Decision(Action.REFUSE, "render-forms")


def test_frames_of_the_page_are_answered() -> None:
    told = {**paused("Document"), "frameId": "F2"}
    assert decide(told, main_frame=MAIN, is_open=True) == Decision(Action.ANSWER)


def test_a_body_is_taken_as_it_was_sent() -> None:
    told = paused("Fetch", method="POST", headers={"Content-Type": "application/json", "X-My": "1"})
    told["request"]["postDataEntries"] = [
        {"bytes": base64.b64encode(b'{"a":').decode()},
        {"bytes": base64.b64encode(b"\xff}").decode()},
    ]
    request = request_of(told)
    assert (request.method, request.body) == ("POST", b'{"a":\xff}')
    assert request.header("x-my") == "1"


def test_headers_of_the_connection_do_not_reach_the_page() -> None:
    headers = (
        ("Content-Type", "text/html"),
        ("Content-Encoding", "gzip"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("Link", "</x>; rel=preload"),
    )
    assert headers_for_browser(headers) == [
        {"name": "Content-Type", "value": "text/html"},
        {"name": "Set-Cookie", "value": "a=1"},
        {"name": "set-cookie", "value": "b=2"},
    ]

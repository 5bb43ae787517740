"""What every Transport promises a page in the browser, against real servers. Another one is one more parameter."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.config import FetchConfig
from crawler.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    Forbidden,
    ForbiddenAddress,
    InvalidUrl,
    QueueError,
    RobotsDisallowed,
    TaskError,
    TlsFailed,
    TooLarge,
    TooSlow,
    TruncatedTransfer,
)
from crawler.http import BrowserRequest, Exchanged, Transport
from crawler.http.address_guard import AddressGuard
from crawler.http.browser_headers import joined_cookies, passed_on
from crawler.http.cookies import CookieJar
from crawler.http.request_retries import RetryingTransport
from tests.support.backend import Says, Seen, backend, says
from tests.support.cpu_time import soon
from tests.support.faultserver import FaultServer
from tests.support.images import samples
from tests.support.queues import wait_until, working
from tests.support.transports import KINDS, chosen, opened
from tests.support.web_proxy import Proxy

MIB = 2**20
Make = Callable[..., Transport]


def _open(*, rate_grace_s: float = 10.0, seeds: tuple[str, ...] = (), **settings: Any) -> Transport:
    more = {name: settings.pop(name) for name in ("guard", "jar", "ca_file") if name in settings}
    return opened(FetchConfig(**settings), rate_grace_s=rate_grace_s, seeds=seeds, **more)


def _retrying(**settings: Any) -> Transport:
    return RetryingTransport(_open(**settings), 3, sleep=lambda _: pytest.fail("it has waited"))


WAYS = {**{kind: (kind, _open) for kind in KINDS}, "retrying": ("requests", _retrying)}
"""Each transport, and the wrapper around one of them."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(way: str) -> Iterator[Make]:
    kind, opening = WAYS[way]
    made: list[Transport] = []

    def build(**settings: Any) -> Transport:
        made.append(opening(**settings))
        return made[-1]

    with chosen(kind):
        yield build
    for transport in made:
        transport.close()


def ask(transport: Transport, url: str, method: str = "GET", **more: Any) -> Exchanged:
    headers = more.pop("headers", {})
    pairs = tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
    request = BrowserRequest(url=url, method=method, headers=pairs, body=more.pop("body", b""))
    return transport.exchange(request, **{"max_bytes": MIB, **more})


def error(transport: Transport, url: str, method: str = "GET", **more: Any) -> TaskError:
    with pytest.raises(TaskError) as caught:
        ask(transport, url, method, **more)
    return caught.value


def header(answer: Exchanged, name: str) -> list[str]:
    return [value for known, value in answer.headers if known.lower() == name]


ECHO = {"/": says("ok"), "/api": says("{}", "application/json")}


# --- requests


@pytest.mark.parametrize(
    ("method", "body", "content"),
    [
        ("GET", b"", b"ok"),
        ("HEAD", b"", b""),
        ("OPTIONS", b"", b"ok"),
        ("POST", b'{"query": "\xc3\xbc"}', b"ok"),
        ("POST", b"", b"ok"),
        ("POST", bytes(300_000), b"ok"),
    ],
)
def test_each_method_is_sent_with_its_body(make: Make, method: str, body: bytes, content: bytes) -> None:
    with backend(ECHO) as site:
        answer = ask(make(), f"{site.url}/", method, body=body, headers={"Content-Type": "application/json"})
        (seen,) = site.seen
    assert (seen.method, seen.body) == (method, body)
    assert seen.get("content-type") == "application/json"
    assert seen.get("content-length") == (str(len(body)) if method == "POST" else None)
    assert seen.get("transfer-encoding") is None
    assert (answer.http_status, answer.content) == (200, content)


def test_only_a_post_has_a_body(make: Make) -> None:
    with backend(ECHO) as site:
        for method in ("GET", "HEAD", "OPTIONS"):
            ask(make(), f"{site.url}/", method, body=b"smuggled")
        assert [seen.body for seen in site.seen] == [b""] * 3


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "GET / HTTP/1.1\r\n"]
)
def test_other_methods_are_not_sent(make: Make, method: str) -> None:
    with backend(ECHO) as site:
        with pytest.raises(ValueError, match="may not ask"):
            ask(make(), f"{site.url}/", method)
        assert site.seen == []


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a", "ws://example.org/", "data:text/html,x", "", "blob:x"]
)
def test_what_is_no_url_is_not_asked_for(make: Make, url: str) -> None:
    assert isinstance(error(make(), url), InvalidUrl)


def test_a_url_is_asked_for_in_its_canonical_form(make: Make) -> None:
    with backend({"/a%20b": says("ok")}) as site:
        plain = site.url.replace("http://", "http://me:secret@")
        answer = ask(make(), f"{plain}/x/../a b?q=%2f#part")
        assert site.paths() == ["/a%20b?q=%2f"]
        assert answer.url == f"{site.url}/a%20b?q=%2f"
        assert "authorization" not in dict(site.seen[0].headers)


PASSING = {
    "Accept": "application/json",
    "Accept-Language": "de",
    "Content-Type": "text/plain",
    "Referer": "http://page.example/",
    "Range": "bytes=0-1",
    "X-Requested-With": "XMLHttpRequest",
    "X-CSRF-Token": "abc",
    "Api-Version": "2",
    "Apollo-Require-Preflight": "true",
    "If-None-Match": '"v0"',
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
    "Authorization": "Bearer abc",
    "Cookie": "a=1; b=2",
}
HELD_BACK = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156",
    "Accept-Encoding": "identity",
    "Host": "other.example",
    "Content-Length": "999",
    "Transfer-Encoding": "chunked",
    "Connection": "close, X-CSRF-Token",
    "Keep-Alive": "timeout=5",
    "Upgrade": "websocket",
    "Upgrade-Insecure-Requests": "1",
    "TE": "trailers",
    "Trailer": "X",
    "Expect": "100-continue",
    "Proxy-Authorization": "Basic x",
    "Proxy-Connection": "keep-alive",
    "DNT": "1",
    "Sec-GPC": "1",
    "Sec-Fetch-Mode": "cors",
    "sec-ch-ua-platform": '"Linux"',
    "Save-Data": "on",
    "Purpose": "prefetch",
    "DPR": "2",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
}


def test_which_headers_of_the_browser_pass(make: Make) -> None:
    with backend(ECHO) as site:
        origin = {"Origin": site.url}
        ask(make(user_agent="tester/1.0"), f"{site.url}/", headers={**HELD_BACK, **PASSING, **origin})
        (seen,) = site.seen
    ours = {"Host": site.url.removeprefix("http://"), "User-Agent": "tester/1.0"}
    ours["Accept-Encoding"] = "gzip, deflate, br, zstd"
    assert dict(seen.headers) == {**PASSING, **origin, **ours}
    assert len(seen.headers) == len(dict(seen.headers)), "each once"


def test_nothing_is_added_that_tells_of_a_browser_or_a_language(make: Make) -> None:
    with backend(ECHO) as site:
        ask(make(), f"{site.url}/")
        assert {name for name, _ in site.seen[0].headers} == {"Host", "User-Agent", "Accept-Encoding"}


def test_no_header_makes_another_one(make: Make) -> None:
    evil = (("X-A", "1\r\nX-Evil: 1"), ("X-B\r\nX-Evil", "1"), ("X C", "1"), ("", "1"), ("X-D", "ü\u20ac\0"))
    with backend(ECHO) as site:
        ask(make(), f"{site.url}/", headers=evil)
        (seen,) = site.seen
    assert seen.get("x-a") == "1X-Evil: 1"
    assert seen.get("x-d") == "ü"
    assert not {name.lower() for name, _ in seen.headers} & {"x-evil", "x-b", "x c", "x"}


def test_headers_have_a_limit(make: Make) -> None:
    many = [(f"X-{number}", "1") for number in range(500)]
    with backend(ECHO) as site:
        ask(make(), f"{site.url}/", headers=[*many])
        ask(make(), f"{site.url}/", headers=[("X-Long", "x" * 100_000), ("X-Short", "x")])
        ask(make(), f"{site.url}/", headers=[("X-A", "1"), ("x-a", "2")])
        few, short, joined = site.seen
    assert len(few.headers) < 80
    assert short.get("x-long") is None
    assert joined.get("x-a") == "1, 2"


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=100))
def test_whatever_a_browser_says_can_be_sent(pairs: list[tuple[str, str]]) -> None:
    passed = passed_on(pairs)
    assert len({name.lower() for name in passed}) == len(passed) <= 64
    for name, value in passed.items():
        line = f"{name}: {value}".encode("latin-1")
        assert not set(line) & {0, 10, 13}
        assert name.isascii()
        assert " " not in name
        assert not name.lower().startswith(("sec-", "proxy-"))


# --- what is ours: configured headers, passwords, cookies


def test_configured_headers_count_more_than_the_browsers(make: Make) -> None:
    settings = {"headers": ("accept-language: fr", "X-Team: images")}
    with backend(ECHO) as site:
        ask(make(**settings), f"{site.url}/", headers={"Accept-Language": "en-US", "X-TEAM": "none"})
        (seen,) = site.seen
    assert (seen.get("accept-language"), seen.get("x-team")) == ("fr", "images")


def test_a_login_is_for_the_origins_of_the_seeds_alone(make: Make) -> None:
    with backend(ECHO) as mine, backend(ECHO) as other:
        transport = make(login="me:secret", seeds=(f"{mine.url}/",), headers=("Cookie: session=1",))
        for site in (mine, other):
            ask(transport, f"{site.url}/")
        assert mine.seen[0].get("authorization") == "Basic " + base64.b64encode(b"me:secret").decode()
        assert mine.seen[0].get("cookie") == "session=1"
        assert other.seen[0].get("authorization") is other.seen[0].get("cookie") is None


def test_a_script_of_another_origin_reads_nothing_that_our_password_brings(make: Make) -> None:
    """It may be allowed to read the answer for everybody; the browser holds the request for one without a password."""
    with backend(ECHO) as site:
        transport = make(login="me:secret", seeds=(f"{site.url}/",), headers=("Cookie: session=1",))
        for origin in ("http://evil.example", "null", site.url):
            for method in ("GET", "OPTIONS", "POST"):
                ask(transport, f"{site.url}/", method, headers={"Origin": origin, "Cookie": "own=1"})
        told = [(seen.get("authorization") is not None, seen.get("cookie")) for seen in site.seen]
    assert told == [(False, "own=1")] * 6 + [(True, "session=1; own=1")] * 3


def test_what_a_script_says_of_itself_goes_before_our_login(make: Make) -> None:
    with backend(ECHO) as site:
        transport = make(login="me:secret", seeds=(f"{site.url}/",))
        ask(transport, f"{site.url}/", headers={"Authorization": "Bearer abc"})
        assert site.seen[0].get("authorization") == "Bearer abc"


def test_cookies_are_the_jars_and_then_the_pages_own(make: Make) -> None:
    jar = CookieJar()
    answers = {
        **ECHO,
        "/set": Says(headers=(("Set-Cookie", "a=jar; Path=/"), ("Set-Cookie", "c=jar; Path=/"))),
    }
    with backend(answers) as site:
        transport = make(jar=jar)
        first = ask(transport, f"{site.url}/set")
        assert header(first, "set-cookie") == ["a=jar; Path=/", "c=jar; Path=/"], (
            "the browser keeps them, too"
        )
        ask(transport, f"{site.url}/", headers={"cookie": "a=page; b=page"})
        ask(transport, f"{site.url}/")
        assert [seen.get("cookie") for seen in site.asked("/")] == ["a=jar; c=jar; b=page", "a=jar; c=jar"]
    assert {cookie.name for cookie in jar.news()} == {"a", "c"}


def test_without_a_jar_cookies_are_the_pages_own(make: Make) -> None:
    with backend({**ECHO, "/set": Says(headers=(("Set-Cookie", "a=1"),))}) as site:
        transport = make()
        assert header(ask(transport, f"{site.url}/set"), "set-cookie") == ["a=1"]
        ask(transport, f"{site.url}/")
        ask(transport, f"{site.url}/", headers={"Cookie": "b=1"})
        assert [seen.get("cookie") for seen in site.asked("/")] == [None, "b=1"]


def test_a_status_that_is_an_error_sets_cookies_as_well(make: Make) -> None:
    jar = CookieJar()
    with backend({"/": Says(status=403, headers=(("Set-Cookie", "let-in=1"),))}) as site:
        ask(make(jar=jar), f"{site.url}/")
        assert jar.header(f"{site.url}/") == "let-in=1"


@pytest.mark.parametrize(
    ("ours", "theirs", "both"),
    [
        ("", "", ""),
        ("a=1", "", "a=1"),
        ("", "a=1", "a=1"),
        ("a=1", "a=2; b=3", "a=1; b=3"),
        ("a=1; b=2", "c=3;;d", "a=1; b=2; c=3; d"),
        ("x", "y", "x"),  # both have no name
    ],
)
def test_no_cookie_comes_twice(ours: str, theirs: str, both: str) -> None:
    assert joined_cookies(ours, theirs) == both


# --- answers


@pytest.mark.parametrize(
    "status", [200, 201, 203, 206, 226, 400, 401, 403, 404, 407, 410, 418, 429, 451, 500, 503, 599]
)
def test_every_status_comes_with_its_content(make: Make, status: int) -> None:
    with backend({"/": Says(status=status, body=b"why", headers=(("Retry-After", "7"),))}) as site:
        answer = ask(make(), f"{site.url}/")
        assert (answer.http_status, answer.content, answer.url) == (status, b"why", f"{site.url}/")
        assert header(answer, "retry-after") == ["7"]
        assert len(site.seen) == 1, "nothing is tried again"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content(make: Make, status: int) -> None:
    with backend({"/": Says(status=status, headers=(("ETag", '"v1"'), ("Content-Length", "9")))}) as site:
        transport = make()
        for _ in range(2):
            answer = ask(transport, f"{site.url}/", headers={"If-None-Match": '"v1"'})
            assert (answer.http_status, answer.content) == (status, b"")
        assert site.connections == 1


def test_an_empty_answer_is_one(make: Make) -> None:
    with backend({"/": says("")}) as site:
        assert ask(make(), f"{site.url}/").content == b""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_no_redirect_is_followed(make: Make, status: int, method: str) -> None:
    target = "HTTP://other.example:80/a b?c#d"
    answers = {"/": Says(status=status, headers=(("Location", target),), body=b"moved"), "/x": says("x")}
    with backend(answers) as site:
        transport = make()
        answer = ask(transport, f"{site.url}/", method)
        assert (answer.http_status, answer.content) == (status, b"")
        assert header(answer, "location") == [target]
        ask(transport, f"{site.url}/x")
        assert site.paths() == ["/", "/x"]
        assert site.connections == 1


def test_an_answer_whose_redirect_leads_nowhere_is_the_browsers_to_judge(
    make: Make, server: FaultServer
) -> None:
    assert header(ask(make(), f"{server.url}/nowhere"), "location") == []
    for target in ("javascript:alert(1)", "file:///etc/passwd"):
        assert header(ask(make(), f"{server.url}/to?{target}"), "location") == [target]


@pytest.mark.parametrize(
    "kind", ["good", "chunked", "gzip", "deflate", "br", "zstd", "twice", "hints/1", "http10"]
)
def test_the_whole_content_arrives_however_it_is_sent(make: Make, server: FaultServer, kind: str) -> None:
    answer = ask(make(), f"{server.url}/{kind}/plain.png")
    assert answer.content == samples()["plain.png"]
    assert not answer.is_cut
    assert not answer.stopped
    told = {name.lower() for name, _ in answer.headers}
    assert "content-type" in told
    assert not told & {"content-encoding", "content-length", "transfer-encoding", "connection"}


def test_headers_come_as_often_as_they_were_sent(make: Make) -> None:
    sent = (("X-B", "1"), ("Set-Cookie", "a=1"), ("x-A", "ü"), ("Set-Cookie", "b=2; Path=/"), ("X-B", "2"))
    with backend({"/": Says(headers=sent)}) as site:
        answer = ask(make(), f"{site.url}/")
    assert sorted(answer.headers) == sorted(sent)
    assert header(answer, "set-cookie") == ["a=1", "b=2; Path=/"]
    assert header(answer, "x-b") == ["1", "2"]


def test_a_preflight_is_answered_by_the_server(make: Make) -> None:
    granted = (
        ("Access-Control-Allow-Origin", "http://page.example"),
        ("Access-Control-Allow-Methods", "POST"),
        ("Access-Control-Allow-Headers", "content-type, x-token"),
    )
    asked = {
        "Origin": "http://page.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-token",
        "Sec-Fetch-Mode": "cors",
    }
    with backend({"/api": Says(status=204, headers=granted)}) as site:
        answer = ask(make(), f"{site.url}/api", "OPTIONS", headers=asked)
        (seen,) = site.seen
    assert seen.method == "OPTIONS"
    assert [seen.get(name) for name in list(asked)[:3]] == list(asked.values())[:3]
    assert set(granted) <= set(answer.headers)


# --- limits


@pytest.mark.parametrize(
    "path", ["/large/200000", "/large-unannounced/200000", "/endless", "/bomb/1", "/bomb-br/1"]
)
def test_more_than_the_limit_is_cut_and_said(make: Make, server: FaultServer, path: str) -> None:
    answer = ask(make(), server.url + path, max_bytes=100_000)
    assert (len(answer.content), answer.is_cut, answer.http_status) == (100_000, True, 200)
    exact = ask(make(), f"{server.url}/large/100000", max_bytes=100_000)
    assert (len(exact.content), exact.is_cut) == (100_000, False)


@pytest.mark.parametrize("path", ["/bomb/64", "/bomb-br/64", "/bomb-zstd/64"])
def test_a_bomb_is_not_unpacked_beyond_the_limit(make: Make, server: FaultServer, path: str) -> None:
    transport = make()
    ask(transport, f"{server.url}/good/plain.png")
    tracemalloc.start()
    try:
        assert ask(transport, server.url + path, max_bytes=2 * MIB).is_cut
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB


def test_a_bomb_within_a_bomb_is_refused(make: Make) -> None:
    content = gzip.compress(gzip.compress(bytes(64 * MIB)) + bytes(8 * MIB))
    with backend({"/": says(content, Content_Encoding="gzip, gzip")}) as site:
        assert isinstance(error(make(), f"{site.url}/", max_bytes=10_000), (TooLarge, BadResponse))


@pytest.mark.parametrize("path", ["/silent", "/stall/plain.png", "/drip/5/plain.png", "/drip-header/5"])
def test_nothing_outlasts_its_time(make: Make, server: FaultServer, path: str) -> None:
    for settings, within_s in (({"total_timeout_s": 0.3}, None), ({"total_timeout_s": 9.0}, 0.3)):
        transport = make(min_rate_bytes_s=0, **settings)
        started = time.monotonic()
        assert isinstance(error(transport, server.url + path, within_s=within_s), DeadlineExceeded)
        taken_s = time.monotonic() - started
        assert taken_s > 0.2
        assert soon(taken_s, 1.5)


def test_a_trickle_is_given_up_before_the_total_time(make: Make, server: FaultServer) -> None:
    transport = make(total_timeout_s=20.0, min_rate_bytes_s=10_000, rate_grace_s=0.2)
    assert isinstance(error(transport, f"{server.url}/drip/5/plain.png"), TooSlow)


def test_the_time_that_is_waited_for_a_turn_is_not_the_servers(make: Make) -> None:
    with backend({"/": Says(body=b"ok", after_s=0.1)}) as site:
        answer = ask(make(), f"{site.url}/", within_s=0.4, check=lambda _: working(0.5))
        assert answer.content == b"ok"


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("/cut/100/plain.png", (TruncatedTransfer,)),
        ("/chunked-cut/plain.png", (TruncatedTransfer,)),
        ("/gzip-bad/plain.png", (BadResponse,)),
        ("/encoding/compress/plain.png", (BadResponse,)),
        ("/header-flood/4", (BadResponse,)),
        ("/garbage", (BadResponse,)),
        ("/reset", (ConnectionLost,)),
        ("/close", (ConnectionLost,)),
        ("/reset-body/plain.png", (ConnectionLost, TruncatedTransfer)),
    ],
)
def test_a_fault_is_named(
    make: Make, way: str, server: FaultServer, path: str, leaves: tuple[type[TaskError], ...]
) -> None:
    failed = error(make(), server.url + path)
    assert type(failed) in leaves
    assert failed.final_url == server.url + path
    times = 2 if (way, path) == ("curl", "/garbage") else 1  # requests has a look as well
    assert len(server.requests) == times, "it is a new connection that was lost"


# --- what is stopped


def no_images(status: int, headers: Mapping[str, str]) -> bool:
    assert status == 200
    return headers["content-type"].startswith("image/")


def test_an_answer_that_is_stopped_is_not_downloaded(make: Make) -> None:
    body = bytes(MIB)
    with backend({"/a.png": Says(headers=(("Content-Type", "image/png"),), body=body, pieces=64)}) as site:
        answer = ask(make(), f"{site.url}/a.png", stop_at=no_images, max_bytes=100 * MIB)
        assert (answer.http_status, answer.stopped, answer.content, answer.is_cut) == (200, True, b"", False)
        assert header(answer, "content-type") == ["image/png"]
        wait_until(lambda: site.open_connections == 0)
        assert site.sent_bytes < 32 * MIB, "what fits into buffers on the way"


def test_an_answer_that_is_not_stopped_is_whole(make: Make) -> None:
    with backend({"/": says("{}", "application/json")}) as site:
        asked: list[Mapping[str, str]] = []
        answer = ask(make(), f"{site.url}/", stop_at=lambda _, headers: bool(asked.append(headers)))
        assert (answer.stopped, answer.content) == (False, b"{}")
        assert asked[0]["content-type"] == "application/json"


def test_nobody_is_asked_whether_to_stop_what_has_no_content(make: Make) -> None:
    moved = Says(status=302, headers=(("Location", "/b"), ("Content-Type", "image/png")))
    with backend({"/": moved}) as site:
        assert not ask(make(), f"{site.url}/", stop_at=lambda *_: True).stopped
        assert not ask(make(), f"{site.url}/", "HEAD", stop_at=lambda *_: True).stopped


# --- who may be asked, and when


def test_the_url_is_checked_before_it_is_asked_for(make: Make) -> None:
    checked: list[str] = []

    def check(url: str) -> None:
        checked.append(url)
        raise RobotsDisallowed("not there")

    with backend(ECHO) as site:
        with pytest.raises(RobotsDisallowed):
            ask(make(), f"{site.url}/#x", check=check)
        assert (checked, site.seen) == ([f"{site.url}/"], [])


def test_it_is_told_when_the_request_was_sent(make: Make) -> None:
    told: list[tuple[str, float]] = []
    with backend({"/": Says(after_s=0.2)}) as site:
        before = time.monotonic()
        ask(make(), f"{site.url}/", sent=lambda url, at: told.append((url, at - before)))
        assert told[0][0] == f"{site.url}/"
        assert 0 <= told[0][1] < 0.2


def test_it_is_told_that_the_request_is_sent_before_there_is_an_answer(make: Make) -> None:
    told: list[tuple[str, bool]] = []

    def fails(_: str) -> None:
        raise QueueError("gone")

    with backend({"/": Says(after_s=0.3)}) as site:
        transport = make()
        began = time.monotonic()
        ask(
            transport, f"{site.url}/", sending=lambda url: told.append((url, time.monotonic() - began < 0.25))
        )
        assert told == [(f"{site.url}/", True)]
        with pytest.raises(QueueError):
            ask(transport, f"{site.url}/", sending=fails)
        ask(transport, f"{site.url}/")
        assert len(told) == 1, "it was that request's"


def test_a_request_is_sent_once_it_may_be_and_that_takes_nothing_of_its_time(make: Make) -> None:
    order: list[str] = []

    def waits(_: str) -> None:
        working(0.5)
        order.append("may be sent")

    def seen(_: Seen) -> Says:
        order.append("seen")
        return says("ok")

    with backend({"/": seen}) as site:
        transport = make()
        for _ in range(2):  # over a new connection, and over that one again
            ask(transport, f"{site.url}/", sending=waits, within_s=0.4)
    assert order == ["may be sent", "seen"] * 2


def test_a_connection_that_the_server_has_given_up_costs_nothing(make: Make) -> None:
    """It ends when the second request comes: as late as that, nobody can see it before."""
    answers: dict[str, Any] = {"/": says("ok"), "/again": [Says(hangs_up=True), says("ok"), says("ok")]}

    def again(_: Seen) -> Says:
        return answers["/again"].pop(0)

    for method, times in (("GET", 2), ("HEAD", 2), ("OPTIONS", 2)):
        answers["/again"] = [Says(hangs_up=True), says("ok")]
        checked: list[str] = []
        with backend({"/": says("ok"), "/again": again}) as site:
            transport = make()
            ask(transport, f"{site.url}/")
            assert ask(transport, f"{site.url}/again", method, check=checked.append).http_status == 200
            assert len(site.asked("/again")) == len(checked) == times, "each try has its turn"
    with backend({"/": says("ok"), "/again": Says(hangs_up=True)}) as site:
        transport = make()
        ask(transport, f"{site.url}/")
        assert isinstance(error(transport, f"{site.url}/again"), ConnectionLost)
        assert len(site.asked("/again")) == 2, "once more, and that is all"


def test_a_post_is_sent_once(make: Make) -> None:
    with backend({"/": says("ok"), "/send": Says(hangs_up=True)}) as site:
        transport = make()
        ask(transport, f"{site.url}/")
        assert isinstance(error(transport, f"{site.url}/send", "POST", body=b"x"), ConnectionLost)
        assert len(site.asked("/send")) == 1


def test_connections_are_used_again(make: Make) -> None:
    with backend(
        {
            **ECHO,
            "/404": Says(status=404, body=b"no"),
            "/moved": Says(status=302, headers=(("Location", "/"),)),
        }
    ) as site:
        transport = make()
        for asked in ("GET /", "GET /404", "GET /moved", "HEAD /", "POST /", "OPTIONS /", "GET /"):
            method, path = asked.split()
            ask(transport, site.url + path, method, body=b"x")
        assert site.connections == 1


def test_many_threads_share_one_transport(make: Make) -> None:
    def echo(seen: Seen) -> Says:
        return says(seen.body or seen.path.encode())

    wrong: list[object] = []
    with backend({"/": echo}) as site:
        transport = make()

        def work(number: int) -> None:
            for turn in range(20):
                body = f"{number}-{turn}".encode()
                if ask(transport, f"{site.url}/", "POST", body=body).content != body:
                    wrong.append(body)
                if ask(transport, f"{site.url}/?{number}-{turn}").content != f"/?{number}-{turn}".encode():
                    wrong.append(turn)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert len(site.seen) == 240
        assert site.connections <= 6


def test_the_guard_decides_over_addresses(make: Make) -> None:
    with backend(ECHO) as site:
        for method in ("GET", "POST", "OPTIONS"):
            failed = error(make(guard=AddressGuard()), f"{site.url}/", method)
            assert isinstance(failed, ForbiddenAddress)
        assert site.seen == []
        assert ask(make(guard=AddressGuard(["127.0.0.1"])), f"{site.url}/").http_status == 200


def test_a_closed_port(make: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    assert isinstance(error(make(), url), ConnectFailed)


def test_tls_where_there_is_none(make: Make) -> None:
    with backend(ECHO) as site:
        failed = error(make(), site.url.replace("http:", "https:") + "/")
        assert isinstance(failed, (TlsFailed, ConnectionLost))


def test_through_a_proxy(make: Make) -> None:
    with backend(ECHO) as site, Proxy(login="me:secret") as proxy:
        transport = make(proxy=f"http://me:secret@127.0.0.1:{proxy.port}")
        port = site.url.rpartition(":")[2]
        url = f"http://nowhere.example:{port}/api"
        assert ask(transport, url, "OPTIONS").content == b"{}"
        assert proxy.heads[0].startswith(f"OPTIONS {url} HTTP/1.1\r\n"), "no name was looked up here"
        assert site.seen[0].get("proxy-authorization") is None
        refused = error(make(proxy=f"http://me:wrong@127.0.0.1:{proxy.port}"), url)
        assert isinstance(refused, Forbidden)
        assert "407" in str(refused)
        guarded = make(proxy=f"http://me:secret@127.0.0.1:{proxy.port}", guard=AddressGuard())
        assert isinstance(error(guarded, f"http://127.0.0.1:{port}/"), ForbiddenAddress)
        assert len(site.seen) == 1


def test_a_proxy_is_no_server_to_log_in_at(make: Make) -> None:
    """407 of a server is an answer; that of a proxy is not for the page."""
    with backend({"/": Says(status=407, body=b"x")}) as site:
        assert ask(make(), f"{site.url}/").http_status == 407


def test_the_header_of_a_request_is_looked_up_whatever_its_case() -> None:
    request = BrowserRequest(url="http://a.example/", headers=(("ACCEPT", "a"), ("x", "1"), ("accept", "b")))
    assert (request.header("accept"), request.header("origin")) == ("a, b", "")

"""The network of a page in the browser, against real servers and a queue that paces as the real ones do."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from crawler.config import Config, FetchConfig, RenderConfig
from crawler.errors import (
    LEFT_OUT,
    ConnectFailed,
    EmptyBody,
    ForbiddenAddress,
    InvalidUrl,
    NotFound,
    QueueError,
    RateLimited,
    RobotsDisallowed,
    ServerError,
    UnexpectedStatus,
)
from crawler.http import BrowserRequest, Exchanged, Transport
from crawler.http.address_guard import AddressGuard
from crawler.http.cookies import CookieJar
from crawler.http.host_files import QueueHostFileStore
from crawler.http.request_retries import RetryingTransport, host_pause_s, refused_for_s
from crawler.http.requests_transport import RequestsTransport
from crawler.http.robots import Robots
from crawler.http.turns import NotYet
from crawler.models import FileAnswer, HostFile, Task, TaskKind
from crawler.queues.politeness import Politeness
from crawler.render.budget import PageBudget
from crawler.render.host_backoff import HostBackoff
from crawler.render.interception import MAX_BODY_BYTES, is_same_site, refusal
from crawler.render.network import Answer, Network, PageNetwork, Refused
from crawler.urls import host_key
from tests.support.backend import Says, Seen, backend, says
from tests.support.cpu_time import soon
from tests.support.queues import is_in, wait_until, working

PNG = says(b"\x89PNG", "image/png")
HTML = says("<html>", "text/html")


class Queue:
    """Paces as the real ones do, on the real clock, and keeps what hosts say in their robots.txt."""

    def __init__(self, *, per_host: int = 8, delay_s: float = 0.0) -> None:
        self.pacing = Politeness(per_host=per_host, delay_s=delay_s)
        self.mutex = threading.RLock()
        self.ids: dict[str, int] = {}
        self.files: dict[str, HostFile] = {}
        self.fetching: set[str] = set()
        self.allowed: defaultdict[str, list[float]] = defaultdict(list)
        self.late: Counter[str] = Counter()
        self.guests: set[tuple[int, str]] = set()
        self.most_guests: Counter[str] = Counter()
        self.longer_s: dict[str, float] = {}
        """Hosts that want to be left alone for so long."""

    def id(self, host: str) -> int:
        return self.ids.setdefault(host, len(self.ids) + 1)

    def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
        with self.mutex:
            if host in self.longer_s:
                return self.longer_s[host]
            guest = task if is_guest else None
            now = time.monotonic()
            wait_s = self.pacing.turn(self.id(host), guest=guest, now=now)
            if not wait_s:
                self.allowed[host].append(now)
            if guest is not None and not wait_s:
                self.guests.add((guest, host))
                here = sum(where == host for _, where in self.guests)
                self.most_guests[host] = max(self.most_guests[host], here)
            return wait_s

    def turn_taken(self, *, host: str, ago_s: float) -> None:
        with self.mutex:
            self.late[host] += 1
            self.pacing.taken(self.id(host), ago_s, now=time.monotonic())

    def turn_over(self, *, task: int, host: str) -> None:
        with self.mutex:
            self.guests.discard((task, host))
            self.pacing.turn_over(self.id(host), task, now=time.monotonic())

    def host_file(self, worker_id: str, *, host: str, name: str) -> FileAnswer:
        del worker_id, name
        with self.mutex:
            if host in self.files:
                return FileAnswer(file=self.files[host])
            if host in self.fetching:
                return FileAnswer(again_s=0.02)
            self.fetching.add(host)
            return FileAnswer(is_yours=True)

    def keep_host_file(self, worker_id: str, *, host: str, file: HostFile) -> None:
        del worker_id
        with self.mutex:
            self.files[host] = file
            self.fetching.discard(host)
            self.pacing.set_delay(self.id(host), file.delay_s, now=time.monotonic(), just_asked=True)


class Made:
    """A network, the pages on it, and what it stands on."""

    def __init__(
        self,
        *,
        queue: Queue | None = None,
        fetch: dict[str, Any] | None = None,
        guard: AddressGuard | None = None,
        jar: CookieJar | None = None,
        seeds: tuple[str, ...] = (),
        robots: bool = True,
        stop: threading.Event | None = None,
        **render: Any,
    ) -> None:
        self.queue = queue or Queue()
        config = Config(render=RenderConfig(**render), fetch=FetchConfig(**(fetch or {})))
        self.transport: Transport = RetryingTransport(
            RequestsTransport(config.fetch, guard, jar, seeds=seeds), config.fetch.tries
        )
        store = QueueHostFileStore(self.queue, "w1")
        self.network = Network(
            self.transport,
            config=config,
            queue=self.queue,
            robots=Robots(self.transport, agent="image-crawler", store=store) if robots else None,
            stop=stop,
        )

    def page(self, url: str, number: int = 1) -> Any:
        return self.network.page(
            Task(id=number, serial=1, kind=TaskKind.RENDER, url=f"{url}/", depth=0, attempt=1)
        )


@pytest.fixture
def make() -> Iterator[Callable[..., Made]]:
    made: list[Made] = []

    def build(**settings: Any) -> Made:
        made.append(Made(**settings))
        return made[-1]

    yield build
    for one in made:
        one.transport.close()
        assert one.queue.guests == set(), "whatever happened, all guests have gone"
        busy = {
            host
            for host, number in one.queue.ids.items()
            if one.queue.pacing.look_at(number, now=0).in_flight
        }
        assert busy == set()


def ask(
    page: PageNetwork, url: str, kind: str = "XHR", /, method: str = "GET", **more: Any
) -> Answer | Refused:
    headers = tuple(more.pop("headers", {}).items())
    request = BrowserRequest(url=url, method=method, headers=headers, body=more.pop("body", b""))
    return page.ask(request, kind=kind, page_url=more.pop("page_url", url), **more)


def got(answer: Answer | Refused) -> bytes:
    assert isinstance(answer, Answer), answer
    return answer.content


def slug(answer: Answer | Refused) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.slug in {"", *LEFT_OUT}
    return answer.slug


def robots(text: str) -> Says:
    return says(text, "text/plain")


# --- what a page gets


def test_a_page_and_its_parts(make: Callable[..., Made]) -> None:
    answers = {"/": HTML, "/app.js": says("js", "text/javascript"), "/api": says("{}", "application/json")}
    with backend(answers) as site, make().page(site.url) as page:
        assert got(ask(page, f"{site.url}/", "Document", is_page=True)) == b"<html>"
        assert got(ask(page, f"{site.url}/app.js", "Script")) == b"js"
        assert got(ask(page, f"{site.url}/api?q=%2F", "Fetch", headers={"X-Token": "1"})) == b"{}"
        assert (page.budget.requests, page.budget.received_bytes, page.budget.left_out) == (3, 10, {})
        assert site.asked("/api?q=%2F")[0].get("x-token") == "1"


def test_a_status_is_for_the_page_to_judge_and_a_redirect_for_the_browser(make: Callable[..., Made]) -> None:
    answers = {
        "/moved": Says(status=302, headers=(("Location", "/x"),)),
        "/500": Says(status=500, body=b"no"),
    }
    with backend(answers) as site, make().page(site.url) as page:
        moved = ask(page, f"{site.url}/moved")
        assert isinstance(moved, Answer)
        assert (moved.http_status, moved.is_redirect) == (302, True)
        failed = ask(page, f"{site.url}/500")
        assert isinstance(failed, Answer)
        assert (failed.http_status, failed.content, failed.is_redirect) == (500, b"no", False)
        assert site.paths() == ["/moved", "/500"], "nothing is tried again"


def test_what_turns_out_to_be_an_image_is_not_downloaded(make: Callable[..., Made]) -> None:
    big = Says(
        headers=(("Content-Type", "Image/SVG+xml; charset=x"), ("ETag", "x")), body=bytes(2**20), pieces=64
    )
    with backend({"/big": big, "/a.png": PNG, "/": HTML}) as site, make().page(site.url) as page:
        for kind in ("XHR", "Fetch", "Other", "Document"):
            answer = ask(page, f"{site.url}/big", kind)
            assert isinstance(answer, Answer)
            assert (answer.is_image, answer.content, answer.http_status) == (True, b"", 200)
            assert ("ETag", "x") in answer.headers
        for kind in ("Script", "Stylesheet"):
            answer = ask(page, f"{site.url}/a.png?{kind}", kind)
            assert isinstance(answer, Answer)
            assert not answer.is_image
        assert site.sent_bytes < 32 * 2**20
        assert len(site.asked("/big")) == 1, "one header says it for all"
        assert page.budget.requests == 2, "images are none"


def test_an_image_that_is_the_page_itself_comes_whole(make: Callable[..., Made]) -> None:
    with backend({"/": PNG}) as site, make().page(site.url) as page:
        assert got(ask(page, f"{site.url}/", "Document", is_page=True)) == b"\x89PNG"


def test_films_and_sounds_are_not_data(make: Callable[..., Made]) -> None:
    film = Says(headers=(("Content-Type", "video/mp4"),), body=bytes(2**20), pieces=64)
    with backend({"/film": film, "/sound": says(b"x", "audio/ogg")}) as site, make().page(site.url) as page:
        assert (
            slug(ask(page, f"{site.url}/film"))
            == slug(ask(page, f"{site.url}/sound", "Fetch"))
            == "render-media"
        )
        assert (page.budget.left_out, page.budget.requests) == ({"render-media": 2}, 0)
        assert site.sent_bytes < 32 * 2**20


def test_an_error_with_the_type_of_an_image_is_an_error(make: Callable[..., Made]) -> None:
    broken = Says(status=404, headers=(("Content-Type", "image/png"),), body=b"no")
    with backend({"/": broken}) as site, make().page(site.url) as page:
        answer = ask(page, f"{site.url}/")
        assert isinstance(answer, Answer)
        assert (answer.is_image, answer.content) == (False, b"no")


def test_cookies_go_both_ways(make: Callable[..., Made]) -> None:
    jar = CookieJar()
    jar.store("http://127.0.0.1/", ["mine=1; Path=/"])
    answers = {"/": Says(headers=(("Set-Cookie", "theirs=1"),))}
    with backend(answers) as site, make(jar=jar).page(site.url) as page:
        answer = ask(page, f"{site.url}/", headers={"Cookie": "own=1; mine=2"})
        assert isinstance(answer, Answer)
        assert ("Set-Cookie", "theirs=1") in answer.headers
        assert site.seen[-1].get("cookie") == "mine=1; own=1"


# --- the page itself


def test_the_page_as_a_document(make: Callable[..., Made]) -> None:
    answers = {"/": Says(status=301, headers=(("Location", "/there"),)), "/there": HTML}
    with backend(answers) as site, make().page(site.url) as page:
        first = ask(page, f"{site.url}/", "Document", is_page=True)
        assert isinstance(first, Answer)
        assert first.is_redirect
        assert first.as_page(f"{site.url}/", final_url=f"{site.url}/").http_status == 301
        second = ask(page, f"{site.url}/there#part", "Document", is_page=True)
        assert isinstance(second, Answer)
        document = second.as_page(f"{site.url}/", final_url=f"{site.url}/there#part")
        assert (document.url, document.final_url) == (f"{site.url}/", f"{site.url}/there")
        assert (document.content, document.content_type, document.is_cut) == (b"<html>", "text/html", False)


@pytest.mark.parametrize(
    ("said", "leaf", "refused_s"),
    [
        (Says(status=404), NotFound, None),
        (Says(), EmptyBody, None),
        (Says(status=204), UnexpectedStatus, None),
        (Says(status=429), RateLimited, 0.0),
        (Says(status=503, headers=(("Retry-After", "7"),)), ServerError, 7.0),
    ],
)
def test_a_page_that_is_refused_says_so(
    make: Callable[..., Made], said: Says, leaf: type[Exception], refused_s: float | None
) -> None:
    with backend({"/": said}) as site, make().page(site.url) as page:
        answer = ask(page, f"{site.url}/", "Document", is_page=True)
        assert isinstance(answer, Answer)
        with pytest.raises(leaf) as raised:
            answer.as_page(f"{site.url}/", final_url=f"{site.url}/")
        assert refused_for_s(raised.value) == refused_s  # type: ignore[arg-type]
        assert raised.value.final_url == f"{site.url}/"  # type: ignore[attr-defined]


def test_what_is_in_the_way_of_a_page_is_raised(make: Callable[..., Made]) -> None:
    with backend({"/robots.txt": robots("User-agent: *\nDisallow: /no")}) as site:
        with make().page(site.url) as page:
            with pytest.raises(RobotsDisallowed, match="line 2"):
                ask(page, f"{site.url}/no", "Document", is_page=True)
            with pytest.raises(InvalidUrl):
                ask(page, "ftp://a.example/", "Document", is_page=True)
            assert page.budget.left_out == {}, "that is what its record says"
        with make(guard=AddressGuard()).page(site.url) as page, pytest.raises(ForbiddenAddress):
            ask(page, f"{site.url}/", "Document", is_page=True)
        with make().page("http://127.0.0.1:9") as page, pytest.raises(ConnectFailed):
            ask(page, "http://127.0.0.1:9/", "Document", is_page=True)
    with backend({"/robots.txt": Says(status=503, headers=(("Retry-After", "9"),))}) as site:
        with make().page(site.url) as page, pytest.raises(Exception, match="is not to be had") as raised:
            ask(page, f"{site.url}/", "Document", is_page=True)
        assert host_pause_s(raised.value) == pytest.approx(15.0, abs=1.0)  # type: ignore[arg-type]


def test_a_page_whose_turn_is_far_off_goes_back(make: Callable[..., Made]) -> None:
    queue = Queue()
    with backend({"/": HTML}) as site, make(queue=queue).page(site.url) as page:
        queue.longer_s[site.url] = 30.0
        with pytest.raises(NotYet) as raised:
            ask(page, f"{site.url}/", "Document", is_page=True)
        assert raised.value.wait_s == 30.0
        assert site.paths() == []
        assert page.turns.waited_s < 1.0


def test_a_page_is_cut_where_a_document_would_be(make: Callable[..., Made]) -> None:
    with (
        backend({"/": says("x" * 5000, "text/html")}) as site,
        make(render_bytes=2000).page(site.url) as page,
    ):
        answer = ask(page, f"{site.url}/", "Document", is_page=True)
        assert isinstance(answer, Answer)
        assert (len(answer.content), answer.is_cut) == (2000, True)
        assert slug(ask(page, f"{site.url}/")) == "render-bytes"


# --- what a page does not get


@pytest.mark.parametrize(
    ("url", "method", "kind", "posts", "refused"),
    [
        ("http://a.example/", "GET", "XHR", "none", None),
        ("http://a.example/", "HEAD", "XHR", "none", None),
        ("http://a.example/", "OPTIONS", "Fetch", "none", None),
        ("http://a.example/", "POST", "XHR", "none", "render-posts"),
        ("http://a.example/", "POST", "XHR", "site", None),
        ("https://api.a.example:8443/", "POST", "Fetch", "site", None),
        ("http://b.example/", "POST", "XHR", "site", "render-posts"),
        ("http://b.example/", "POST", "XHR", "any", None),
        ("http://a.example/", "PUT", "XHR", "any", "render-posts"),
        ("http://a.example/", "DELETE", "XHR", "any", "render-posts"),
        ("http://a.example/", "PATCH", "Fetch", "any", "render-posts"),
        ("http://a.example/", "BREW", "Fetch", "any", "render-posts"),
        ("http://a.example/", "POST", "Document", "any", "render-forms"),
        ("ws://a.example/", "GET", "WebSocket", "any", ""),
        ("file:///etc/passwd", "GET", "XHR", "any", ""),
        ("data:text/plain,x", "GET", "XHR", "any", ""),
        ("chrome://version/", "GET", "Document", "any", ""),
        ("http://a.example/" + "x" * 9000, "GET", "XHR", "any", ""),
    ],
)
def test_which_requests_are_made(url: str, method: str, kind: str, posts: str, refused: str | None) -> None:
    request = BrowserRequest(url=url, method=method)
    assert refusal(request, kind=kind, page_url="http://www.a.example/x", posts=posts) == refused


@pytest.mark.parametrize(
    ("wanted", "posts", "refused"),
    [
        ("GET", "none", None),
        ("", "none", None),
        ("POST", "none", "render-posts"),
        ("POST", "site", None),
        ("PUT", "any", "render-posts"),
    ],
)
def test_a_preflight_is_refused_with_what_it_is_for(wanted: str, posts: str, refused: str | None) -> None:
    headers = (("Access-Control-Request-Method", wanted),) if wanted else ()
    request = BrowserRequest(url="http://api.a.example/", method="OPTIONS", headers=headers)
    for kind in ("XHR", "Fetch", "Preflight"):  # Chromium gives that of the request that it is for
        assert refusal(request, kind=kind, page_url="http://a.example/", posts=posts) == refused


def test_an_upload_is_no_query() -> None:
    for size, refused in ((MAX_BODY_BYTES, None), (MAX_BODY_BYTES + 1, "render-posts")):
        request = BrowserRequest(url="http://a.example/", method="POST", body=bytes(size))
        assert refusal(request, kind="XHR", page_url="http://a.example/", posts="any") == refused


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("http://127.0.0.1:1/", "http://127.0.0.1:2/x", True),
        ("http://127.0.0.1:1/", "http://127.0.0.2:1/", False),
        ("http://[::1]:1/", "http://[::1]:2/", True),
        ("http://localhost:1/", "https://localhost:2/", True),
        ("http://a.b.co.uk/", "http://c.b.co.uk/", True),
        ("http://a.co.uk/", "http://b.co.uk/", False),
        ("http://one.github.io/", "http://two.github.io/", False),
        ("http://a.example/", "about:blank", False),
    ],
)
def test_what_is_one_site(url: str, other: str, *, same: bool) -> None:
    assert is_same_site(url, other) == same


def test_posts_go_where_the_setting_says(make: Callable[..., Made]) -> None:
    with backend({"/api": says("{}")}) as site, backend({"/api": says("{}")}) as other:
        foreign = other.url.replace("127.0.0.1", "localhost")
        for posts, to_site, to_foreign in (
            ("none", False, False),
            ("site", True, False),
            ("any", True, True),
        ):
            with make(render_posts=posts).page(site.url) as page:
                told = [
                    isinstance(
                        ask(page, f"{url}/api", method="POST", body=b"{}", page_url=f"{site.url}/"), Answer
                    )
                    for url in (site.url, other.url, foreign)
                ]
                assert told == [to_site, to_site, to_foreign]
                refused = told.count(False)
                assert page.budget.left_out == ({"render-posts": refused} if refused else {})
        assert {seen.body for seen in site.asked()} == {b"{}"}


def test_robots_txt_is_heeded_for_every_part_at_every_host(make: Callable[..., Made]) -> None:
    rules = {"/robots.txt": robots("User-agent: image-crawler\nDisallow: /private/\nAllow: /")}
    pages = {"/": HTML, "/private/a": says("x"), "/a": says("x")}
    with (
        backend({**rules, **pages}) as site,
        backend({**rules, **pages}) as other,
        make().page(site.url) as page,
    ):
        for host in (site, other):
            assert got(ask(page, f"{host.url}/a")) == b"x"
            refused = ask(page, f"{host.url}/private/a")
            assert slug(refused) == "render-robots"
            assert isinstance(refused, Refused)
            assert isinstance(refused.error, RobotsDisallowed)
            assert slug(ask(page, f"{host.url}/private/a", method="POST")) == "render-robots"
            assert host.paths() == ["/a"]
            assert len(host.seen) == 2, "its robots.txt was asked for once"
        assert page.budget.left_out == {"render-robots": 4}


def test_without_robots_txt_nothing_is_looked_up(make: Callable[..., Made]) -> None:
    with backend({"/robots.txt": robots("User-agent: *\nDisallow: /"), "/a": says("x")}) as site:
        with make(robots=False).page(site.url) as page:
            assert got(ask(page, f"{site.url}/a")) == b"x"
        assert [seen.path for seen in site.seen] == ["/a"]


def test_private_addresses_are_refused(make: Callable[..., Made]) -> None:
    with backend({"/": says("secret")}) as site:
        with make(guard=AddressGuard()).page(site.url) as page:
            refused = ask(page, f"{site.url}/")
            assert slug(refused) == "render-guard"
            assert slug(ask(page, "http://169.254.169.254/latest/meta-data/")) == "render-guard"
        assert site.seen == []


def test_what_can_not_be_had_is_the_pages_loss_and_counted_nowhere(make: Callable[..., Made]) -> None:
    with backend({"/": Says(hangs_up=True)}) as site, make().page(site.url) as page:
        refused = ask(page, f"{site.url}/")
        assert slug(refused) == ""
        assert isinstance(refused, Refused)
        assert refused.error is not None
        assert refused.error.reason == "connection-lost"
        assert (page.budget.left_out, page.budget.requests) == ({}, 0)


# --- how much a page gets


def test_a_page_makes_so_many_requests(make: Callable[..., Made]) -> None:
    with backend({"/": HTML, "/a": says("x")}) as site, make(render_requests=10).page(site.url) as page:
        ask(page, f"{site.url}/", "Document", is_page=True)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda n: ask(page, f"{site.url}/a?{n}"), range(30)))
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        assert len(refused) == 21
        assert {answer.slug for answer in refused} == {"render-requests"}
        assert (page.budget.requests, page.budget.left_out) == (10, {"render-requests": 21})
        assert len(site.asked()) == 10


def test_images_are_no_requests_and_no_way_around_the_limit(make: Callable[..., Made]) -> None:
    with backend({"/a.png": PNG, "/a": says("x")}) as site, make(render_requests=5).page(site.url) as page:
        images = [ask(page, f"{site.url}/a.png?{n}") for n in range(100)]
        taken = [one for one in images if isinstance(one, Answer)]
        assert len(taken) == len(site.asked()) == 20
        assert page.budget.requests == 0


def test_what_is_refused_may_be_tried_so_often(make: Callable[..., Made]) -> None:
    """Each host costs a look at its robots.txt."""
    with (
        backend({"/robots.txt": robots("User-agent: *\nDisallow: /")}) as site,
        make(render_requests=5).page(site.url) as page,
    ):
        slugs = [slug(ask(page, f"{site.url}/{n}")) for n in range(30)]
        assert Counter(slugs) == {"render-robots": 20, "render-requests": 10}


def test_a_page_gets_so_many_bytes(make: Callable[..., Made]) -> None:
    with (
        backend({"/a": says("x" * 4000), "/b": says("x" * 2500)}) as site,
        make(render_bytes=10_000).page(site.url) as page,
    ):
        assert [len(got(ask(page, f"{site.url}/a?{n}"))) for n in range(2)] == [4000, 4000]
        assert slug(ask(page, f"{site.url}/b")) == "render-bytes", "the start of a script is none"
        assert page.budget.received_bytes == 8000
        assert got(ask(page, f"{site.url}/404")) == b""
        assert page.budget.left_out == {"render-bytes": 1}


def test_several_at_once_get_no_more_bytes_together(make: Callable[..., Made]) -> None:
    slow = Says(body=b"x" * 4000, after_s=0.05)
    with backend({"/a": slow}) as site, make(render_bytes=10_000).page(site.url) as page:
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda n: ask(page, f"{site.url}/a?{n}"), range(6)))
        assert len([answer for answer in answers if isinstance(answer, Answer)]) == 2
        assert page.budget.received_bytes == 8000
        assert page.budget.left_out == {"render-bytes": 4}


def test_a_bomb_is_within_the_limit(make: Callable[..., Made]) -> None:
    import gzip

    bomb = says(gzip.compress(bytes(64 * 2**20)), Content_Encoding="gzip")
    with backend({"/": bomb}) as site, make(render_bytes=2**20).page(site.url) as page:
        assert slug(ask(page, f"{site.url}/")) == "render-bytes"


def test_the_allowance_comes_back_with_what_was_not_answered() -> None:
    allowance = PageBudget(requests=2, received_bytes=100)
    for _ in range(8):
        assert allowance.begin() == ""
        assert allowance.end(size_bytes=None)
    assert allowance.begin() == "render-requests", "so often and no more"
    allowance = PageBudget(requests=2, received_bytes=100)
    assert [allowance.begin() for _ in range(3)] == ["", "", "render-requests"]
    assert [allowance.end(size_bytes=60), allowance.end(size_bytes=60)] == [True, False]
    assert (allowance.requests, allowance.received_bytes, allowance.room_bytes) == (1, 60, 40)
    assert allowance.begin(anyway=True) == ""
    assert allowance.end(size_bytes=40)
    assert allowance.begin() == "render-requests"


# --- when


def test_between_any_two_requests_of_two_pages_lies_the_crawl_delay(make: Callable[..., Made]) -> None:
    answers = {
        "/robots.txt": robots("User-agent: *\nCrawl-delay: 0.2"),
        "/": HTML,
        "/a.js": says("x", "text/javascript"),
        "/api": says("{}"),
    }
    with backend(answers) as site, backend(answers) as other:
        made = make()

        def visit(number: int) -> float:
            with made.page(site.url, number) as page, ThreadPoolExecutor(4) as pool:
                got(ask(page, f"{site.url}/", "Document", is_page=True))
                parts = [f"{site.url}/api?{number}-{n}" for n in range(2)] + [f"{other.url}/api?{number}"]
                for answer in pool.map(lambda url: ask(page, url), parts):
                    got(answer)
                return page.turns.waited_s

        with ThreadPoolExecutor(2) as pages:
            waited_s = list(pages.map(visit, (1, 2)))
        for host, count in ((site, 7), (other, 3)):
            allowed = made.queue.allowed[host.url]
            assert min(after - before for before, after in pairwise(allowed)) >= 0.2
            moments = sorted(seen.at for seen in host.seen)
            assert len(moments) == len(allowed) == count
            # on its way each may be late: by half of the delay at most, or the next one is held back, too
            assert min(after - before for before, after in pairwise(moments)) > 0.1
            assert moments[-1] - moments[0] > (count - 1) * 0.2 * 0.9
        assert min(waited_s) > 0.3, "which is not the pages' time"


def test_a_request_that_arrives_late_holds_back_the_next(make: Callable[..., Made]) -> None:
    with backend({"/a": Says(after_s=0.05)}) as site:
        made = make(robots=False)
        with made.page(site.url) as page:
            got(ask(page, f"{site.url}/a"))
            assert made.queue.late == {site.url: 1}


def test_pages_together_are_no_more_at_a_host_than_may_be(make: Callable[..., Made]) -> None:
    slow = Says(body=b"x", after_s=0.01)
    with backend({"/a": slow}) as site, backend({"/a": slow}) as other:
        queue = Queue(per_host=3)
        made = make(queue=queue)

        def visit(number: int) -> None:
            with made.page(site.url, number) as page, ThreadPoolExecutor(10) as pool:
                for answer in pool.map(lambda n: ask(page, f"{other.url}/a?{number}-{n}"), range(15)):
                    got(answer)

        with ThreadPoolExecutor(3) as pages:
            list(pages.map(visit, (1, 2, 3)))
        assert other.most_in_flight <= 3
        assert queue.most_guests[other.url] == 3
        assert len(other.asked()) == 45


def test_one_page_has_no_more_than_a_browser_would_at_one_host(make: Callable[..., Made]) -> None:
    with backend({"/a": Says(body=b"x", after_s=0.02)}) as site:
        queue = Queue(per_host=50)
        with make(queue=queue).page(site.url) as page, ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda n: ask(page, f"{site.url}/a?{n}"), range(40)))
        assert site.most_in_flight == 6
        assert queue.most_guests[site.url] == 5, "one by the lease"


def test_a_part_that_would_wait_for_long_is_left_out(make: Callable[..., Made]) -> None:
    queue = Queue()
    with (
        backend({"/": HTML}) as site,
        backend({"/a": says("x")}) as other,
        make(queue=queue).page(site.url) as page,
    ):
        queue.longer_s[other.url] = 30.0
        started = time.monotonic()
        assert slug(ask(page, f"{other.url}/a")) == "render-waits"
        assert soon(time.monotonic() - started, 1.0)
        assert page.budget.left_out == {"render-waits": 1}
        assert got(ask(page, f"{site.url}/")) == b"<html>"


def test_a_host_that_refuses_is_asked_for_nothing_more(make: Callable[..., Made]) -> None:
    busy = Says(status=503, headers=(("Retry-After", "60"),), body=b"busy")
    answers = {"/busy": busy, "/many": Says(status=429), "/error": Says(status=503), "/a": says("x")}
    with backend(answers) as site, backend(answers) as other, backend(answers) as third:
        made = make()
        with made.page(site.url) as page:
            assert isinstance(ask(page, f"{other.url}/busy"), Answer), "the page hears why"
            assert slug(ask(page, f"{other.url}/a")) == "render-waits"
            assert isinstance(ask(page, f"{third.url}/error"), Answer)
            assert got(ask(page, f"{third.url}/a")) == b"x", "an error is no refusal"
            assert page.refused_for_s is None
            assert isinstance(ask(page, f"{site.url}/many"), Answer)
            assert slug(ask(page, f"{site.url}/a")) == "render-waits"
            assert page.refused_for_s == 0.0
            assert isinstance(ask(page, f"{site.url}/a", "Document", is_page=True), Answer), (
                "that is for the queue"
            )
        with made.page(site.url, 2) as page:
            assert slug(ask(page, f"{other.url}/a")) == "render-waits", "other pages leave it alone as well"
            assert got(ask(page, f"{site.url}/a")) == b"x", "it did not say for how long"
        assert other.paths() == ["/busy"]


def test_a_host_that_there_is_no_way_to_costs_its_time_once(make: Callable[..., Made]) -> None:
    attempts: list[str] = []

    class Counting:
        def __init__(self, transport: Transport) -> None:
            self.transport = transport

        def exchange(self, request: BrowserRequest, **exchanging: Any) -> Exchanged:
            attempts.append(host_key(request.url))
            return self.transport.exchange(request, **exchanging)

    with backend({"/": HTML}) as site:
        made = make(robots=False)
        made.network.transport = Counting(made.transport)  # type: ignore[assignment]
        for number in (1, 2):
            with made.page(site.url, number) as page:
                for n in range(3):
                    refused = ask(page, f"http://127.0.0.1:9/{n}")
                    assert slug(refused) == ""
                    assert isinstance(refused, Refused)
                    assert isinstance(refused.error, ConnectFailed)
        assert attempts == ["http://127.0.0.1:9"]
        with made.page("http://localhost:9") as page:
            for _ in range(2):
                assert slug(ask(page, "http://localhost:9/a")) == ""
        assert attempts[1:] == ["http://localhost:9"] * 2, "its own host is the queue's to judge"


def test_hosts_are_left_alone_for_so_long() -> None:
    clock = [0.0]
    alone = HostBackoff(lambda: clock[0])
    alone.leave("http://a.example", 10.0)
    alone.leave("http://a.example", 5.0)
    assert (alone.is_alone("http://a.example"), alone.is_alone("http://b.example")) == (True, False)
    clock[0] = 9.0
    assert alone.is_alone("http://a.example")
    clock[0] = 10.0
    assert not alone.is_alone("http://a.example")
    alone.leave("http://a.example", 5.0, ConnectFailed("closed"))
    with pytest.raises(ConnectFailed, match="closed"):
        alone.is_alone("http://a.example")
    for number in range(2000):
        alone.leave(f"http://{number}.example", 5.0)
    assert not alone.is_alone("http://a.example"), "there is a limit"


# --- all is given back


def test_guests_go_whatever_comes_of_a_request(make: Callable[..., Made]) -> None:
    """The fixture looks after that, at the end of each test; here everything goes wrong at once."""
    answers: dict[str, Any] = {
        "/robots.txt": robots("User-agent: *\nDisallow: /no"),
        "/cut": Says(headers=(("Content-Length", "99"),), body=b"x", leaves=True),
        "/gone": Says(hangs_up=True),
        "/slow": Says(after_s=1.0),
        "/bad": says(b"nonsense", Content_Encoding="gzip"),
        "/big": says("x" * 50_000),
        "/a": says("x"),
        "/a.png": PNG,
    }
    with backend(answers) as site, backend(answers) as other:
        queue = Queue(per_host=4)
        made = make(queue=queue, render_bytes=20_000, render_timeout_s=0.3)
        with made.page(site.url) as page, ThreadPoolExecutor(16) as pool:
            urls = [f"{host.url}{path}" for host in (site, other) for path in [*answers, "/no", "/404"]] * 2
            answered = list(pool.map(lambda url: ask(page, url), urls))
            assert {type(answer) for answer in answered} == {Answer, Refused}
            assert page.budget.requests < len(urls)
        assert queue.guests == set()


def test_what_the_queue_raises_is_raised_and_the_place_is_free(make: Callable[..., Made]) -> None:
    class Gone(Queue):
        def turn(self, *, task: int, host: str, is_guest: bool = False) -> float:
            raise QueueError("gone")

    with backend({"/": HTML}) as site, make(queue=Gone(), robots=False).page(site.url) as page:
        for _ in range(10):
            with pytest.raises(QueueError):
                ask(page, f"{site.url}/")
            with pytest.raises(QueueError):
                ask(page, f"{site.url}/", "Document", is_page=True)
        assert page.budget.requests == 0


def test_a_fault_of_our_own_leaves_nothing_behind(make: Callable[..., Made]) -> None:
    class Broken:
        def exchange(self, request: BrowserRequest, **exchanging: Any) -> Exchanged:
            exchanging["check"](request.url)
            raise ZeroDivisionError

    queue = Queue()
    made = make(queue=queue, robots=False)
    made.network.transport = Broken()  # type: ignore[assignment]
    with made.page("http://a.example") as page:
        for _ in range(10):
            with pytest.raises(ZeroDivisionError):
                ask(page, "http://b.example/a.js", "Script")
        assert queue.guests == set()
        assert page.budget.requests == 0


def test_when_a_page_is_over_what_waits_gives_up(make: Callable[..., Made]) -> None:
    queue = Queue(delay_s=5.0)
    with backend({"/": HTML}) as site, ThreadPoolExecutor(8) as pool:
        with make(queue=queue, robots=False).page(site.url) as page:
            got(ask(page, f"{site.url}/", "Document", is_page=True))
            asked = [pool.submit(ask, page, f"{site.url}/{n}") for n in range(8)]
            wait_until(lambda: sum(is_in(thread, "ask", "wait") for thread in pool._threads) == len(asked))
        started = time.monotonic()
        assert {slug(one.result(5)) for one in asked} == {"render-waits"}
        assert soon(time.monotonic() - started, 1.0)
        assert site.paths() == ["/"]
        assert slug(ask(page, f"{site.url}/late")) == "render-waits", "and nothing begins any more"


def test_a_worker_that_is_to_stop_waits_for_nothing(make: Callable[..., Made]) -> None:
    stop = threading.Event()
    stop.set()
    with backend({"/": HTML}) as site, make(stop=stop).page(site.url) as page:
        assert slug(ask(page, f"{site.url}/")) == "render-waits"
        with pytest.raises(NotYet):
            ask(page, f"{site.url}/", "Document", is_page=True)


# --- what pages share


def scripts(seen: Seen) -> Says:
    working(0.05)
    return says(seen.path, "text/javascript")


def test_a_thousand_pages_ask_for_a_script_once(make: Callable[..., Made]) -> None:
    with backend({"/": HTML, "/app.js": scripts, "/app.css": scripts}) as site:
        made = make()

        def visit(number: int) -> None:
            with made.page(site.url, number) as page:
                got(ask(page, f"{site.url}/", "Document", is_page=True))
                assert got(ask(page, f"{site.url}/app.js", "Script")) == b"/app.js"
                assert got(ask(page, f"{site.url}/app.css", "Stylesheet")) == b"/app.css"
                assert (page.budget.requests, page.budget.received_bytes) == (3, 21), (
                    "what it uses is its own"
                )

        with ThreadPoolExecutor(8) as pages:
            list(pages.map(visit, range(1, 41)))
        assert Counter(site.paths()) == {"/": 40, "/app.js": 1, "/app.css": 1}


def test_what_is_each_pages_own_each_asks_for(make: Callable[..., Made]) -> None:
    with backend(
        {"/api": scripts, "/token.js": lambda _: says("x", "text/javascript", Cache_Control="no-store")}
    ) as site:
        made = make()

        def visit(number: int) -> None:
            with made.page(site.url, number) as page:
                got(ask(page, f"{site.url}/api", "XHR"))
                got(ask(page, f"{site.url}/token.js", "Script"))

        with ThreadPoolExecutor(6) as pages:
            list(pages.map(visit, range(1, 7)))
        assert Counter(site.paths()) == {"/api": 6, "/token.js": 6}


def test_the_page_itself_is_never_an_old_answer(make: Callable[..., Made]) -> None:
    fresh = says("<html>", "text/html", Cache_Control="public, max-age=600")
    with backend({"/": fresh}) as site:
        made = make()
        for number in (1, 2):
            with made.page(site.url, number) as page:
                got(ask(page, f"{site.url}/", "Document", is_page=True))
        assert site.paths() == ["/", "/"]


def test_what_something_was_sent_to_is_asked_for_again(make: Callable[..., Made]) -> None:
    fresh = says("1", Cache_Control="max-age=600")
    with backend({"/api": fresh}) as site, make().page(site.url) as page:
        for method in ("GET", "GET", "POST", "GET"):
            got(ask(page, f"{site.url}/api", method=method))
        assert [seen.method for seen in site.asked()] == ["GET", "POST", "GET"]


def test_a_page_that_ends_while_others_wait_for_what_it_asks_leaves_it_to_them(
    make: Callable[..., Made],
) -> None:
    queue = Queue(delay_s=0.3)
    with (
        backend({"/app.js": says("js", "text/javascript"), "/": HTML}) as site,
        ThreadPoolExecutor(2) as pool,
    ):
        made = make(queue=queue, robots=False)
        with made.page(site.url, 2) as patient:
            with made.page(site.url, 1) as first:
                got(ask(first, f"{site.url}/", "Document", is_page=True))
                leading = pool.submit(ask, first, f"{site.url}/app.js", "Script")
                wait_until(lambda: any(is_in(thread, "ask", "wait") for thread in pool._threads))
                following = pool.submit(ask, patient, f"{site.url}/app.js", "Script")
                wait_until(lambda: sum(is_in(thread, "ask", "wait") for thread in pool._threads) == 2)
            assert slug(leading.result(5)) == "render-waits"
            assert got(following.result(5)) == b"js"
            assert patient.turns.waited_s > 0.1
        assert site.paths() == ["/", "/app.js"]


def test_without_a_queue_a_page_stands_alone() -> None:
    with backend({"/": HTML, "/a": says("x")}) as site:
        transport = RequestsTransport(FetchConfig())
        network = Network(transport, config=Config())
        task = Task(id=1, serial=1, kind=TaskKind.RENDER, url=f"{site.url}/", depth=0, attempt=1)
        with network.page(task) as page, ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda n: got(ask(page, f"{site.url}/a?{n}")), range(20)))
            assert page.budget.requests == 20
        transport.close()

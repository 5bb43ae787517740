"""What goes over the wire: the request target and the Host of a canonical URL, byte for byte."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Self

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.config import FetchConfig
from crawler.errors import BadRedirect, TaskError, UnexpectedStatus
from crawler.http import Fetched, Transport
from crawler.http.robots import Robots
from crawler.urls import authority, canonical, resolve, with_bytes_escaped
from tests.support.transports import KINDS, opened

REPORTED = [
    "/s/%2f%3a.png?sig=a%2fb%3d", "/s/50%-off.png", "/s/x%zz.png", "/s/[big].png", "/s/q.png?c=a|b^`\\",
    "/s/%e3%81%82.png", "/q?f[]={1}", "//double//slash", "/a;b=c,d/@:!$&'()*+", "/%", "/%%", "/?", "/??a", "/a?b?c",
    "/~%7e%7E", "/%41%2e%2e/b", "/a%0ab%00", "/\\back\\slash", "/a\"b<c>?\"<>'", "/.%2e/x", "/é?é", "/\U0001f600",
    "/a b?c d", "/a\tb\nc", "/{x}|^`", "/a?x=http://b/?y#z", "/%ff%fe", "?only", "/a%2", "/:80/@b", "/a/./b/../c",
    "/a/%2E/b", "/'?'", "/a&amp;b",
]  # fmt: skip


class Recorder(socketserver.ThreadingTCPServer):
    """Answers everything with 200, or with *moved* as a redirect, and keeps what it was asked as it came."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[bytes, bytes]] = []
        """Target and Host."""
        self.moved: list[bytes] = []
        """Header lines of the next answer, which is a redirect then."""
        self.always: dict[bytes, list[bytes]] = {}
        """The same for each request for a target."""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: Recorder

    def handle(self) -> None:
        while line := self.rfile.readline():
            hosts = []
            while (field := self.rfile.readline()) not in {b"\r\n", b""}:
                if field.lower().startswith(b"host:"):
                    hosts.append(field[5:].strip())
            method, target, version = line.rstrip(b"\r\n").split(b" ")  # more spaces than these are a fault
            assert (method, version, len(hosts)) == (b"GET", b"HTTP/1.1", 1)
            self.server.asked.append((target, hosts[0]))
            fields, self.server.moved = self.server.moved or self.server.always.get(target, []), []
            status = b"302 Found" if fields else b"200 OK"
            head = [b"HTTP/1.1 " + status, b"Content-Length: 2", *fields]
            self.wfile.write(b"\r\n".join([*head, b"", b"ok"]))


@pytest.fixture(scope="module")
def server() -> Iterator[Recorder]:
    with Recorder() as running:
        yield running


@pytest.fixture(scope="module", params=KINDS)
def direct(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = KINDS[request.param](FetchConfig(max_redirects=3))
    yield transport
    transport.close()


@pytest.fixture(scope="module", params=KINDS)
def through_proxy(request: pytest.FixtureRequest, server: Recorder) -> Iterator[Transport]:
    transport = KINDS[request.param](FetchConfig(proxy=server.url))
    yield transport
    transport.close()


def get(transport: Transport, url: str) -> Fetched:
    return transport.fetch(url, max_bytes=100, accept="*/*")


references = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text("ab%2f3A/\\?#&=[]{}|^`\"'<>:;@!$()*+,~. é", max_size=30),
).map(lambda text: f"/{text}")


def with_all(function: object) -> object:
    for reference in REPORTED:
        function = example(reference)(function)  # type: ignore[arg-type]
    return function


@with_all  # type: ignore[misc]
@given(references)
def test_what_is_asked_for_is_the_url(server: Recorder, direct: Transport, reference: str) -> None:
    url = resolve(
        reference.lstrip("/\\\t\n\r ") if reference[1:2] in "/\\\t\n\r " else reference, f"{server.url}/dir/"
    )
    if url is None or not url.startswith(f"{server.url}/"):
        return  # too long, or of another host
    server.asked.clear()

    fetched = get(direct, url)

    assert server.asked == [(url.removeprefix(server.url).encode(), authority(url).encode())]
    assert fetched.final_url == url


@given(
    references,
    st.from_regex(r"[a-z0-9_~!$&'()*+,;=`{}\"-]{1,12}(\.[a-z]{1,5})?\.?(:[0-9]{2,4})?", fullmatch=True),
)
@example("/%2f|[x]?`", "example.org.:8080")
@example("/", "[2001:db8::1]:81")
@example("//x/[", "[::1]")
def test_a_proxy_is_asked_for_the_whole_url(
    server: Recorder, through_proxy: Transport, reference: str, host: str
) -> None:
    url = canonical(f"http://{host}{reference}")
    if url is None:
        return
    server.asked.clear()

    get(through_proxy, url)

    assert server.asked == [(url.encode(), authority(url).encode())]


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        (b"/caf\xc3\xa9?q=\xc3\xa9", "/caf%C3%A9?q=%C3%A9"),
        (b"/caf\xe9?q=\xe9", "/caf%E9?q=%E9"),
        (b"/\xff\xfe/%ff", "/%FF%FE/%ff"),
        (b"/a b?c d", "/a%20b?c%20d"),
        (b"  /padded  ", "/padded"),
        (b"/x%2fy%zz[1]|", "/x%2fy%zz[1]|"),
        (b"relative?a=[b]#part", "/dir/relative?a=[b]"),
        (b"../up", "/up"),
        (b"?query", "/dir/page?query"),
        (b"//127.0.0.1:%d/other", "/other"),
        (b"http:/slashes", "/slashes"),
        (b"\\back", "/back"),
        (b"/voil\xc3\xa0", "/voil%C3%A0"),  # its last byte is a space in Latin-1
    ],
)
def test_a_redirect_leads_where_its_bytes_say(
    server: Recorder, direct: Transport, location: bytes, asked: str
) -> None:
    port = server.server_address[1]
    location = location.replace(b"%d", str(port).encode())
    server.moved = [b"Location: " + location]
    server.asked.clear()

    fetched = get(direct, f"{server.url}/dir/page")

    assert server.asked[-1][0] == asked.encode()
    assert fetched.final_url == server.url + asked


@given(st.binary(min_size=1, max_size=20).filter(lambda sent: not re.search(rb"[\x00-\x20\x7f#?\\%]", sent)))
def test_any_bytes_of_a_redirect_arrive(server: Recorder, direct: Transport, sent: bytes) -> None:
    """What a server unescapes is what it had sent, dot segments aside."""
    server.moved = [b"Location: /-" + sent]
    server.asked.clear()

    get(direct, f"{server.url}/")

    came = re.sub(rb"%([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), server.asked[-1][0])
    assert came == b"/-" + sent or b"/." in sent


@pytest.mark.usefixtures("each_transport")
def test_the_first_location_that_says_something_counts(server: Recorder) -> None:
    server.always[b"/several"] = [b"Location:", b"Location: /first", b"Location: /second"]

    with closing(opened(FetchConfig())) as transport:
        assert get(transport, f"{server.url}/several").final_url == f"{server.url}/first"


def test_a_redirect_that_says_nothing_leads_nowhere(server: Recorder, direct: Transport) -> None:
    server.moved = [b"Location:  "]
    with pytest.raises(UnexpectedStatus):
        get(direct, f"{server.url}/")


@pytest.mark.parametrize(
    "location", [b"javascript:alert(1)", b"http://", b"mailto:a@example.org", b"http://a b/"]
)
def test_a_redirect_to_what_can_not_be_fetched(server: Recorder, direct: Transport, location: bytes) -> None:
    server.moved = [b"Location: " + location]
    with pytest.raises(BadRedirect):
        get(direct, f"{server.url}/")


def test_robots_txt_and_where_it_moved_to_are_asked_for_as_they_are_written(
    server: Recorder, direct: Transport
) -> None:
    server.moved = [b"Location: /robots%2ftxt?[1]|\xe9"]
    server.asked.clear()

    Robots(direct, agent="tester").check(f"{server.url}/a.png")

    assert [target for target, _ in server.asked] == [b"/robots.txt", b"/robots%2ftxt?[1]|%E9"]


@pytest.mark.parametrize("url", ["/a\r\nX: y", "/a b", "/\x7f", "/é"])
def test_what_would_make_another_request_of_it_is_not_sent(
    server: Recorder, direct: Transport, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """No canonical URL has such characters; if ever one had, it would not be sent."""
    monkeypatch.setattr("crawler.http.engine_transport.canonical", lambda url: url)
    server.asked.clear()

    with pytest.raises(TaskError) as caught:
        get(direct, server.url + url)

    assert caught.value.reason == "invalid-url"
    assert not server.asked


@given(st.text(st.characters(max_codepoint=255)))
def test_escaped_bytes_are_ascii_and_those_of_utf_8_are_what_the_standard_makes_of_them(header: str) -> None:
    assert with_bytes_escaped(header).isascii()
    as_sent = header.encode("utf-8").decode("latin-1")
    assert resolve(with_bytes_escaped(as_sent), "http://a.example/b/") == resolve(
        header, "http://a.example/b/"
    )

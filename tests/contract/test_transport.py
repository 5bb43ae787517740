"""What every Transport promises, against a real server with faults. Another one is one more of transports.KINDS."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import (
    BadRedirect,
    BadResponse,
    ClientError,
    ConnectFailed,
    ConnectionLost,
    DeadlineExceeded,
    EmptyBody,
    Forbidden,
    HostNotFound,
    InvalidUrl,
    LoginRequired,
    NotFound,
    RateLimited,
    RequestTimeout,
    RobotsDisallowed,
    ServerError,
    TaskError,
    TlsFailed,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    TruncatedTransfer,
    UnexpectedStatus,
)
from crawler.http import Fetched, Transport, Validators
from tests.support.cpu_time import soon
from tests.support.faultserver import FaultServer
from tests.support.images import samples
from tests.support.tcpserver import TcpServer
from tests.support.transports import opened

MIB = 2**20
Make = Callable[..., Transport]


@pytest.fixture
def make(each_transport: str) -> Iterator[Make]:
    made: list[Transport] = []

    def build(*, rate_grace_s: float = 10.0, **settings: Any) -> Transport:
        made.append(opened(FetchConfig(**settings), rate_grace_s=rate_grace_s))
        return made[-1]

    yield build
    for transport in made:
        transport.close()


def get(transport: Transport, url: str, *, max_bytes: int = MIB, referer: str = "") -> Fetched:
    return transport.fetch(url, max_bytes=max_bytes, accept="image/*", referer=referer)


@contextmanager
def answering(sent: bytes, *, waiting: bool = False) -> Iterator[str]:
    """The URL of a server that answers with *sent*, and ends the connection, at once or in the end."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:  # libcurl can't read all of them: then there is a second request
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(sent)
                        over.wait(30 if waiting else 0)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/a.png"
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # a close alone would not wake who waits in accept
    thread.join(5)


def error(transport: Transport, url: str, **options: Any) -> TaskError:
    with pytest.raises(TaskError) as caught:
        get(transport, url, **options)
    return caught.value


@pytest.mark.parametrize(
    "kind",
    [
        "good",
        "chunked",
        "gzip",
        "deflate",
        "deflate-raw",
        "br",
        "zstd",
        "twice",
        "lying",
        "encoding/utf-8",
        "hints/1",
        "hints/20",
        "http10",
        "length-chunked",
        "gzip-more",
    ],
)
def test_the_whole_body_arrives_however_it_is_sent(make: Make, server: FaultServer, kind: str) -> None:
    url = f"{server.url}/{kind}/plain.png"
    fetched = get(make(), url)
    assert fetched.content == samples()["plain.png"]
    assert (fetched.url, fetched.final_url, fetched.http_status) == (url, url, 200)


def test_headers_are_lower_case_and_the_media_type_is_bare(make: Make, server: FaultServer) -> None:
    fetched = get(make(), f"{server.url}/lying/plain.png")
    assert fetched.content_type == "text/html"
    assert fetched.headers["content-type"] == "text/html; charset=utf-8"
    assert get(make(), f"{server.url}/good/plain.png").headers["etag"] == '"v1"'


def test_a_body_without_a_length_ends_with_the_connection(make: Make, server: FaultServer) -> None:
    assert get(make(), f"{server.url}/large-unannounced/300000").content == bytes(300_000)


def test_what_a_request_says(make: Make, server: FaultServer) -> None:
    get(make(user_agent="tester/1.0"), f"{server.url}/echo", referer=f"{server.url}/page?a=1#top")
    sent = server.requests[0].headers
    assert sent["user-agent"] == "tester/1.0"
    assert sent["accept"] == "image/*"
    assert set(sent["accept-encoding"].split(", ")) == {"gzip", "deflate", "br", "zstd"}
    assert sent["referer"] == f"{server.url}/page?a=1"
    assert sent["host"] == server.url.removeprefix("http://")
    assert not sent.keys() & {"cookie", "authorization"}


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("https://127.0.0.1/page", None),
        ("http://user:secret@other.example/page#part", "http://other.example/"),
        ("not a url", None),
    ],
)
def test_a_referer_gives_nothing_away(make: Make, server: FaultServer, page: str, told: str | None) -> None:
    get(make(), f"{server.url}/echo", referer=page)
    assert server.requests[0].headers.get("referer") == told


def test_cookies_are_not_kept(make: Make, server: FaultServer) -> None:
    transport = make()
    get(transport, f"{server.url}/cookie/plain.png")
    get(transport, f"{server.url}/cookie/plain.png")
    assert "cookie" not in server.requests[1].headers


def test_proxies_and_credentials_of_the_environment_are_not_used(
    make: Make, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert get(make(), f"{server.url}/good/plain.png").http_status == 200


# --- redirects


def test_redirects_are_followed_up_to_the_limit(make: Make, server: FaultServer) -> None:
    fetched = get(make(max_redirects=3), f"{server.url}/redirect/3/plain.png")
    assert fetched.final_url == f"{server.url}/good/plain.png"
    assert fetched.url == f"{server.url}/redirect/3/plain.png"
    failed = error(make(max_redirects=3), f"{server.url}/redirect/4/plain.png")
    assert isinstance(failed, TooManyRedirects)
    assert failed.http_status == 302


def test_each_url_is_checked_before_it_is_asked_for(make: Make, server: FaultServer) -> None:
    checked: list[str] = []

    def check(url: str) -> None:
        asked = {f"{server.url}{request.path}" for request in server.requests}
        assert url not in asked, "nothing has been sent to it yet"
        checked.append(url)
        if url.endswith("/good/plain.png"):
            raise RobotsDisallowed("not there")

    with pytest.raises(RobotsDisallowed) as caught:
        make().fetch(f"{server.url}/redirect/2/plain.png", max_bytes=MIB, accept="*/*", check=check)
    assert checked == [
        f"{server.url}/{path}" for path in ("redirect/2/plain.png", "redirect/1/plain.png", "good/plain.png")
    ]
    assert caught.value.reason == "robots-disallowed"
    assert [request.path for request in server.requests] == ["/redirect/2/plain.png", "/redirect/1/plain.png"]


@pytest.mark.parametrize("path", ["/good/plain.png", "/chunked/plain.png", "/gzip/plain.png"])
def test_a_cut_answer_is_the_start_of_the_whole(make: Make, server: FaultServer, path: str) -> None:
    whole = get(make(), f"{server.url}{path}").content
    for limit in (64, len(whole), MIB):
        part = make().fetch(f"{server.url}{path}", max_bytes=limit, accept="*/*", cut=True)
        assert part.content == whole[:limit]


def test_what_each_robot_is_told_stays_apart(make: Make, server: FaultServer) -> None:
    headers = get(make(), f"{server.url}/robots-tag/googlebot:%20noindex/nofollow/plain.png").headers
    assert headers["x-robots-tag"] == "googlebot: noindex\nnofollow"


@pytest.mark.parametrize("path", ["/loop", "/pingpong/a"])
def test_a_circle_is_noticed_at_its_first_round(make: Make, server: FaultServer, path: str) -> None:
    assert isinstance(error(make(), server.url + path), TooManyRedirects)
    assert len(server.requests) <= 2


def test_no_redirect_at_all_when_none_is_allowed(make: Make, server: FaultServer) -> None:
    assert isinstance(error(make(max_redirects=0), f"{server.url}/redirect/1/plain.png"), TooManyRedirects)


@pytest.mark.parametrize(
    "target", ["ftp://example.org/a.png", "file:///etc/passwd", "data:image/png,x", "http://"]
)
def test_a_redirect_only_leads_to_http(make: Make, server: FaultServer, target: str) -> None:
    failed = error(make(), f"{server.url}/to?{target}")
    assert isinstance(failed, BadRedirect)
    assert target in str(failed)


def test_a_final_url_is_canonical(make: Make, server: FaultServer) -> None:
    fetched = get(make(), f"{server.url}/to?/x/../good/./plain.png%23frag#frag".replace("%23frag", ""))
    assert fetched.final_url == f"{server.url}/good/plain.png"


def test_a_redirect_without_a_target_is_no_success(make: Make, server: FaultServer) -> None:
    assert isinstance(error(make(), f"{server.url}/nowhere"), UnexpectedStatus)


# --- statuses


@pytest.mark.parametrize(
    ("status", "leaf"),
    [
        (205, UnexpectedStatus),
        (206, UnexpectedStatus),
        (300, UnexpectedStatus),
        (400, ClientError),
        (401, LoginRequired),
        (403, Forbidden),
        (404, NotFound),
        (408, RequestTimeout),
        (410, NotFound),
        (418, ClientError),
        (425, RequestTimeout),
        (429, RateLimited),
        (451, ClientError),
        (500, ServerError),
        (503, ServerError),
        (501, ClientError),
        (505, ClientError),
        (511, ServerError),
        (599, ServerError),
    ],
)
def test_a_status_is_an_error(make: Make, server: FaultServer, status: int, leaf: type[TaskError]) -> None:
    url = f"{server.url}/status/{status}"
    failed = error(make(), url)
    assert type(failed) is leaf
    assert (failed.http_status, failed.final_url) == (status, url)
    assert str(status) in str(failed)


@pytest.mark.parametrize(("path", "status"), [("/no-content", 204), ("/not-modified", 304)])
def test_an_answer_without_content_is_no_success(
    make: Make, server: FaultServer, path: str, status: int
) -> None:
    failed = error(make(), server.url + path)
    assert isinstance(failed, UnexpectedStatus)
    assert failed.http_status == status


def test_another_2xx_with_content_is_one(make: Make, server: FaultServer) -> None:
    assert get(make(), f"{server.url}/status/203").http_status == 203


def test_an_empty_body_is_an_error(make: Make, server: FaultServer) -> None:
    assert isinstance(error(make(), f"{server.url}/empty"), EmptyBody)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("999999", 3600.0), ("soon", None), ("Mon,%2002%20Mar%202020%2010:00:00%20GMT", 0.0)],
)
def test_retry_after_is_told(make: Make, server: FaultServer, value: str, seconds: float | None) -> None:
    assert error(make(), f"{server.url}/status/503/retry-after/{value}").retry_after_s == seconds


# --- limits


@pytest.mark.parametrize(
    "path",
    ["/large/200000", "/large-unannounced/200000", "/endless", "/bomb/1", "/bomb-br/1", "/bomb-zstd/1"],
)
def test_more_than_the_cap_is_refused(make: Make, server: FaultServer, path: str) -> None:
    failed = error(make(), server.url + path, max_bytes=100_000)
    assert isinstance(failed, TooLarge)
    assert "100000" in str(failed)
    assert failed.http_status == 200


class Webcam(TcpServer):
    """Sends *frame* after *frame*, as long as somebody listens."""

    def __init__(self, content_type: str, between: bytes, frame: bytes) -> None:
        super().__init__()
        self._content_type, self._between, self._frame = content_type, between, frame

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            sock.recv(65536)
            sock.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {self._content_type}\r\n\r\n".encode())
            while True:
                sock.sendall(self._between + self._frame + b"\r\n")
                time.sleep(0.01)


@pytest.mark.parametrize(
    ("content_type", "between"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
        ('Multipart/X-Mixed-Replace;boundary="--a b"', b"--a b\nX-Time: 1\ncontent-type:image/jpeg\n\n"),
    ],
)
def test_a_webcams_first_picture_is_its_content(make: Make, content_type: str, between: bytes) -> None:
    """All of the total time went by, and then it was no image."""
    frame = samples()["plain.jpg"] * 3 + b"\n--fram\n--a \r\n"
    with Webcam(content_type, between, frame) as server:
        url = f"http://127.0.0.1:{server.port}/"
        found = get(make(total_timeout_s=20), url)
        assert (found.content, found.is_cut) == (frame, False)
        assert found.headers["content-type"] == "image/jpeg"
        assert isinstance(error(make(), url, max_bytes=len(frame) - 1), TooLarge)


def test_a_stream_without_a_picture_is_given_up(make: Make) -> None:
    with Webcam("multipart/x-mixed-replace; boundary=a", b"--b\r\n\r\n", b"x" * 9000) as server:
        failed = error(make(), f"http://127.0.0.1:{server.port}/")
    assert isinstance(failed, BadResponse)
    assert "has none" in str(failed)


def test_exactly_the_cap_is_not(make: Make, server: FaultServer) -> None:
    assert len(get(make(), f"{server.url}/large/100000", max_bytes=100_000).content) == 100_000


@pytest.mark.parametrize("path", ["/bomb/64", "/bomb-br/64", "/bomb-zstd/64"])
def test_a_bomb_is_not_unpacked_beyond_the_cap(make: Make, server: FaultServer, path: str) -> None:
    get(make(), f"{server.url}/good/plain.png")
    tracemalloc.start()
    try:
        assert isinstance(error(make(), server.url + path, max_bytes=2 * MIB), TooLarge)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB


@pytest.mark.parametrize("path", ["/silent", "/stall/plain.png", "/drip/5/plain.png", "/drip-header/5"])
def test_nothing_outlasts_the_total_time(make: Make, server: FaultServer, path: str) -> None:
    transport = make(total_timeout_s=0.3, min_rate_bytes_s=0)
    started = time.monotonic()
    failed = error(transport, server.url + path)
    assert isinstance(failed, DeadlineExceeded)
    taken_s = time.monotonic() - started
    assert taken_s > 0.2
    assert soon(taken_s, 1.5)
    assert "total_timeout_s" in str(failed)


def test_a_fetch_may_be_given_less_time_and_never_more(make: Make, server: FaultServer) -> None:
    for total_timeout_s, within_s in ((5, 0.2), (0.2, 5)):
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            make(total_timeout_s=total_timeout_s).fetch(
                f"{server.url}/silent", max_bytes=MIB, accept="*/*", within_s=within_s
            )
        assert soon(time.monotonic() - started, 1.5)


def test_redirects_share_the_total_time(make: Make, server: FaultServer) -> None:
    started = time.monotonic()
    failed = error(make(total_timeout_s=0.25), f"{server.url}/to?/to?/silent")
    assert isinstance(failed, DeadlineExceeded)
    assert soon(time.monotonic() - started, 1.0)
    assert len(server.requests) == 3


@pytest.mark.parametrize("path", ["/stall/plain.png", "/drip/5/plain.png", "/drip-header/5"])
def test_a_trickle_is_given_up_before_the_total_time(make: Make, server: FaultServer, path: str) -> None:
    transport = make(total_timeout_s=20.0, min_rate_bytes_s=10_000, rate_grace_s=0.2)
    started = time.monotonic()
    failed = error(transport, server.url + path)
    assert isinstance(failed, TooSlow)
    assert soon(time.monotonic() - started, 2.0)


def test_a_server_may_think_for_longer_than_the_grace(make: Make, server: FaultServer) -> None:
    transport = make(min_rate_bytes_s=10_000, rate_grace_s=0.05)
    assert get(transport, f"{server.url}/slow/150/plain.png").http_status == 200


# --- faults


@pytest.mark.parametrize(
    ("path", "leaves"),
    [
        ("/cut/100/plain.png", (TruncatedTransfer,)),
        ("/chunked-cut/plain.png", (TruncatedTransfer,)),
        ("/chunked-bad/plain.png", (TruncatedTransfer, BadResponse)),
        ("/gzip-cut/plain.png", (TruncatedTransfer,)),
        ("/gzip-bad/plain.png", (BadResponse,)),
        ("/encoding/br/plain.png", (BadResponse,)),
        ("/encoding/zstd/plain.png", (BadResponse,)),
        ("/encoding/compress/plain.png", (BadResponse,)),
        ("/encoding/gzip, gzip/plain.png", (BadResponse,)),
        ("/encoding/gzip, br, gzip/plain.png", (BadResponse,)),
        ("/bomb-zstd/1/27", (BadResponse,)),
        ("/hints/50/plain.png", (BadResponse,)),
        ("/continues", (BadResponse,)),
        ("/two-lengths/plain.png", (BadResponse,)),
        ("/length/-1/plain.png", (BadResponse,)),
        ("/length/much/plain.png", (BadResponse,)),
        ("/length/99999/plain.png", (TruncatedTransfer,)),
        ("/header-flood/4", (BadResponse,)),
        ("/status-line/100000", (BadResponse,)),
        ("/chunk-line/1", (BadResponse,)),
        ("/trailers/1", (BadResponse,)),
        ("/garbage", (BadResponse,)),
        ("/headers/1100", (BadResponse,)),
        ("/reset", (ConnectionLost,)),
        ("/close", (ConnectionLost,)),
        ("/reset-body/plain.png", (ConnectionLost, TruncatedTransfer)),
    ],
)
def test_a_fault_is_named(
    make: Make, server: FaultServer, path: str, leaves: tuple[type[TaskError], ...]
) -> None:
    failed = error(make(), server.url + path.replace(" ", ""))
    assert type(failed) in leaves
    assert failed.final_url.startswith(server.url)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FRAMED: list[tuple[str, bytes, bytes | type[TaskError]]] = [
    ("lengths-that-agree", HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("a-list-of-lengths", HEAD + b"Content-Length: 2, 02\r\n\r\nok", b"ok"),
    ("lengths-that-differ", HEAD + b"Content-Length: 2, 3\r\n\r\nok!", BadResponse),
    ("a-length-with-a-sign", HEAD + b"Content-Length: +2\r\n\r\nok", BadResponse),
    ("a-length-beyond-reason", HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nok", BadResponse),
    ("more-than-the-length", HEAD + b"Content-Length: 2\r\n\r\nok, and more", b"ok"),
    ("bare-line-feeds", HEAD.replace(b"\r", b"") + b"Content-Length: 2\n\nok", b"ok"),
    ("a-folded-line", HEAD + b"X-A: b\r\n  c\r\nContent-Length:\r\n 2\r\n\r\nok", b"ok"),
    ("a-line-that-is-no-field", HEAD + b"what?\r\n: x\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("no-reason", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("lower-case", b"http/1.1 200 ok\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("chunks", CHUNKED + b"1\r\no\r\n01 ;a=b\r\nk\r\n0\r\nX-Trailer: 1\r\n\r\n", b"ok"),
    ("chunks-without-the-last-line", CHUNKED + b"2\r\nok\r\n0\r\n", b"ok"),
    ("chunked-or-so", HEAD + b"Transfer-Encoding: Chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
    ("no-last-chunk", CHUNKED + b"2\r\nok\r\n", TruncatedTransfer),
    ("half-a-chunk", CHUNKED + b"5\r\nok", TruncatedTransfer),
    ("half-a-chunk-size", CHUNKED + b"2\r\nok\r\n1", TruncatedTransfer),
    ("a-negative-chunk", CHUNKED + b"-1\r\nok", BadResponse),
    ("a-chunk-in-pythons-digits", CHUNKED + b"1_0\r\n" + bytes(16) + b"\r\n0\r\n\r\n", BadResponse),
    ("a-chunk-beyond-reason", CHUNKED + b"f" * 20 + b"\r\nok", BadResponse),
    ("a-long-extension", CHUNKED + b"2;" + b"x" * 5000 + b"\r\nok\r\n0\r\n\r\n", BadResponse),
    ("many-extensions", CHUNKED + (b"1;" + b"x" * 4000 + b"\r\no\r\n") * 20, BadResponse),
    ("coded-on-the-way", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", BadResponse),
    ("many-trailers", CHUNKED + b"2\r\nok\r\n0\r\n" + b"X: y\r\n" * 5000, BadResponse),
    ("an-end-before-the-status", b"", ConnectionLost),
    ("an-end-within-the-status", b"HTTP/1.1 2", ConnectionLost),
    ("an-end-after-the-status", b"HTTP/1.1 200 OK\r\n", ConnectionLost),
    ("an-end-within-the-header", HEAD + b"Content-Le", ConnectionLost),
    ("an-end-before-the-empty-line", HEAD + b"Content-Length: 2\r\n", ConnectionLost),
    ("an-end-after-a-hint", b"HTTP/1.1 103 Early Hints\r\n\r\n", ConnectionLost),
    ("any-interim-status", b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 150 Go\r\n\r\n" + HEAD + b"\r\nok", b"ok"),
    ("another-protocol", b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n", BadResponse),
    ("a-status-of-two-digits", b"HTTP/1.1 20 OK\r\n\r\n", BadResponse),
    ("a-status-of-words", b"HTTP/1.1 two OK\r\n\r\n", BadResponse),
    ("another-version", b"HTTP/2 200 OK\r\n\r\n", BadResponse),
    ("a-name-that-is-none", b"ICY 200 OK\r\n\r\n", BadResponse),
    ("many-lines", HEAD + b"X: y\r\n" * 1001 + b"\r\nok", BadResponse),
    ("much-in-few-lines", HEAD + (b"X: " + b"y" * 60_000 + b"\r\n") * 5 + b"\r\nok", BadResponse),
    ("a-long-line", HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\nok", BadResponse),
]


@pytest.mark.parametrize(("sent", "expected"), [row[1:] for row in FRAMED], ids=[row[0] for row in FRAMED])
def test_where_an_answer_begins_and_ends(make: Make, sent: bytes, expected: bytes | type[TaskError]) -> None:
    with answering(sent) as url:
        if isinstance(expected, bytes):
            assert get(make(), url).content == expected
        else:
            failed = error(make(), url)
            assert type(failed) is expected, failed.detail
            assert failed.final_url == url


def test_limits_are_named(make: Make) -> None:
    for sent, limit in (
        (HEAD + b"X: y\r\n" * 1500, "1000"),
        (HEAD + (b"X: " + b"y" * 60_000 + b"\r\n") * 5, "262144"),
    ):
        with answering(sent) as url:
            assert limit in error(make(), url).detail


def test_a_header_that_is_folded_or_has_odd_characters_arrives_in_one_line(make: Make) -> None:
    with answering(HEAD + b'X-A : b\0c\rd\r\n\t e \r\nETag: "\xfc"\r\nContent-Length: 2\r\n\r\nok') as url:
        headers = get(make(), url).headers
    assert headers["x-a"] == "b c d e"
    assert headers["etag"] == '"\xfc"'


# --- what is known already


def test_an_answer_that_is_known_may_come_as_304(make: Make, server: FaultServer) -> None:
    transport, url = make(), f"{server.url}/conditional/plain.png"
    first = get(transport, url)
    etag, last_modified = first.headers["etag"], first.headers["last-modified"]
    for known in (
        Validators(url=url, etag=etag, last_modified=last_modified),
        Validators(url=url, last_modified=last_modified),
    ):
        again = transport.fetch(url, max_bytes=MIB, accept="*/*", unless=known)
        assert (again.http_status, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    sent = [
        (request.headers.get("if-none-match"), request.headers.get("if-modified-since"))
        for request in server.requests
    ]
    assert sent == [(None, None), (etag, last_modified), (None, last_modified)]
    other = transport.fetch(url, max_bytes=MIB, accept="*/*", unless=Validators(url=url, etag='"v0"'))
    assert other.content == first.content
    assert server.connections() == 1


def test_what_is_known_is_said_after_a_redirect_as_well(make: Make, server: FaultServer) -> None:
    url, there = f"{server.url}/to?/conditional/plain.png", f"{server.url}/conditional/plain.png"
    known = Validators(url=there, etag='"v1"')
    again = make().fetch(url, max_bytes=MIB, accept="*/*", unless=known)
    assert (again.http_status, again.final_url) == (304, there)


def test_what_is_known_of_one_url_is_not_said_to_another(make: Make, server: FaultServer) -> None:
    """A redirect that has gone, or leads elsewhere: the validators of what it led to mean nothing here."""
    url = f"{server.url}/conditional/plain.png"
    known = Validators(
        url=f"{server.url}/elsewhere.png", etag='"v1"', last_modified="Tue, 01 Jan 2030 00:00:00 GMT"
    )
    again = make().fetch(url, max_bytes=MIB, accept="*/*", unless=known)
    assert (again.http_status, len(again.content) > 0) == (200, True)
    assert "if-none-match" not in server.requests[0].headers
    with pytest.raises(UnexpectedStatus):
        make().fetch(f"{server.url}/not-modified", max_bytes=MIB, accept="*/*", unless=known)


def test_a_304_that_nobody_asked_for_is_no_success(make: Make, server: FaultServer) -> None:
    url = f"{server.url}/not-modified"
    with pytest.raises(UnexpectedStatus):
        make().fetch(url, max_bytes=MIB, accept="*/*", unless=Validators(url=url))


def test_no_validator_makes_another_header(make: Make, server: FaultServer) -> None:
    url = f"{server.url}/echo"
    evil = Validators(url=url, etag='"a"\r\nX-Evil: 1\u2028', last_modified="x" * 5000)
    make().fetch(url, max_bytes=MIB, accept="*/*", unless=evil)
    sent = server.requests[0].headers
    assert sent["if-none-match"] == '"a"X-Evil: 1'
    assert not sent.keys() & {"x-evil", "if-modified-since"}


# --- connecting


def test_a_closed_port(make: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    failed = error(make(), f"http://127.0.0.1:{port}/a.png")
    assert isinstance(failed, ConnectFailed)
    assert str(port) in str(failed)


def test_tls_where_there_is_none(make: Make, server: FaultServer) -> None:
    assert isinstance(
        error(make(), server.url.replace("http:", "https:") + "/good/plain.png"), (TlsFailed, ConnectionLost)
    )


def test_an_unknown_host(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    failed = error(make(), "http://nowhere.example/a.png")
    assert isinstance(failed, HostNotFound)
    assert "nowhere.example" in str(failed)


@pytest.mark.parametrize("url", ["ftp://example.org/a", "a.png", "", "http://", "http://exa mple.org/"])
def test_what_is_no_url_is_not_asked_for(make: Make, url: str) -> None:
    assert isinstance(error(make(), url), InvalidUrl)


# --- connections


def test_connections_are_used_again_after_successes_errors_and_redirects(
    make: Make, server: FaultServer
) -> None:
    transport = make()
    for path in ["/good/plain.png", "/chunked/plain.png", "/gzip/plain.png", "/redirect/2/plain.png"]:
        get(transport, server.url + path)
    for path in ["/status/404", "/status/503", "/empty", "/no-content", "/loop"]:
        error(transport, server.url + path)
    get(transport, f"{server.url}/good/plain.png")
    assert server.connections() == 1


class HangsUp(TcpServer):
    """Redirects ``/`` and keeps the connection, but for one request: the next one at it finds that it has ended. The
    image is answered at a connection of its own, and with *never* not at all.
    """

    def __init__(self, *, never: bool) -> None:
        super().__init__()
        self._never = never
        self.asked: list[str] = []

    def _serve(self, sock: socket.socket) -> None:
        with sock, suppress(OSError):
            if self._request(sock) == "/":
                sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: /a.png\r\nContent-Length: 0\r\n\r\n")
                self._request(sock)
            elif not self._never:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

    def _request(self, sock: socket.socket) -> str:
        self.asked.append(sock.recv(65536).split(b" ")[1].decode())
        return self.asked[-1]


def test_a_kept_connection_that_is_lost_costs_no_image(make: Make) -> None:
    """Some servers close each one behind their answer and do not say so: where they redirected to was always lost."""
    turns: list[str] = []
    with HangsUp(never=False) as server:
        url = f"http://127.0.0.1:{server.port}"
        found = make().fetch(f"{url}/", max_bytes=MIB, accept="*/*", check=turns.append)
        assert found.content == b"x"
        assert server.asked == ["/", "/a.png", "/a.png"]
        assert turns == [f"{url}/", f"{url}/a.png", f"{url}/a.png"], "each request has its turn"
    with HangsUp(never=True) as server:
        assert isinstance(error(make(), f"http://127.0.0.1:{server.port}/"), ConnectionLost)
        assert server.asked == ["/", "/a.png", "/a.png"], "once more, and that is all"


def test_a_fault_costs_its_own_connection_and_no_other(make: Make, server: FaultServer) -> None:
    transport = make()
    for _ in range(3):
        error(transport, f"{server.url}/cut/100/plain.png")
        error(transport, f"{server.url}/large/5000000", max_bytes=1000)
        assert get(transport, f"{server.url}/good/plain.jpg").content == samples()["plain.jpg"]


def test_many_threads_share_one_transport(make: Make, server: FaultServer) -> None:
    transport = make()
    names = sorted(samples())
    wrong: list[str] = []

    def work(offset: int) -> None:
        for index in range(30):
            name = names[(offset + index) % len(names)]
            if get(transport, f"{server.url}/good/{name}?{offset}-{index}").content != samples()[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(server.requests) == 180
    assert server.connections() <= 6


def test_the_body_of_a_redirect_is_not_waited_for(make: Make, server: FaultServer) -> None:
    """One that never comes: a browser has left long ago."""
    there = f"{server.url}/good/plain.png".encode()
    sent = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 100\r\n\r\n" % there
    with answering(sent, waiting=True) as url:
        begun = time.monotonic()
        assert get(make(total_timeout_s=20.0), url).http_status == 200
        assert soon(time.monotonic() - begun, 5)

"""What libcurl alone has: HTTP/2, connections that are kept, and answers that it can't read."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import BadResponse, ConnectionLost, ForbiddenAddress, TaskError, TlsFailed
from crawler.http import BrowserRequest, Fetched
from crawler.http.address_guard import AddressGuard
from crawler.http.curl_transport import CurlEngine, CurlTransport
from tests.support.backend import Says, backend, says
from tests.support.faultserver import FaultServer
from tests.support.http2server import REFUSED_STREAM, Http2Server
from tests.support.web_proxy import Proxy
from tests.support.web_tls import Authority, tls_server

OK = [(":status", "200"), ("content-type", "image/png"), ("content-length", "2")]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def transport(authority: Authority) -> Iterator[CurlTransport]:
    with closing(CurlTransport(FetchConfig(total_timeout_s=5), ca_file=authority.file)) as made:
        yield made


def get(transport: CurlTransport, url: str, **asked: Any) -> Fetched:
    return transport.fetch(url, max_bytes=10**6, accept="*/*", **asked)


def engine_of(transport: CurlTransport) -> CurlEngine:
    engine = transport._engine
    assert isinstance(engine, CurlEngine)
    return engine


# --- HTTP/2


def test_a_server_that_speaks_http_2_is_asked_by_it(transport: CurlTransport, authority: Authority) -> None:
    hint = [(":status", "103"), ("link", "</a.css>")]
    odd = [(":status", "200"), ("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    with Http2Server(authority.issue("localhost"), [[OK, b"ok"], [hint, odd, b"o", b"k"]]) as server:
        first = get(transport, f"{server.url}/a.png")
        second = get(transport, f"{server.url}/b.png")
    assert (first.content, first.http_status, first.content_type) == (b"ok", 200, "image/png")
    assert (second.content, second.headers) == (b"ok", {"x-a": "1", "set-cookie": "a=1, b=2"})
    assert (server.requests, server.connections) == (2, 1)


def test_interim_answers_without_end_are_no_answer(transport: CurlTransport, authority: Authority) -> None:
    hints = [[(":status", "103"), ("link", "</a.css>")]] * 50
    with (
        Http2Server(authority.issue("localhost"), [[*hints, OK, b"ok"]]) as server,
        pytest.raises(BadResponse, match="interim"),
    ):
        get(transport, f"{server.url}/a.png")


def test_without_content_there_is_none_by_http_2_too(transport: CurlTransport, authority: Authority) -> None:
    answer = [[(":status", "302"), ("location", "/b"), ("content-length", "0")]]
    with Http2Server(authority.issue("localhost"), [answer, [OK, b"ok"]]) as server:
        assert get(transport, f"{server.url}/a").final_url == f"{server.url}/b"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answers", "leaf"),
    [
        ([[OK, b"o", REFUSED_STREAM]], ConnectionLost),
        ([[OK, b"ok!"]], ConnectionLost),
        ([[REFUSED_STREAM]], ConnectionLost),
        ([None], ConnectionLost),
        ([[[(":status", "no")], b"ok"]], TaskError),
    ],
)
def test_what_breaks_off_is_no_answer(
    transport: CurlTransport, authority: Authority, answers: list[Any], leaf: type[TaskError]
) -> None:
    with Http2Server(authority.issue("localhost"), answers) as server, pytest.raises(leaf) as caught:
        get(transport, f"{server.url}/a.png")
    assert caught.value.retryable or isinstance(caught.value, BadResponse), caught.value
    assert server.requests <= 2


def test_a_stream_that_is_refused_is_not_asked_for_behind_our_back(
    transport: CurlTransport, authority: Authority
) -> None:
    """libcurl would ask once more by itself, without a turn."""
    told: list[str] = []
    with Http2Server(authority.issue("localhost"), [[OK, b"ok"], [REFUSED_STREAM], [OK, b"ok"]]) as server:
        get(transport, f"{server.url}/a.png")
        request = BrowserRequest(url=f"{server.url}/b.png")
        answer = transport.exchange(request, max_bytes=100, check=told.append)
        assert answer.content == b"ok"
        assert (server.requests, len(told)) == (3, 2), "each with its turn"


# --- certificates


def test_a_common_name_is_no_name(transport: CurlTransport, authority: Authority) -> None:
    """libcurl would take it for one, where a certificate has none."""
    with tls_server(authority.issue(common_name="localhost")) as server:
        for _ in range(2):
            with pytest.raises(TlsFailed, match="is for no host at all, not for localhost"):
                get(transport, f"{server.url}/good/plain.png")


def test_a_session_that_is_resumed_has_no_certificate_and_is_good(
    transport: CurlTransport, authority: Authority
) -> None:
    with tls_server(authority.issue("localhost")) as server:
        for _ in range(3):
            assert get(transport, f"{server.url}/http10/plain.png").http_status == 200
        assert server.connections() == 3


def test_the_session_of_one_host_is_not_resumed_with_another(
    transport: CurlTransport, authority: Authority
) -> None:
    """A resumed session brings no certificate: whoever has two names could take another one by it."""
    with tls_server(authority.issue("localhost")) as server:
        for _ in range(2):
            assert get(transport, f"{server.url}/http10/plain.png").http_status == 200
        other = server.url.replace("localhost", "127.0.0.1")
        with pytest.raises(TlsFailed, match=r"is for localhost, not for 127\.0\.0\.1"):
            get(transport, f"{other}/http10/plain.png")


# --- connections


def test_no_more_than_a_few_idle_connections_are_kept(
    transport: CurlTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: here)
    with FaultServer() as server:
        port = server.url.rpartition(":")[2]
        before = threading.active_count()
        for number in range(1, 60):
            get(transport, f"http://host-{number}.example:{port}/good/plain.png")
        server.pause(0.05)
        assert server.connections() == 59
        assert threading.active_count() - before <= 18, "a thread of the server for each"


def test_as_many_handles_as_there_were_requests_at_a_time(transport: CurlTransport) -> None:
    with FaultServer() as server:
        for _ in range(3):
            threads = [
                threading.Thread(target=get, args=(transport, f"{server.url}/slow/50/plain.png"))
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(engine_of(transport)._idle) <= 4
        assert server.connections() <= 4


def test_a_connection_is_found_whichever_handle_has_it(transport: CurlTransport) -> None:
    with FaultServer() as one, FaultServer() as other:
        slow = threading.Thread(target=get, args=(transport, f"{one.url}/slow/100/plain.png"))
        slow.start()
        while not one.requests:
            one.pause(0.001)
        get(transport, f"{other.url}/good/plain.png")  # by a second handle
        slow.join()
        for server in (one, other) * 3:
            get(transport, f"{server.url}/good/plain.png")
        assert (one.connections(), other.connections()) == (1, 1)


def test_few_idle_handles_are_kept(transport: CurlTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.http.curl_transport._IDLE_HANDLES", 2)
    engine = engine_of(transport)
    handles = [engine._taken("") for _ in range(4)]
    for handle in handles:
        engine._release(handle)
    assert engine._idle == handles[:2]


def test_a_transport_that_is_closed_meanwhile_keeps_nothing(transport: CurlTransport) -> None:
    with FaultServer() as server:
        thread = threading.Thread(target=get, args=(transport, f"{server.url}/slow/100/plain.png"))
        thread.start()
        while not server.requests:
            server.pause(0.001)
        transport.close()
        thread.join()
        assert engine_of(transport)._idle == []


def test_a_connection_whose_framing_contradicts_itself_is_not_used_again(transport: CurlTransport) -> None:
    with FaultServer() as server:
        for _ in range(2):
            get(transport, f"{server.url}/length-chunked/plain.png")
        assert server.connections() == 2


def test_a_forbidden_address_is_not_connected_to(authority: Authority) -> None:
    """Neither by us nor by libcurl itself, which is told no address but one that it never uses."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(CurlTransport(FetchConfig(), AddressGuard())) as guarded,
    ):
        listener.settimeout(0.05)
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            for scheme in ("http", "https"):
                with pytest.raises(ForbiddenAddress):
                    get(guarded, f"{scheme}://{host}:{port}/")
        with pytest.raises(TimeoutError):
            listener.accept()


# --- what libcurl can't read


def odd_server(listener: socket.socket, asked: list[bytes]) -> None:
    """Answers as libcurl does not like it, again and again."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                asked.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok")


def test_an_odd_server_is_asked_by_requests_from_then_on(transport: CurlTransport) -> None:
    asked: list[bytes] = []
    checked: list[str] = []
    sent: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=odd_server, args=(listener, asked), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.png"
        told = {"check": checked.append, "sent": lambda url, _: sent.append(url)}
        assert get(transport, url, **told).content == b"ok"
        assert (len(asked), len(checked), len(sent)) == (2, 2, 2), "each request has its turn"
        assert get(transport, url, **told).content == b"ok"
        assert (len(asked), len(checked), len(sent)) == (3, 3, 3)
        assert len({request.lower() for request in asked}) == 1, "they say the same"
        listener.shutdown(socket.SHUT_RDWR)


def test_what_libcurl_can_not_read_is_not_posted_twice(transport: CurlTransport) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=odd_server, args=(listener, asked), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(BadResponse):
            transport.exchange(BrowserRequest(url=url, method="POST", body=b"x"), max_bytes=10)
        assert len(asked) == 1
        listener.shutdown(socket.SHUT_RDWR)


def test_few_odd_origins_are_remembered(transport: CurlTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.http.curl_transport._ODD_ORIGINS", 2)
    engine = engine_of(transport)
    for host in "abc":
        engine._remember(f"http://{host}")
    assert list(engine._odd) == ["http://b", "http://c"]


def test_what_a_request_says_is_the_same_by_all_engines(transport: CurlTransport) -> None:
    """Header for header, in their order and spelling."""
    from crawler.http.requests_transport import RequestsTransport

    with (
        backend({"/": says("ok"), "/404": Says(status=404)}) as site,
        closing(RequestsTransport(FetchConfig())) as other,
    ):
        for each in (transport, other):
            get(each, f"{site.url}/", referer=f"{site.url}/page")
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                headers = (("X-a", "1"), ("Content-Type", "text/x"), ("X-Empty", ""), ("X-ü", "1"))
                request = BrowserRequest(url=f"{site.url}/", method=method, headers=headers, body=b"b")
                each.exchange(request, max_bytes=10)
        half = len(site.seen) // 2
        for one, two in zip(site.seen[:half], site.seen[half:], strict=True):
            assert sorted(one.headers) == sorted(two.headers)
            assert (one.method, one.path, one.body) == (two.method, two.path, two.body)


def test_a_url_that_would_make_another_request_is_not_sent(tmp_path: Path) -> None:
    from crawler.http.engine import Outgoing

    with closing(CurlTransport(FetchConfig())) as made, FaultServer() as server:
        for path in ("/a b", "/a\r\nX: y", "/é", "/\x7f"):
            with pytest.raises(TaskError, match="can't be sent"):
                engine_of(made).send(Outgoing(url=server.url + path, headers={}), deadline=1e9)
        with pytest.raises(ValueError, match="line break"):
            engine_of(made).send(Outgoing(url=server.url + "/", headers={"X": "1\r\nY: 2"}), deadline=1e9)
        assert server.requests == []


@pytest.mark.parametrize(("scheme", "is_other"), [("http", False), ("https", True)])
def test_by_way_of_a_proxy_libcurl_sends_itself_unless_that_has_tls(
    authority: Authority, scheme: str, *, is_other: bool
) -> None:
    context = None
    if is_other:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(authority.issue("127.0.0.1"))
    with tls_server(authority.issue("localhost")) as encrypted, FaultServer() as plain:
        with Proxy(login="me:secret", context=context) as proxy:
            config = FetchConfig(proxy=f"{scheme}://me:secret@127.0.0.1:{proxy.port}")
            with closing(CurlTransport(config, ca_file=authority.file)) as made:
                for server in (encrypted, plain):
                    assert get(made, f"{server.url}/good/plain.png").http_status == 200
                assert (engine_of(made)._patient is not None) is is_other
        assert "proxy-authorization" not in encrypted.requests[0].headers
    assert [head.split()[0] for head in proxy.heads] == ["CONNECT", "GET"]

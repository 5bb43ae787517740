"""What every Transport does with cookies and passwords, against real servers."""

from __future__ import annotations

from typing import Any

import pytest

from crawler.config import FetchConfig
from crawler.errors import NotFound, TooManyRedirects
from crawler.http import Transport
from crawler.http.cookies import CookieJar
from tests.support.faultserver import FaultServer
from tests.support.transports import opened

pytestmark = pytest.mark.usefixtures("each_transport")


def fetch(transport: Transport, url: str, **options: Any) -> None:
    transport.fetch(url, max_bytes=10**6, accept="*/*", **options)


def test_a_transport_keeps_and_sends_them(server: FaultServer) -> None:
    jar = CookieJar()
    transport = opened(FetchConfig(), jar=jar)
    fetch(transport, f"{server.url}/cookie/plain.png")
    fetch(transport, f"{server.url}/to?/good/plain.png")
    transport.close()
    assert [request.headers.get("cookie") for request in server.requests] == [None, "seen=1", "seen=1"]
    assert [cookie.name for cookie in jar.news()] == ["seen"]


def test_redirects_and_errors_set_them_as_well(server: FaultServer) -> None:
    transport = opened(FetchConfig(), jar=CookieJar())
    fetch(transport, f"{server.url}/cookie-to?/good/plain.png")
    with pytest.raises(NotFound):
        fetch(transport, f"{server.url}/cookie-status/404")
    fetch(transport, f"{server.url}/good/plain.png")
    transport.close()
    assert [request.headers.get("cookie") for request in server.requests] == [
        None,
        "went=1",
        "went=1",
        "went=1; missed=1",
    ]


def test_a_redirect_to_itself_is_no_circle_when_it_sets_a_cookie(server: FaultServer) -> None:
    url = f"{server.url}/cookie-wall/plain.png"
    transport = opened(FetchConfig(), jar=CookieJar())
    fetch(transport, url)
    with pytest.raises(TooManyRedirects, match="circle"):
        fetch(transport, f"{server.url}/loop")
    transport.close()
    assert len(server.requests) == 3
    forgetful = opened(FetchConfig())
    with pytest.raises(TooManyRedirects, match="circle"):
        fetch(forgetful, url)
    forgetful.close()
    assert len(server.requests) == 4


def test_a_redirect_that_sets_cookies_without_end_ends_all_the_same(server: FaultServer) -> None:
    class Forgetful(CookieJar):
        def header(self, url: str) -> str:
            return ""

    transport = opened(FetchConfig(max_redirects=4), jar=Forgetful())
    with pytest.raises(TooManyRedirects, match="more than 4 times"):
        fetch(transport, f"{server.url}/cookie-wall/plain.png")
    transport.close()
    assert len(server.requests) == 5


def test_a_login_is_not_told_to_where_a_redirect_leads() -> None:
    with FaultServer() as server, FaultServer() as other:
        transport = opened(FetchConfig(login="user:word", headers=("X-Key: k",)), seeds=[f"{server.url}/"])
        transport.fetch(f"{server.url}/to?{other.url}/good/plain.png", max_bytes=10**6, accept="*/*")
        transport.fetch(f"{other.url}/to?{server.url}/good/plain.png", max_bytes=10**6, accept="*/*")
        transport.close()
        assert ["authorization" in request.headers for request in server.requests] == [True, True]
        assert ["authorization" in request.headers for request in other.requests] == [False, False]
        assert all(request.headers["x-key"] == "k" for request in server.requests + other.requests)

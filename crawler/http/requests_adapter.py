"""requests' adapter to urllib3's pools, without what requests does for any URL; and its exceptions as errors of ours.

requests is a façade here: its adapter is overridden where it would read the environment, parse URLs anew or keep state.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager, ProxyManager

from crawler.errors import (
    BadResponse,
    ConnectionLost,
    ConnectTimeout,
    FetchError,
    InvalidUrl,
    TlsFailed,
    TruncatedTransfer,
)
from crawler.http.address_guard import AddressGuard
from crawler.http.certificates import context_of, usual_authorities
from crawler.http.connection import Told, pool_classes
from crawler.http.engine import causes_of
from crawler.http.paced_reader import ReadPace
from crawler.http.proxies import Proxies, Proxy
from crawler.http.status import lost_when
from crawler.text.plain_errors import plain

_POOLS, _IDLE_CONNECTIONS = 64, 256
"""The most hosts whose idle connections are kept, and the most of one host."""


class Adapter(HTTPAdapter):
    """Finds the connection pool for a canonical URL: of its host, by way of the one of *proxies* that it goes through.

    Connections keep *pace* and heed *guard*. *trusted* is a file of certificate authorities; empty: the usual ones.
    """

    def __init__(
        self, pace: ReadPace, guard: AddressGuard | None, proxies: Proxies, *, trusted: str, verify: bool
    ) -> None:
        self._pace = pace
        self._guard = guard
        self.told = Told()
        self._pool_classes = pool_classes(pace, guard, told=self.told)
        self._proxies = proxies
        self._trusted = trusted
        self._verify = verify
        self._tls_lock = threading.Lock()
        self._tls_context: ssl.SSLContext | None = None
        self._pools_lock = threading.Lock()
        super().__init__(pool_connections=_POOLS, pool_maxsize=_IDLE_CONNECTIONS)

    def _pools(self, proxy: Proxy | None) -> Any:
        """The pools of connections by way of *proxy*; None: of direct ones."""
        if proxy is None:
            return self.poolmanager
        with self._pools_lock:
            pools = self.proxy_manager.get(proxy)
            if pools is None:
                pools = self.proxy_manager[proxy] = self._made(proxy)  # which the base class closes
            return pools

    def _made(self, proxy: Proxy) -> Any:
        pools: Any
        if proxy.is_socks:
            pools = PoolManager(num_pools=_POOLS, maxsize=_IDLE_CONNECTIONS)
            pools.pool_classes_by_scheme = pool_classes(self._pace, self._guard, proxy, told=self.told)
            return pools
        pools = ProxyManager(
            proxy.url,
            proxy_headers=proxy.headers,
            proxy_ssl_context=self._context() if proxy.url.startswith("https:") else None,
            num_pools=_POOLS,
            maxsize=_IDLE_CONNECTIONS,
        )
        pools.pool_classes_by_scheme = self._pool_classes
        return pools

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        parts = urlsplit(str(request.url))
        tls = {"ssl_context": self._context()} if parts.scheme == "https" else None
        pools = self._pools(self._proxies.of(str(request.url)))
        return pools.connection_from_host(parts.hostname, parts.port, parts.scheme, pool_kwargs=tls)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Does nothing: the pool's TLS context verifies."""

    def request_url(self, request: requests.PreparedRequest, _: Any) -> str:
        url = str(request.url)
        proxy = self._proxies.of(url) if url.startswith("http:") else None
        forwarded = proxy is not None and not proxy.is_socks
        return url if forwarded else url[url.index("/", len("https://")) :]

    def _context(self) -> ssl.SSLContext:
        """One context for all connections, made for the first of them: that takes 20 ms."""
        with self._tls_lock:
            if self._tls_context is None:
                self._tls_context = context_of(self._trusted or usual_authorities(), verify=self._verify)
            return self._tls_context

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # the base class also looks for cookies and a text encoding: 0.1 ms for nothing
        response = requests.Response()
        response.request = req
        response.url = req.url or ""
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        return response


def wrapped(exc: Exception, *, url: str, http_status: int) -> FetchError:
    """The error of ours for an exception of requests, urllib3, http.client, ssl or socket."""
    causes = list(causes_of(exc))
    leaf: type[FetchError]

    def any_is(*kinds: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    if cause := any_is(http.client.IncompleteRead):
        leaf, text = TruncatedTransfer, f"the server closed the connection within the answer: {plain(cause)}"
    elif any_is(ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError):
        leaf, text = ConnectionLost, f"the server closed the connection {lost_when(url, http_status)}"
    elif cause := any_is(ssl.SSLError):
        # after the handshake it is the stream that broke
        leaf = ConnectionLost if http_status else TlsFailed
        text = f"the encrypted connection broke: {plain(cause)}"
    elif any_is(TimeoutError):
        leaf, text = ConnectTimeout, "the connection was not ready in time (connect_timeout_s)"
    elif any_is(http.client.InvalidURL, requests.exceptions.InvalidURL, UnicodeError):
        leaf, text = InvalidUrl, "the URL has characters that can't be sent"
    elif any_is(http.client.HTTPException):
        leaf, text = BadResponse, "the answer is not HTTP"
    elif cause := any_is(OSError):
        leaf, text = ConnectionLost, f"the connection failed: {plain(cause)}"
    else:
        leaf, text = BadResponse, "the answer can't be read"
    return leaf(text, http_status=http_status, final_url=url)

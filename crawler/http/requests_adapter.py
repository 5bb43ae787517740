"""requests' adapter to urllib3's pools, with none of what requests does for any URL and any session."""

from __future__ import annotations

import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import PoolManager, ProxyManager

from crawler.http.address_guard import AddressGuard
from crawler.http.certificates import context_of
from crawler.http.connection import ReadPace, pool_classes
from crawler.http.proxies import Proxies, Proxy

_POOLS, _IDLE_CONNECTIONS = 64, 256
"""Hosts whose idle connections are kept, and how many of one host."""


class Adapter(HTTPAdapter):
    """Finds the pool for a canonical URL, of the one of *proxies* that it is asked through; its connections keep *pace*
    and heed *guard*.

    *trusted* is a file of certificate authorities, or empty for the usual ones.
    """

    def __init__(
        self, pace: ReadPace, guard: AddressGuard | None, proxies: Proxies, *, trusted: str, verify: bool
    ) -> None:
        self._pace = pace
        self._guard = guard
        self._pool_classes = pool_classes(pace, guard)
        self._proxies = proxies
        self._trusted = trusted
        self._verify = verify
        self._tls_lock = threading.Lock()
        self._tls_context: ssl.SSLContext | None = None
        self._pools_lock = threading.Lock()
        super().__init__(pool_connections=_POOLS, pool_maxsize=_IDLE_CONNECTIONS)

    def _pools(self, proxy: Proxy | None) -> Any:
        """Those of the connections by way of *proxy*."""
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
            pools.pool_classes_by_scheme = pool_classes(self._pace, self._guard, proxy)
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
        """Nothing is left to do: the pool's TLS context knows."""

    def request_url(self, request: requests.PreparedRequest, _: Any) -> str:
        url = str(request.url)
        proxy = self._proxies.of(url) if url.startswith("http:") else None
        forwarded = proxy is not None and not proxy.is_socks
        return url if forwarded else url[url.index("/", len("https://")) :]

    def _context(self) -> ssl.SSLContext:
        """One for all connections: it takes 20 ms to make, so not before there is one."""
        with self._tls_lock:
            if self._tls_context is None:
                self._tls_context = context_of(self._trusted or DEFAULT_CA_BUNDLE_PATH, verify=self._verify)
            return self._tls_context

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        # the base class also looks for cookies and a text encoding: 0.1 ms that nobody asks for
        response = requests.Response()
        response.request = req
        response.url = req.url or ""
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        return response

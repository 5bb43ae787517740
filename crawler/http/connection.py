"""urllib3's connections and their pools, of which requests is built: paced, guarded, and told apart when they fail.

Connections are opened by dialling.py, and read through a PacedReader.
"""

from __future__ import annotations

import functools
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_match_hostname import CertificateError

from crawler.http import tunnel
from crawler.http.address_guard import AddressGuard
from crawler.http.certificates import misnamed, tls_failed
from crawler.http.dialling import open_by_socks, open_socket
from crawler.http.dns_cache import DnsCache
from crawler.http.engine import IdleConnectionLost
from crawler.http.paced_reader import PacedResponse, ReadPace
from crawler.http.proxies import Proxy
from crawler.text.plain_errors import plain
from crawler.urls import host_key, show_address

if TYPE_CHECKING:
    from collections.abc import Callable


class Told(threading.local):
    """What the request of a thread is to call right before it is sent: the layers between have no room for it."""

    on_send: Callable[[], None] | None = None


class _Plain(HTTPConnection):
    names: ClassVar[DnsCache]
    guard: ClassVar[AddressGuard | None]
    socks: ClassVar[Proxy | None]
    buffer_bytes: ClassVar[int]
    told: ClassVar[Told]

    def _new_conn(self) -> socket.socket:
        host, port, timeout_s = self._dns_host, int(self.port or 0), _seconds(self.timeout)
        names, guard, size = self.names, self.guard, self.buffer_bytes
        if self.proxy is not None:  # whoever names a proxy trusts it, wherever it is
            return open_socket(host, port, timeout_s, names, called=f"the proxy {host}", buffer_bytes=size)
        if self.socks is not None:
            return open_by_socks(self.socks, host, port, timeout_s, names, guard, buffer_bytes=size)
        return open_socket(host, port, timeout_s, names, guard, buffer_bytes=size)


class _Encrypted(_Plain, HTTPSConnection):
    def connect(self) -> None:
        target = str(self._tunnel_host or self.host), int(self._tunnel_port or self.port or 0)
        try:
            super().connect()
        except CertificateError as exc:
            raise misnamed(getattr(exc, "_peer_cert", None), *target) from exc
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise
        except ssl.SSLError as exc:
            raise tls_failed(exc, *target) from exc

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        proxy = f"the proxy {hostname}", int(self.port)
        try:
            return super()._connect_tls_proxy(hostname, sock)
        except CertificateError as exc:
            raise misnamed(getattr(exc, "_peer_cert", None), *proxy) from exc
        except ssl.SSLError as exc:
            raise tls_failed(exc, *proxy) from exc

    def _tunnel(self) -> None:
        target = show_address((str(self._tunnel_host).strip("[]"), int(self._tunnel_port or 0)))
        proxy = show_address((self.host.strip("[]"), int(self.port)))
        tunnel.ask(
            self.send,
            lambda: self.response_class(self.sock, method="CONNECT"),
            proxy=proxy,
            headers=self._tunnel_headers,  # type: ignore[attr-defined]
            target=target,
        )


class _Verbatim(HTTPConnectionPool):
    """A pool that sends the request target as it is given.

    urllib3 encodes it anew, by RFC 3986: ``%2f`` becomes ``%2F``, a lone ``%`` becomes ``%25``, ``[`` becomes ``%5B``.
    That is another URL for a server that signs or compares its URLs, and the record would name one that was not
    requested. http.client still refuses white space, controls and what is not ASCII.
    """

    def urlopen(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        # by the scheme of a target in absolute form urllib3 decides how a proxy is used
        seen = "/" if url.startswith("/") else f"{host_key(url)}/"
        return super().urlopen(method, seen, *args, target=url, **kwargs)

    def _validate_conn(self, conn: Any) -> None:
        """Called right before a request is sent over *conn*, which connects only then.

        urllib3's own warns at each encrypted connection with verify_tls off, which the user has chosen.
        """
        if conn.is_closed:
            conn.connect()
        if (on_send := conn.told.on_send) is not None:
            on_send()

    def _make_request(self, conn: Any, method: str, url: str, *, target: str = "", **kwargs: Any) -> Any:  # type: ignore[override]
        was_idle = not conn.is_closed
        try:
            return super()._make_request(conn, method, target or url, **kwargs)
        except ConnectionError as exc:
            if was_idle:
                raise IdleConnectionLost(f"an idle connection was lost: {plain(exc)}") from exc
            raise


def pool_classes(
    pace: ReadPace,
    guard: AddressGuard | None = None,
    socks_proxy: Proxy | None = None,
    *,
    told: Told | None = None,
) -> dict[str, Callable[..., HTTPConnectionPool]]:
    """Classes of connection pools by scheme, for urllib3's PoolManager; their connections keep *pace* and heed *guard*.

    Connections are made by way of *socks_proxy* if there is one. The TLS context must not check host names: that is
    done after the handshake, when an error can name those that the certificate is for.
    """
    shared = {
        # static, for a partial is a method from 3.14 on
        "response_class": staticmethod(functools.partial(PacedResponse, pace=pace)),
        "names": DnsCache(),
        "guard": guard,
        "socks": socks_proxy,
        "told": told or Told(),
        "buffer_bytes": 0 if pace.bandwidth is None else pace.bandwidth.buffer_bytes,
    }
    plain = type("Plain", (_Plain,), shared)
    encrypted = type("Encrypted", (_Encrypted,), shared)

    class PlainPool(_Verbatim, HTTPConnectionPool):
        ConnectionCls: ClassVar[Any] = plain  # type: ignore[misc]

    class EncryptedPool(_Verbatim, HTTPSConnectionPool):
        ConnectionCls: ClassVar[Any] = encrypted  # type: ignore[misc]

    return {"http": PlainPool, "https": EncryptedPool}


def _seconds(timeout: object) -> float:
    return float(timeout) if isinstance(timeout, (int, float)) else 60.0
